"""The event log: every event once, in one order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import dumps, loads
from typing import Any
from uuid import UUID

from libs.common.envelope import Envelope
from libs.common.events import Event
from libs.common.postgres import Connection, Pool
from services.console.domain.facts import Fact, LoggedEvent, fact_of, read_event
from services.console.store.rows import record_from

# One writer at a time: then seq is the order of commit, a subject's row is made from all of its events, and a rebuild
# can change the tables over between two events.
LOCK = "select pg_advisory_xact_lock(hashtextextended('console-projector', 0))"
ADD = """
    insert into event (event_id, topic, key, workflow, source, at, correlation_id, causation_id, body, problem)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (event_id) do nothing returning seq
"""
FIND = """
    select * from event
    where seq > $1 and ($2::text[] is null or topic = any($2)) and ($3::text is null or key = $3)
        and ($4::text is null or correlation_id = $4) and ($5::text is null or workflow = $5)
    order by seq limit $6
"""
NEWEST = FIND.replace("seq > $1", "($1::bigint = 0 or seq < $1)").replace("order by seq", "order by seq desc")


@dataclass(frozen=True)
class Arrival:
    """An event as it came in, before it has its place in the log."""

    event_id: UUID
    topic: str
    key: str
    workflow: str | None
    source: str
    at: datetime
    correlation_id: str
    causation_id: str | None
    body: dict[str, Any]
    problem: str | None


def arrival_of(body: Mapping[str, Any], envelope: Envelope, arrived_at: datetime) -> Arrival:
    """An event from its body and envelope; without a time of its own it happened when it arrived."""
    kept = storable(body)
    event, problem = read_event(envelope.topic, kept)
    workflow = kept.get("workflow")
    return Arrival(
        event_id=envelope.event_id,
        topic=envelope.topic,
        key=_clean(envelope.subject if event is None else event.key),
        workflow=workflow if isinstance(workflow, str) else None,
        source=_clean(envelope.source),
        at=envelope.time or arrived_at,
        correlation_id=_clean(envelope.correlation_id),
        causation_id=None if envelope.causation_id is None else _clean(envelope.causation_id),
        body=kept,
        problem=problem,
    )


def storable(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as jsonb can hold it: no NUL, no lone surrogates, no NaN."""
    text = dumps(body, ensure_ascii=False).encode(errors="replace").decode()
    return loads(text.replace("\\u0000", "\\ufffd"), parse_constant=lambda _: None)


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode(errors="replace").decode()


@dataclass(frozen=True)
class Filter:
    """Which events somebody wants to see."""

    topics: Sequence[str] | None = None
    key: str | None = None
    correlation: str | None = None
    workflow: str | None = None


async def lock_projection(connection: Connection) -> None:
    """Be the only writer of log and read tables until the transaction ends."""
    await connection.execute(LOCK)


async def append(connection: Connection, arrival: Arrival) -> int:
    """Give the event its place in the log, or find the one it has. The caller holds the projection's lock."""
    seq = await connection.fetchval(
        ADD, arrival.event_id, arrival.topic, arrival.key, arrival.workflow, arrival.source, arrival.at,
        arrival.correlation_id, arrival.causation_id, arrival.body, arrival.problem,
    )  # fmt: skip
    return seq or await connection.fetchval("select seq from event where event_id = $1", arrival.event_id)


async def facts_of(connection: Connection, key: str, kinds: Iterable[type[Event]]) -> list[Fact]:
    """What was said about a subject, of these kinds."""
    topics = [kind.topic for kind in kinds]
    rows = await connection.fetch(
        "select * from event where key = $1 and topic = any($2) and problem is null", key, topics
    )
    facts = [fact_of(record_from(LoggedEvent, row)) for row in rows]
    return [fact for fact in facts if fact is not None]


async def fact(connection: Connection, event_id: UUID | None) -> Fact | None:
    """One event by id."""
    row = await connection.fetchrow("select * from event where event_id = $1", event_id)
    return None if row is None else fact_of(record_from(LoggedEvent, row))


async def batch_after(connection: Connection, seq: int, limit: int) -> list[LoggedEvent]:
    """The next events of the log."""
    rows = await connection.fetch("select * from event where seq > $1 order by seq limit $2", seq, limit)
    return [record_from(LoggedEvent, row) for row in rows]


@dataclass(frozen=True)
class EventLog:
    """The log as readers use it."""

    pool: Pool

    async def page(self, wanted: Filter, *, after: int = 0, limit: int = 100) -> list[LoggedEvent]:
        """Events after a seq, oldest first: go on with the last one's seq and nothing is missed."""
        return await self._page(FIND, wanted, after, limit)

    async def newest(self, wanted: Filter, *, before: int = 0, limit: int = 100) -> list[LoggedEvent]:
        """Events, newest first; before a seq unless that is 0."""
        return await self._page(NEWEST, wanted, before, limit)

    async def _page(self, statement: str, wanted: Filter, seq: int, limit: int) -> list[LoggedEvent]:
        topics = None if wanted.topics is None else list(wanted.topics)
        rows = await self.pool.fetch(statement, seq, topics, wanted.key, wanted.correlation, wanted.workflow, limit)
        return [record_from(LoggedEvent, row) for row in rows]

    async def last_seq(self) -> int:
        """Where the log ends now."""
        return await self.pool.fetchval("select coalesce(max(seq), 0) from event") or 0

    async def find(self, event_id: UUID) -> LoggedEvent | None:
        """One event by id."""
        row = await self.pool.fetchrow("select * from event where event_id = $1", event_id)
        return None if row is None else record_from(LoggedEvent, row)

    async def caused_by(self, event_id: UUID, *, limit: int = 20) -> list[LoggedEvent]:
        """What followed from an event."""
        rows = await self.pool.fetch(
            "select * from event where causation_id = $1 order by seq limit $2", str(event_id), limit
        )
        return [record_from(LoggedEvent, row) for row in rows]

    async def about(self, key: str, kinds: Iterable[type[Event]], *, limit: int = 1000) -> list[LoggedEvent]:
        """What was said about a subject, in order of time."""
        rows = await self.pool.fetch(
            "select * from event where key = $1 and topic = any($2) order by at, event_id limit $3",
            key,
            [kind.topic for kind in kinds],
            limit,
        )
        return [record_from(LoggedEvent, row) for row in rows]
