"""The lag of a consumer is seen from outside, also of one that never read anything."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from libs.common import kafka, telemetry
from libs.common.kafka import TopicSpec, connection_arguments, parked_topics, provision
from libs.common.settings import CommonSettings
from services.console.runner.lag import LagMeter, measure

pytestmark = pytest.mark.connected
TOPIC = "sample.measured"


@pytest.fixture
async def admin(settings: CommonSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Topics of two consumers, `slow` and `never`, with ten messages."""
    await provision(
        settings, [TopicSpec(TOPIC, 3, {}), *parked_topics("slow", [TOPIC]), *parked_topics("never", [TOPIC])]
    )
    client = AIOKafkaAdminClient(**connection_arguments(settings))
    await client.start()
    producer = kafka.make_producer(settings)
    await producer.start()
    for number in range(10):
        await producer.send_and_wait(TOPIC, b"{}", str(number).encode())
    await producer.send_and_wait(f"{TOPIC}.retry.slow", b"{}", b"0")
    await producer.stop()
    yield client
    await client.close()


def gauges(consumer: str) -> tuple[float | None, float | None]:
    """(lag, committed)"""
    labels = {"consumer": consumer, "topic": TOPIC}
    return (
        telemetry.REGISTRY.get_sample_value("camloop_consumer_lag_messages", labels),
        telemetry.REGISTRY.get_sample_value("camloop_consumer_committed_offset", labels),
    )


async def test_what_is_not_acknowledged_is_lag(admin: AIOKafkaAdminClient, settings: CommonSettings) -> None:
    consumer = AIOKafkaConsumer(
        TOPIC, f"{TOPIC}.retry.slow", **connection_arguments(settings), group_id=f"slow.{TOPIC}",
        auto_offset_reset="earliest", enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    try:
        for _ in range(4):
            await consumer.getone()
        await consumer.commit()
        await measure(admin, consumer)
        assert gauges("slow") == (7, 4)
        assert gauges("never") == (10, 0)
    finally:
        await consumer.stop()


async def test_a_broker_that_is_away_is_waited_for(settings: CommonSettings) -> None:
    gone = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    meter = LagMeter(gone, seconds=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await meter.run()
