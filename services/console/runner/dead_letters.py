"""Collects the dead letters of every consumer, also of those that come later: a subscription by pattern."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError

from libs.common.postgres import DATABASE_TROUBLE
from libs.common.retry import envelope_of, readable
from libs.common.settings import CommonSettings
from services.console.runner.topics import Consumer, Record, make_consumer
from services.console.store.dead_letters import DeadLetterStore, Letter

log = structlog.get_logger()
GROUP = "console.dead-letters"
PATTERN = r"^.+\.dlq\.[^.]+$"
NEW_TOPICS_MS = 5_000
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class DeadLetterReader:
    """At least once: a letter's row is written, then its offset is committed; the same letter again changes nothing."""

    settings: CommonSettings
    store: DeadLetterStore

    async def run(self) -> None:
        """Read for ever; a broker or database that is away for a while is waited for."""
        while True:
            try:
                await self._read()
            except (*DATABASE_TROUBLE, KafkaError) as error:
                log.warning("dead_letters_interrupted", error=str(error) or type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> None:
        consumer = make_consumer(
            self.settings,
            group_id=GROUP,
            metadata_max_age_ms=NEW_TOPICS_MS,
            session_timeout_ms=30_000,
            rebalance_timeout_ms=60_000,
        )
        consumer.subscribe(pattern=PATTERN)
        await consumer.start()
        try:
            while True:
                await self._take(consumer)
        finally:
            await consumer.stop()

    async def _take(self, consumer: Consumer) -> None:
        batches = await consumer.getmany(timeout_ms=1_000, max_records=200)
        for records in batches.values():
            for record in records:
                await self.store.add(letter_of(record))
        if batches:
            await consumer.commit()


def letter_of(record: Record) -> Letter:
    """A dead letter from its record, whatever is in it."""
    topic, _, consumer = record.topic.partition(".dlq.")
    envelope = envelope_of(record)
    return Letter(
        topic=topic,
        consumer=consumer,
        event_id=envelope.event_id,
        source=envelope.source.replace("\x00", ""),
        key=record.key or b"",
        headers={name: readable(raw).decode().replace("\x00", "") for name, raw in record.headers},
        value=record.value,
        dead_offset=record.offset,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
