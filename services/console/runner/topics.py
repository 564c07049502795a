"""Reading topics outside the broker's subscriptions: aiokafka's consumer, with types."""

from typing import Any, Protocol, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from libs.common.kafka import LOOK_EVERY_MS, connection_arguments
from libs.common.settings import CommonSettings

Record = ConsumerRecord[bytes, bytes]


class Consumer(Protocol):
    """What we need of aiokafka's consumer."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def commit(self) -> None: ...
    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...
    def assignment(self) -> set[TopicPartition]: ...
    def subscribe(self, *, pattern: str) -> None: ...


def make_consumer(settings: CommonSettings, *topics: str, **options: Any) -> Consumer:
    """A consumer that starts at the first offset and commits nothing by itself."""
    consumer = AIOKafkaConsumer(
        *topics,
        **connection_arguments(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        consumer_timeout_ms=LOOK_EVERY_MS,
        **options,
    )
    return cast(Consumer, consumer)
