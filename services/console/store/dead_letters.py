"""Dead letters of every consumer: seen, replayed to the one consumer that failed, or discarded with a reason."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from libs.common import outbox
from libs.common.envelope import stable_id
from libs.common.errors import Conflict, NotFound
from libs.common.postgres import Connection, Pool
from libs.common.retry import retry_topic
from services.console.store.rows import record_from

# A letter may arrive twice (the relay's duplicate) or come back (its replay failed again). `x-replay` counts the
# replays it has been through, so a duplicate of an earlier round does not open it again.
ADD = """
    insert into dead_letter (id, topic, consumer, event_id, source, key, headers, value, error, attempt,
        origin_partition, origin_offset, dead_offset, first_at, last_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
    on conflict (id) do update set headers = excluded.headers, value = excluded.value, error = excluded.error,
        attempt = excluded.attempt, dead_offset = excluded.dead_offset, last_at = excluded.last_at,
        times = dead_letter.times + 1, state = 'open'
    where excluded.dead_offset > dead_letter.dead_offset and dead_letter.state <> 'discarded' and $15 >= dead_letter.replays
"""
FIND = """
    select * from dead_letter
    where ($1::text is null or state = $1) and ($2::text is null or topic = $2) and ($3::text is null or consumer = $3)
    order by last_at desc, id limit $4
"""
DECIDE = """
    update dead_letter set state = $2, decided_by = $3, decided_at = now(), decision_reason = $4,
        replays = replays + case when $2 = 'replayed' then 1 else 0 end
    where id = $1 and state <> 'discarded' returning *
"""
SPENT = {"x-attempt", "x-error", "x-consumer"}


@dataclass(frozen=True)
class Letter:
    """A dead letter as it arrived."""

    topic: str
    consumer: str
    event_id: UUID
    source: str
    key: bytes
    headers: dict[str, str]
    value: bytes | None
    dead_offset: int
    at: datetime

    @property
    def letter_id(self) -> UUID:
        # The value too: two messages that claim one event id are two letters.
        content = sha256(self.value or b"").hexdigest()
        return stable_id("dead letter", self.topic, self.consumer, self.event_id, content)


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter and what was decided about it. `value` is what arrived, byte by byte."""

    id: UUID
    topic: str
    consumer: str
    event_id: UUID
    source: str
    key: bytes
    headers: dict[str, str]
    value: bytes | None
    error: str
    attempt: int
    origin_partition: int | None
    origin_offset: int | None
    state: str
    times: int
    replays: int
    first_at: datetime
    last_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None


@dataclass(frozen=True)
class DeadLetterStore:
    """SQL of dead letters."""

    pool: Pool

    async def add(self, letter: Letter) -> None:
        """Keep a letter; the same one again changes nothing, one that failed again after a replay is open again."""
        headers = letter.headers
        await self.pool.execute(
            ADD, letter.letter_id, letter.topic, letter.consumer, letter.event_id, letter.source, letter.key, headers,
            letter.value, headers.get("x-error", "unknown"), _number(headers.get("x-attempt")) or 0,
            _number(headers.get("x-origin-partition")), _number(headers.get("x-origin-offset")), letter.dead_offset,
            letter.at, _number(headers.get("x-replay")) or 0,
        )  # fmt: skip

    async def page(
        self, *, state: str | None = None, topic: str | None = None, consumer: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Letters, newest first."""
        rows = await self.pool.fetch(FIND, state, topic, consumer, limit)
        return [record_from(DeadLetter, row) for row in rows]

    async def find(self, letter_id: UUID) -> DeadLetter:
        """One letter. Raises `NotFound`."""
        row = await self.pool.fetchrow("select * from dead_letter where id = $1", letter_id)
        if row is None:
            raise NotFound(f"There is no dead letter {letter_id}: GET /api/dlq lists those there are")
        return record_from(DeadLetter, row)

    async def of_event(self, event_id: UUID) -> list[DeadLetter]:
        """Where an event failed."""
        rows = await self.pool.fetch("select * from dead_letter where event_id = $1 order by last_at", event_id)
        return [record_from(DeadLetter, row) for row in rows]

    async def count_open(self) -> int:
        """How many nobody has decided about."""
        return await self.pool.fetchval("select count(*) from dead_letter where state = 'open'") or 0

    async def replay(self, letter_id: UUID, *, by: str, reason: str | None = None) -> DeadLetter:
        """Send the event again, as it was, to the consumer that failed and to no other."""
        async with self.pool.acquire() as connection, connection.transaction():
            letter = await self._decide(connection, letter_id, "replayed", by, reason)
            await outbox.insert(
                connection,
                event_id=letter.event_id,
                topic=retry_topic(letter.topic, letter.consumer),
                key=letter.key,
                headers=replay_headers(letter.headers, letter.replays),
                value=letter.value,
                renew=True,
            )
            return letter

    async def discard(self, letter_id: UUID, *, by: str, reason: str) -> DeadLetter:
        """Put a letter aside for good."""
        async with self.pool.acquire() as connection, connection.transaction():
            return await self._decide(connection, letter_id, "discarded", by, reason)

    async def _decide(
        self, connection: Connection, letter_id: UUID, state: str, by: str, reason: str | None
    ) -> DeadLetter:
        row = await connection.fetchrow(DECIDE, letter_id, state, by, reason)
        if row is None:
            letter = await self.find(letter_id)
            raise Conflict(f"Dead letter {letter_id} was discarded by {letter.decided_by}: {letter.decision_reason}")
        return record_from(DeadLetter, row)


def replay_headers(headers: dict[str, Any], replays: int) -> dict[str, str]:
    """The message's own headers, without what its failures added; it starts again from the first attempt."""
    return {name: text for name, text in headers.items() if name not in SPENT} | {"x-replay": str(replays)}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
