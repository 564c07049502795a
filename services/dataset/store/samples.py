"""Samples as they were heard of, what changed since the last version, and one consistent look at all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.common import inbox
from libs.common.envelope import Envelope
from libs.common.events import SampleApproved, SampleRejected, to_json
from libs.common.manifests import SampleLine
from libs.common.postgres import Connection, Pool
from services.dataset.domain.groups import Assignment, Candidate, Place
from services.dataset.domain.policy import Changes

CONSUMER = "dataset"
BATCH = 2000

# Later approvals win by revision, then by the time they were said: any order of arrival ends in the same row.
APPROVE = """
    with approval as (
        insert into sample (sample_id, workflow, line, camera_id, captured_at, labels, annotation_revision, leakage_group,
                            approved_at, seconds)
        values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now()), $12)
        on conflict (sample_id) do update set workflow = excluded.workflow, line = excluded.line,
            camera_id = excluded.camera_id, captured_at = excluded.captured_at, labels = excluded.labels,
            annotation_revision = excluded.annotation_revision, leakage_group = excluded.leakage_group,
            approved_at = excluded.approved_at, seconds = excluded.seconds
        where (excluded.annotation_revision, excluded.approved_at)
            > (coalesce(sample.annotation_revision, -1), coalesce(sample.approved_at, '-infinity'))
        returning sample_id, workflow
    )
    insert into pending (sample_id, workflow, event_id, correlation_id) select sample_id, workflow, $10, $11 from approval
    on conflict (sample_id) do update set number = default, changed_at = now(), event_id = excluded.event_id,
        correlation_id = excluded.correlation_id
"""
REJECT = """
    with before as (select live from sample where sample_id = $1),
    rejection as (
        insert into sample (sample_id, workflow, rejected_at, rejection_reason) values ($1, $2, coalesce($3, now()), $4)
        on conflict (sample_id) do update set rejected_at = excluded.rejected_at, rejection_reason = excluded.rejection_reason
        where sample.rejected_at is null or sample.rejected_at < excluded.rejected_at
        returning sample_id, workflow, live
    )
    insert into pending (sample_id, workflow, event_id, correlation_id)
    select sample_id, workflow, $5, $6 from rejection where not live and (select live from before)
    on conflict (sample_id) do update set number = default, changed_at = now(), event_id = excluded.event_id,
        correlation_id = excluded.correlation_id
"""


@dataclass(frozen=True)
class PendingWork:
    """What waits for a workflow's next version. `number` grows with every change; `now` is the database's clock."""

    workflow: str
    changes: Changes
    number: int
    now: datetime


class StoredLine(NamedTuple):
    """A sample's part of its manifest line, as JSON, and the label of each of its boxes; of a clip: the step of each of its
    segments, and how long it lasts.
    """

    sample_id: UUID
    line: str
    labels: list[str]
    seconds: list[float]


@dataclass(frozen=True)
class Trigger:
    """The event that changed a sample last."""

    event_id: UUID
    correlation_id: str
    sample_id: UUID


@dataclass(frozen=True)
class SampleStore:
    """Approved and rejected samples of all workflows."""

    pool: Pool

    def transaction(self, envelope: Envelope) -> AbstractAsyncContextManager[Connection]:
        """The one transaction of a handler."""
        return inbox.transaction(self.pool, CONSUMER, envelope)

    async def add_approval(self, connection: Connection, event: SampleApproved, envelope: Envelope) -> None:
        """Keep an approval if it is newer than the one known, and its near-duplicates in any case."""
        await connection.execute(
            APPROVE,
            event.sample_id,
            event.workflow,
            to_json(sample_line(event)).decode(),
            event.camera_id,
            event.captured_at,
            labels_of(event),
            event.annotation_revision,
            event.leakage_group,
            envelope.time,
            envelope.event_id,
            envelope.correlation_id,
            [segment.end_seconds - segment.start_seconds for segment in event.segments],
        )
        if event.near_duplicates:
            await connection.execute(
                "insert into link (sample_id, other_id, workflow) select $1, other, $3 from unnest($2::uuid[]) as other"
                " on conflict do nothing",
                event.sample_id,
                list(event.near_duplicates),
                event.workflow,
            )

    async def add_rejection(self, connection: Connection, event: SampleRejected, envelope: Envelope) -> None:
        """Remember that a sample was rejected, also one not heard of yet: its approval may be on the way."""
        await connection.execute(
            REJECT,
            event.sample_id,
            event.workflow,
            envelope.time,
            event.reason,
            envelope.event_id,
            envelope.correlation_id,
        )

    async def pending_work(self) -> list[PendingWork]:
        """Every workflow with changes since its last version."""
        rows = await self.pool.fetch(
            """
            select workflow, count(*) as count, min(changed_at) as oldest_at, max(changed_at) as newest_at,
                max(number) as number, now() as now
            from pending group by workflow order by workflow
            """
        )
        return [
            PendingWork(
                row["workflow"], Changes(row["count"], row["oldest_at"], row["newest_at"]), row["number"], row["now"]
            )
            for row in rows
        ]

    async def changed_at(self, workflow: str, nth: int) -> datetime | None:
        """When the nth of the pending changes came (1 is the oldest); None if there are fewer."""
        return await self.pool.fetchval(
            "select changed_at from pending where workflow = $1 order by changed_at offset $2 limit 1",
            workflow,
            nth - 1,
        )

    async def last_trigger(self, workflow: str) -> Trigger | None:
        """The event behind the newest pending change."""
        row = await self.pool.fetchrow(
            "select event_id, correlation_id, sample_id from pending where workflow = $1 order by number desc limit 1",
            workflow,
        )
        return None if row is None else Trigger(row["event_id"], row["correlation_id"], row["sample_id"])

    async def has_pending(self, workflow: str) -> bool:
        """Has anything changed since the last version?"""
        return bool(await self.pool.fetchval("select exists(select 1 from pending where workflow = $1)", workflow))

    async def stock(self, workflow: str, classes: tuple[str, ...]) -> tuple[int, dict[str, int]]:
        """How many samples could be used now, and how many of them show each class."""
        usable = "from sample where workflow = $1 and live and labels <@ $2"
        samples = await self.pool.fetchval(f"select count(*) {usable}", workflow, list(classes))
        shown = f"select distinct sample_id, unnest(labels) as label {usable}"
        rows = await self.pool.fetch(
            f"select label, count(*) as count from ({shown}) as shown group by label",  # noqa: S608 constant
            workflow,
            list(classes),
        )
        return samples, {row["label"]: row["count"] for row in rows}

    async def forget_pending(self, connection: Connection, numbers: list[int]) -> None:
        """These changes are in a version now."""
        await connection.execute("delete from pending where number = any($1::bigint[])", numbers)

    @asynccontextmanager
    async def look(self, workflow: str) -> AsyncIterator["Look"]:
        """One consistent look at a workflow's samples. Read-only, so it holds no relay back, however long it takes."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Look(connection, workflow)


@dataclass(frozen=True)
class Look:
    """A workflow's samples at one instant."""

    connection: Connection
    workflow: str

    async def pending_numbers(self) -> list[int]:
        """The changes this look has seen."""
        rows = await self.connection.fetch("select number from pending where workflow = $1", self.workflow)
        return [row["number"] for row in rows]

    async def candidates(self) -> list[Candidate]:
        """Every live sample."""
        rows = await self.connection.fetch(
            "select sample_id, camera_id, captured_at, leakage_group, labels from sample where workflow = $1 and live",
            self.workflow,
        )
        return await asyncio.to_thread(lambda: [_candidate(row) for row in rows])

    async def links(self) -> list[tuple[UUID, UUID]]:
        """Every pair of near-duplicates ever heard of."""
        rows = await self.connection.fetch("select sample_id, other_id from link where workflow = $1", self.workflow)
        return [(row["sample_id"], row["other_id"]) for row in rows]

    async def absent_keys(self) -> dict[UUID, str]:
        """The leakage keys of samples that were approved once and rejected since."""
        rows = await self.connection.fetch(
            "select sample_id, leakage_group from sample where workflow = $1 and not live and leakage_group is not null",
            self.workflow,
        )
        return {row["sample_id"]: row["leakage_group"] for row in rows}

    async def places(self) -> dict[UUID, Assignment]:
        """Every place ever given."""
        rows = await self.connection.fetch(
            "select sample_id, split, leakage_group, leakage_key, camera_id from place where workflow = $1",
            self.workflow,
        )
        return await asyncio.to_thread(lambda: {row["sample_id"]: _assignment(row) for row in rows})

    async def batches(self) -> AsyncIterator[list[StoredLine]]:
        """Live samples by sample id, a few thousand at a time."""
        cursor = await self.connection.cursor(
            "select sample_id, line, labels, seconds from sample where workflow = $1 and live order by sample_id",
            self.workflow,
        )
        while rows := await cursor.fetch(BATCH):
            yield [StoredLine(row["sample_id"], row["line"], row["labels"], row["seconds"]) for row in rows]


def labels_of(event: SampleApproved) -> list[str]:
    """The label of each box, or the step of each segment."""
    if event.kind == "clip":
        return [segment.step for segment in event.segments]
    return [annotation.label for annotation in event.annotations]


def sample_line(event: SampleApproved) -> SampleLine:
    """What the manifest will say of the sample; the same instant reads the same, whatever its time zone was."""
    return SampleLine(
        sample_id=event.sample_id,
        kind=event.kind,
        media=event.media,
        camera_id=event.camera_id,
        captured_at=event.captured_at.astimezone(UTC),
        annotations=event.annotations,
        segments=event.segments if event.kind == "clip" else None,
        subject_id=event.subject_id,
        annotation_revision=event.annotation_revision,
        annotated_by=event.approved_by,
    )


def _candidate(row: asyncpg.Record) -> Candidate:
    return Candidate(
        row["sample_id"], row["camera_id"], row["captured_at"], row["leakage_group"], frozenset(row["labels"])
    )


def _assignment(row: asyncpg.Record) -> Assignment:
    return Assignment(row["sample_id"], Place(row["split"], row["leakage_group"]), row["leakage_key"], row["camera_id"])
