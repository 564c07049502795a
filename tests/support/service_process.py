"""A service as a process of its own, and the bus it talks over: `async with running("registry", environment) as url`."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.common.envelope import uuid7
from libs.common.events import Event, to_json
from libs.common.outbox import envelope_headers
from tests.support.replica import Replica


@asynccontextmanager
async def running(service: str, environment: dict[str, str], **settings: str) -> AsyncIterator[str]:
    """`python -m services.<service>`, ready; its base URL. Stopped with SIGTERM at the end."""
    with tempfile.TemporaryDirectory() as folder:
        variables = environment | {"RETRY_BASE_SECONDS": "0.2"} | settings
        replica = await Replica.start(service, variables, Path(folder))
        try:
            await replica.ready()
            yield replica.url
        except BaseException:
            sys.stdout.write(replica.output.read_text()[-20_000:])  # pytest shows it beside the failure
            raise
        finally:
            await replica.stop(40)


@dataclass
class Bus:
    """Publishes as services do, and reads what was said."""

    producer: AIOKafkaProducer
    bootstrap: str

    async def say(self, event: Event, *, event_id: UUID | None = None, **headers: str) -> UUID:
        identity = event_id or uuid7()
        sent = envelope_headers(event, event_id=identity, cause=None) | {"ce_source": "/test"} | headers
        await self.producer.send_and_wait(
            event.topic, to_json(event), event.key.encode(), headers=[(k, v.encode()) for k, v in sent.items()]
        )
        return identity

    async def raw(self, topic: str, value: bytes | None, **headers: bytes) -> None:
        await self.producer.send_and_wait(topic, value, b"k", headers=list(headers.items()))

    async def said(self, topic: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Every body on a topic until now that is wanted."""
        return [body for body in (loads(record.value) for record in await self.records(topic)) if wanted(body)]

    async def records(self, topic: str) -> list[Any]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = list(consumer.assignment())
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found.extend(batch)
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def bus_on(bootstrap: str) -> AsyncIterator[Bus]:
    """A connection to the bus."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        yield Bus(producer, bootstrap)
    finally:
        await producer.stop()


async def eventually(look: Callable[[], Any], *, seconds: float = 90, every: float = 0.2) -> Any:
    """Await `look()` until it gives something."""
    # By the clock between looks: aiokafka swallows the cancellation of asyncio.timeout.
    end = time.monotonic() + seconds
    while not (answer := await look()):
        assert time.monotonic() < end, f"still {answer!r} after {seconds} s"
        await asyncio.sleep(every)
    return answer
