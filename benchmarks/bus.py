"""What a hop costs: from a handler's publish call to the next handler's entry, and how many events a service sustains.

The other side is raw aiokafka on the same broker in the same run: no framework, no validation, no inbox, no outbox.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.announcer import announcing, service
from benchmarks.rows import Row, at_most, middle, quantile
from benchmarks.stacks import environment_of, settings_of, value
from libs.common import inbox, objects
from libs.common.envelope import Envelope
from libs.common.events import SampleRejected, to_json
from libs.common.injection import Given
from libs.common.kafka import Subscriptions, TopicSpec, event_topics, provision
from libs.common.postgres import Pool, migrate
from libs.common.service import Service
from libs.common.settings import CommonSettings
from libs.common.testing import snapshot
from libs.local.ports import free_port
from libs.local.stack import LocalStack

HOPS = 300
EVERY_SECONDS = 0.02
BACKLOG = 6000
REPLICAS = 2
ROUNDS = 3
HANDLED = "select count(*) from cleaner.inbox where received_at > $1"
# While every replica has work: at the end of a backlog the one with fewer messages waits for the other.
LASTED = """
    select extract(epoch from percentile_disc(0.8) within group (order by received_at)
        - percentile_disc(0.1) within group (order by received_at)) from cleaner.inbox where received_at > $1
"""
STEADY_SHARE = 0.7


async def run() -> list[Row]:
    """Rows of the hop and of the sustained rate."""
    async with LocalStack(durable=True) as stack:
        settings = settings_of(stack)
        for service in ("cleaner", "dataset"):
            await migrate(stack.postgres_dsn, service)
        await objects.connect(settings).ensure_bucket()
        await provision(settings, [*event_topics(), TopicSpec("bench.raw", 1, {})])
        raw, ours = list[float](), list[float]()
        async with _Pair(settings) as pair:
            for _ in range(ROUNDS):
                raw += await _raw_hops(settings)
                ours += await pair.hops()
        rate = await _sustained(stack, settings)
        raw_rate = await _raw_drain(settings)
    return [_hop_row(raw, ours), _rate_row(rate, raw_rate)]


def _hop_row(raw: list[float], ours: list[float]) -> Row:
    ratio = quantile(ours, 0.5) / quantile(raw, 0.5)
    return at_most("event hop with inbox and outbox / raw aiokafka, p50", _told(ours), _told(raw), ratio, 3.0)


def _told(seconds: list[float]) -> str:
    return f"{quantile(seconds, 0.5) * 1000:.1f} ms, p99 {quantile(seconds, 0.99) * 1000:.0f}"


def _rate_row(rate: float, raw: float) -> Row:
    return Row(
        f"sustained events/s of one service, {REPLICAS} replicas: inbox, state, outbox / raw aiokafka, a commit each",
        f"{rate:.0f}/s", f"{raw:.0f}/s", rate / raw, ">= 500/s", rate >= 500,
    )  # fmt: skip


class _Pair:
    """Two services: the first announces a fact for each event, the second hears it."""

    def __init__(self, settings: CommonSettings) -> None:
        self.settings = settings
        self.said: dict[UUID, float] = {}
        self.taken: list[float] = []
        self.stop = asyncio.Event()

    async def __aenter__(self) -> "_Pair":
        self.producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all")
        await self.producer.start()
        services = (("cleaner", announcing(self._note)), ("dataset", self._hearing()))
        self.tasks = [asyncio.ensure_future(self._service(name, heard).serve(self.stop)) for name, heard in services]
        await self._until(self._warm, 120)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.producer.stop()

    def _service(self, name: str, heard: Subscriptions) -> Service:
        return service(name, self.settings.model_copy(update={"http_port": free_port()}), heard)

    def _note(self, sample_id: UUID) -> None:
        self.said[sample_id] = time.perf_counter()

    def _hearing(self) -> Subscriptions:
        subscriptions = Subscriptions("dataset")

        @subscriptions.hears(SampleRejected)
        async def hear(
            event: SampleRejected, envelope: Annotated[Envelope, Given()], pool: Annotated[Pool, Given()]
        ) -> None:
            self.taken.append(time.perf_counter() - self.said[event.sample_id])
            async with inbox.transaction(pool, "dataset", envelope):
                pass

        return subscriptions

    async def _warm(self) -> bool:
        event = snapshot()
        await self.producer.send_and_wait(event.topic, to_json(event), event.key.encode())
        await asyncio.sleep(0.2)
        return len(self.taken) > 20

    async def hops(self) -> list[float]:
        """Seconds of `HOPS` hops at a steady rate."""
        await asyncio.sleep(1)
        before = len(self.taken)
        for _ in range(HOPS):
            event = snapshot()
            await self.producer.send(event.topic, to_json(event), event.key.encode())
            await asyncio.sleep(EVERY_SECONDS)
        await self._until(lambda: _done(len(self.taken) - before >= HOPS), 60)
        return self.taken[before:]

    async def _until(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():
                for task in self.tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)


async def _done(value: bool) -> bool:
    return value


async def _sustained(stack: LocalStack, settings: CommonSettings) -> float:
    """Events a second of a backlog, by the database's clock: a replica for each core, as one would run them."""
    ports = [free_port() for _ in range(REPLICAS)]
    replicas = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.announcer"),
            env={**os.environ, **environment_of(stack), "HTTP_PORT": str(port)},  # noqa: TID251 ours and a stack
        )
        for port in ports
    ]
    try:
        await asyncio.gather(*(_ready(port) for port in ports))
        return middle([await _drained(stack, settings) for _ in range(ROUNDS)])
    finally:
        for replica in replicas:
            replica.terminate()
            await replica.wait()


async def _ready(port: int) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            with suppress(httpx.TransportError):
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


async def _drained(stack: LocalStack, settings: CommonSettings) -> float:
    events = [snapshot(camera_id=f"line-{number % 96}") for number in range(BACKLOG)]
    began = await value(stack, "select now()")
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all") as producer:
        await asyncio.gather(*[await producer.send(e.topic, to_json(e), e.key.encode()) for e in events])
    async with asyncio.timeout(300):
        while await value(stack, HANDLED, began) < BACKLOG:  # noqa: ASYNC110 other processes
            await asyncio.sleep(0.2)
    return STEADY_SHARE * BACKLOG / float(await value(stack, LASTED, began))


async def _raw_hops(settings: CommonSettings) -> list[float]:
    taken = list[float]()
    async with _raw(settings) as (producer, consumer):

        async def read() -> None:
            while len(taken) < HOPS:
                record = await consumer.getone()
                taken.append(time.perf_counter() - float(record.value or b"0"))

        reading = asyncio.ensure_future(read())
        for _ in range(HOPS):
            await producer.send("bench.raw", repr(time.perf_counter()).encode())
            await asyncio.sleep(EVERY_SECONDS)
        await asyncio.wait_for(reading, 60)
    return taken


async def _raw_drain(settings: CommonSettings) -> float:
    async with _raw(settings) as (producer, consumer):
        body = to_json(snapshot())
        await asyncio.gather(*[await producer.send("bench.raw", body) for _ in range(BACKLOG)])
        began = time.perf_counter()
        for _ in range(BACKLOG):
            await consumer.getone()
            await consumer.commit()
        return BACKLOG / (time.perf_counter() - began)


class _raw:
    def __init__(self, settings: CommonSettings) -> None:
        self.bootstrap = settings.kafka_bootstrap_servers

    async def __aenter__(self) -> tuple[AIOKafkaProducer, AIOKafkaConsumer]:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True, linger_ms=5, compression_type="lz4"
        )
        self.consumer: Any = AIOKafkaConsumer(
            "bench.raw", bootstrap_servers=self.bootstrap, group_id=uuid4().hex, enable_auto_commit=False
        )
        await self.producer.start()
        await self.consumer.start()
        await self.consumer.seek_to_end()
        return self.producer, self.consumer

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.stop()
        await self.producer.stop()
