"""What tests of the plumbing share: a service's pool, and a reader of topics from where they ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.common.kafka import TopicSpec, make_producer, provision
from libs.common.postgres import Pool, open_pool
from libs.common.settings import CommonSettings


@pytest.fixture
async def pool(database: Any) -> AsyncIterator[Pool]:
    """The cleaner's schema in a fresh database."""
    await database.migrate("cleaner")
    opened = await open_pool(database.dsn, "cleaner", maximum=25)
    yield opened
    await opened.close()


@pytest.fixture
async def topic(settings: CommonSettings) -> str:
    """A topic of one partition that nobody else uses."""
    name = f"t{uuid4().hex[:10]}.made"
    await provision(settings, [TopicSpec(name, 1, {})])
    return name


@pytest.fixture
async def producer(settings: CommonSettings) -> AsyncIterator[AIOKafkaProducer]:
    """The relay's producer."""
    made = make_producer(settings)
    await made.start()
    yield made
    await made.stop()


@dataclass
class Listener:
    """Collects what arrives on some topics."""

    records: list[Any] = field(default_factory=list)

    def values(self, topic: str | None = None) -> list[bytes]:
        return [record.value for record in self.records if topic in (None, record.topic)]

    async def until(self, condition: Callable[[], bool], timeout_seconds: float = 60) -> None:
        async with asyncio.timeout(timeout_seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def listen(settings: CommonSettings) -> AsyncIterator[Callable[..., Awaitable[Listener]]]:
    """`await listen(topic, ...)`: hear what is published from now on (on a fresh topic: everything)."""
    running: list[tuple[AIOKafkaConsumer, asyncio.Future[None]]] = []

    async def start(*topics: str) -> Listener:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        heard = Listener()
        consumer.subscribe(list(topics))
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=50)
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        running.append((consumer, asyncio.ensure_future(_collect(consumer, heard))))
        return heard

    yield start
    for consumer, task in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


async def _collect(consumer: AIOKafkaConsumer, heard: Listener) -> None:
    async for record in consumer:
        heard.records.append(record)
