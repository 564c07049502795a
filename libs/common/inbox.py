"""The inbox: what an event does is done once, however often it is delivered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common import telemetry
from libs.common.envelope import Envelope
from libs.common.errors import AlreadyHandled
from libs.common.postgres import Connection, Pool

INSERT = "insert into inbox (consumer, event_id) values ($1, $2) on conflict do nothing"


@asynccontextmanager
async def transaction(pool: Pool, consumer: str, envelope: Envelope) -> AsyncIterator[Connection]:
    """The one transaction of a handler: inbox row, state change and outbox rows, all or nothing.

    Raises `AlreadyHandled` on entry if this consumer has handled the event; the message is then acknowledged.
    """
    async with pool.acquire() as connection, connection.transaction():
        await claim(connection, consumer, envelope)
        yield connection
    telemetry.last_event.labels(f"{consumer}:{envelope.topic}").set_to_current_time()


async def claim(connection: Connection, consumer: str, envelope: Envelope) -> None:
    """Write the inbox row in the caller's transaction. Raises `AlreadyHandled` if it is there."""
    telemetry.inbox_events.labels(consumer).inc()
    if await connection.execute(INSERT, consumer, envelope.event_id) == "INSERT 0 0":
        telemetry.inbox_duplicates.labels(consumer).inc()
        raise AlreadyHandled(f"{consumer} has handled event {envelope.event_id} of {envelope.topic}")


async def has_handled(pool: Pool, consumer: str, envelope: Envelope) -> bool:
    """A cheap look before expensive work; the transaction above is what decides."""
    statement = "select exists(select 1 from inbox where consumer = $1 and event_id = $2)"
    known = bool(await pool.fetchval(statement, consumer, envelope.event_id))
    if known:  # the caller stops here: counted like one that the transaction stops
        telemetry.inbox_events.labels(consumer).inc()
        telemetry.inbox_duplicates.labels(consumer).inc()
    return known


async def purge(pool: Pool, *, days: int) -> None:
    """Forget events older than the longest retention used for replay."""
    await pool.execute("delete from inbox where received_at < now() - make_interval(days => $1)", days)
