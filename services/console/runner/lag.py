"""How far behind every consumer is, measured from outside: one that hangs or is dead reports nothing itself."""

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.common import telemetry
from libs.common.kafka import connection_arguments
from libs.common.settings import CommonSettings

log = structlog.get_logger()
RETRY = ".retry."
Offsets = dict[TopicPartition, int]


@dataclass(frozen=True)
class Heard:
    """What one consumer hears: a topic and its own retry topic, in the group it reads them with."""

    consumer: str
    topic: str
    group: str

    @property
    def topics(self) -> tuple[str, str]:
        """Both topics."""
        return self.topic, f"{self.topic}{RETRY}{self.consumer}"


class Edges(Protocol):
    """Where topics begin and end: what we need of aiokafka's consumer."""

    async def end_offsets(self, partitions: list[TopicPartition]) -> Offsets: ...
    async def beginning_offsets(self, partitions: list[TopicPartition]) -> Offsets: ...


@dataclass(frozen=True)
class LagMeter:
    """Keeps `camloop_consumer_lag_messages` and `camloop_consumer_committed_offset` of every consumer."""

    settings: CommonSettings
    seconds: float

    async def run(self) -> None:
        """Measure for ever; a broker that is away for a while only leaves the gauges old."""
        while True:
            try:
                await self._measure_for_ever()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("lag_not_measured", error=str(error) or type(error).__name__)
                await asyncio.sleep(self.seconds)

    async def _measure_for_ever(self) -> None:
        arguments = connection_arguments(self.settings)
        admin, edges = AIOKafkaAdminClient(**arguments), AIOKafkaConsumer(**arguments)
        try:
            await admin.start()
            await edges.start()
            while True:
                await measure(admin, cast(Edges, edges))
                await asyncio.sleep(self.seconds)
        finally:
            await edges.stop()
            await admin.close()


async def measure(admin: AIOKafkaAdminClient, edges: Edges) -> None:
    """Set the gauges once. Raises `KafkaError`."""
    partitions = await _partitions(admin)
    groups = {str(name) for name, _ in await admin.list_consumer_groups()}
    heard = who_hears_what(set(partitions), groups)
    ends = await edges.end_offsets([each for topic in partitions.values() for each in topic])
    committed = {group: await _committed(admin, group) for group in groups & {each.group for each in heard}}
    for each in heard:
        mine = [partition for topic in each.topics for partition in partitions.get(topic, ())]
        acknowledged = await _acknowledged(edges, mine, committed.get(each.group, {}))
        telemetry.lag.labels(each.consumer, each.topic).set(sum(ends[p] - acknowledged[p] for p in mine))
        telemetry.committed.labels(each.consumer, each.topic).set(sum(acknowledged.values()))


def who_hears_what(topics: set[str], groups: set[str]) -> list[Heard]:
    """Every consumer has a retry topic for each topic it hears, so topics tell who hears what, also before it ever read.

    The group is `<consumer>.<topic>`, or `<consumer>` where one subscription hears several topics.
    """
    pairs = sorted(name.split(RETRY, 1) for name in topics if RETRY in name)
    return [
        Heard(consumer, topic, consumer if consumer in groups and f"{consumer}.{topic}" not in groups else f"{consumer}.{topic}")
        for topic, consumer in pairs
    ]  # fmt: skip


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, list[TopicPartition]]:
    names = [name for name in await admin.list_topics() if not name.startswith("__") and ".dlq." not in name]
    described = await admin.describe_topics(names)
    return {
        topic["topic"]: [TopicPartition(topic["topic"], each["partition"]) for each in topic["partitions"]]
        for topic in described
    }


async def _committed(admin: AIOKafkaAdminClient, group: str) -> Offsets:
    offsets = await admin.list_consumer_group_offsets(group)
    return {partition: known.offset for partition, known in offsets.items() if known.offset >= 0}


async def _acknowledged(edges: Edges, partitions: list[TopicPartition], committed: Offsets) -> Offsets:
    # Where nothing was acknowledged yet, reading starts at what is still kept.
    fresh = [partition for partition in partitions if partition not in committed]
    begins = await edges.beginning_offsets(fresh) if fresh else {}
    return {partition: committed.get(partition, begins.get(partition, 0)) for partition in partitions}
