"""A pool that remembers what was executed, and Kafka records as a consumer gets them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord


@dataclass
class FakePool:
    """Stands in for the pool and its connections; `broken` is raised by every statement."""

    executed: list[tuple[Any, ...]] = field(default_factory=list)
    broken: Exception | None = None

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["FakePool"]:
        yield self

    async def execute(self, statement: str, *arguments: Any) -> str:
        if self.broken is not None:
            raise self.broken
        self.executed.append((statement, *arguments))
        return "INSERT 0 1"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What was put into the outbox."""
        names = ("event_id", "topic", "key", "headers", "value", "delay")
        return [dict(zip(names, arguments, strict=True)) for _, *arguments in self.executed]


def record(
    value: bytes | None = b"{}",
    *headers: tuple[str, Any],
    topic: str = "snapshot.captured",
    partition: int = 0,
    offset: int = 7,
) -> Any:
    """A message as aiokafka hands it out."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=b"line-1",
        value=value,
        checksum=None,
        serialized_key_size=6,
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )
