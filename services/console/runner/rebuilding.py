"""A rebuild as a leased job: fills the log up from the topics, makes the read tables anew, changes them over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from json import JSONDecodeError, loads
from typing import Any, cast

import structlog
from aiokafka import TopicPartition

from libs.common.errors import Transient
from libs.common.events import all_events
from libs.common.jobs import Jobs, Lease
from libs.common.postgres import Connection, Pool
from libs.common.retry import envelope_of, readable
from libs.common.runner import Pulse
from libs.common.settings import CommonSettings
from services.console.runner.topics import Consumer, Record, make_consumer
from services.console.store.log import Arrival, arrival_of
from services.console.store.rebuild import Rebuild

log = structlog.get_logger()
ONE_AT_A_TIME = "select pg_try_advisory_lock(hashtextextended('console-rebuild', 0))"


@dataclass(frozen=True)
class Rebuilder:
    """What the job runner calls for a lease on a rebuild."""

    pool: Pool
    jobs: Jobs
    settings: CommonSettings

    async def work(self, lease: Lease, pulse: Pulse) -> None:
        """Rebuild from the first offset of every topic. Readers see the old tables until the new ones stand."""
        rebuild = Rebuild(self.pool)
        async with self._alone():
            read = await self._fill(rebuild, pulse)
            await rebuild.clear()
            last = await self._replay(rebuild, pulse)
            last = await rebuild.change_over(last)
            async with self.pool.acquire() as connection, connection.transaction():
                await self.jobs.finish(connection, lease, {"read": read, "last_position": last})
        log.info("read_tables_rebuilt", read=read, last_position=last)

    async def _fill(self, rebuild: Rebuild, pulse: Pulse) -> int:
        read = 0
        async for arrivals in history(self.settings):
            await rebuild.fill(arrivals)
            read += len(arrivals)
            pulse.progress = {"stage": "reading the topics", "events": read}
        return read

    async def _replay(self, rebuild: Rebuild, pulse: Pulse) -> int:
        last = 0
        while (seq := await rebuild.replay(last)) is not None:
            last = seq
            pulse.progress = {"stage": "making the tables", "position": last}
        return last

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """The shadow has room for one: a worker that was thought dead may still be writing."""
        async with self.pool.acquire() as connection:
            if not await connection.fetchval(ONE_AT_A_TIME):
                raise Transient("Another rebuild is under way: this one waits for it")
            try:
                yield
                await connection.execute("select pg_advisory_unlock_all()")
            except BaseException:
                connection.terminate()  # and with it the lock
                raise

    async def on_failed(self, connection: Connection, spec: dict[str, Any], attempt: int, reason: str) -> None:
        """Nothing was changed over; the live tables go on."""
        log.error("rebuild_failed", attempt=attempt, reason=reason)


async def history(settings: CommonSettings) -> AsyncIterator[list[Arrival]]:
    """Everything on the event topics from the first offset to where they end now, in batches, past what is no event."""
    consumer = make_consumer(settings, *[event.topic for event in all_events()])
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while await _behind(consumer, ends):
            batches = await consumer.getmany(timeout_ms=500, max_records=500)
            yield [arrival for records in batches.values() for arrival in map(_arrival, records) if arrival is not None]
    finally:
        await consumer.stop()


async def _behind(consumer: Consumer, ends: dict[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return True
    return False


def _arrival(record: Record) -> Arrival | None:
    """As the live handler would have kept it; what it could not read lies among the dead letters."""
    record.headers = tuple((name, readable(raw)) for name, raw in record.headers)
    envelope = envelope_of(record)
    try:
        body: Any = loads(record.value or b"")
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    if not isinstance(body, dict) or envelope.declared_type not in (None, "", envelope.topic):
        return None
    arrived_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return arrival_of(cast("dict[str, Any]", body), envelope, arrived_at)
