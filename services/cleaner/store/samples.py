"""Snapshots, samples, looks, annotations, reviews."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from libs.common import inbox, outbox
from libs.common.envelope import Envelope
from libs.common.errors import Conflict, NotYet
from libs.common.events import (
    Annotation,
    Detection,
    Event,
    Media,
    ModelRef,
    ReviewSubmitted,
    Segment,
    SnapshotCaptured,
    as_values,
)
from libs.common.postgres import Connection, Pool
from services.cleaner.domain.looks import BANDS, band_probes
from services.cleaner.domain.reviews import Ruling
from services.cleaner.domain.samples import Sample

CONSUMER = "cleaner"
SUGGESTIONS = TypeAdapter(tuple[Detection, ...])
ANNOTATIONS = TypeAdapter(tuple[Annotation, ...])
SEGMENTS = TypeAdapter(tuple[Segment, ...])


@dataclass(frozen=True)
class CleanerStore:
    """Methods that change something take the connection of the caller's transaction."""

    pool: Pool

    def transaction(self, envelope: Envelope) -> AbstractAsyncContextManager[Connection]:
        """The one transaction of a handler. Raises `AlreadyHandled`."""
        return inbox.transaction(self.pool, CONSUMER, envelope)

    async def has_handled(self, envelope: Envelope) -> bool:
        """A cheap look before expensive work."""
        return await inbox.has_handled(self.pool, CONSUMER, envelope)

    async def announce(self, connection: Connection, event: Event, cause: Envelope) -> None:
        """Say it when the transaction commits."""
        await outbox.add(connection, event, cause=cause)

    async def check_content(self, snapshot: SnapshotCaptured) -> None:
        """Raises `Conflict` when the id is taken by another picture, however the message calls itself."""
        statement = "select sha256 from snapshot where snapshot_id = $1"
        _check_same_content(snapshot, await self.pool.fetchval(statement, snapshot.snapshot_id))

    async def check_known(self, snapshot: SnapshotCaptured) -> None:
        """Raises `Conflict` when nobody has cleaned this snapshot: the event id that was handled is another's."""
        statement = "select exists(select 1 from snapshot where snapshot_id = $1)"
        if not await self.pool.fetchval(statement, snapshot.snapshot_id):
            raise Conflict(
                f"The event id of snapshot {snapshot.snapshot_id!r} was used before, for another snapshot:"
                " give every message a ce_id of its own, or none"
            )

    async def remember_snapshot(self, connection: Connection, snapshot: SnapshotCaptured) -> None:
        """Raises `Conflict` when the id was taken by another picture meanwhile."""
        await connection.execute(
            """
            insert into snapshot (snapshot_id, sha256, camera_id, captured_at) values ($1, $2, $3, $4)
            on conflict do nothing
            """,
            snapshot.snapshot_id,
            snapshot.image.sha256,
            snapshot.camera_id,
            snapshot.captured_at,
        )
        known = await connection.fetchval("select sha256 from snapshot where snapshot_id = $1", snapshot.snapshot_id)
        _check_same_content(snapshot, known)

    async def has_sample(self, connection: Connection, sample_id: UUID) -> bool:
        """Has this snapshot been cleaned for the workflow?"""
        return bool(await connection.fetchval("select exists(select 1 from sample where sample_id = $1)", sample_id))

    async def lock_looks(self, connection: Connection, workflow: str) -> None:
        """Until the transaction ends nobody else adds a look to the workflow: search and insert are one step."""
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('cleaner-looks:' || $1, 0))", workflow)

    async def duplicate_of(self, connection: Connection, sample: Sample, distance: int) -> UUID | None:
        """The sample of the same camera and workflow that looks most alike, at most `distance` bits away."""
        return await connection.fetchval(
            """
            select sample_id from alike($1, $2, $3, $4, $5, $6, $7) join sample using (sample_id)
            where sample_id <> $8 and camera_id = $9 order by distance, sample_id limit 1
            """,
            *_search(sample, distance),
            sample.sample_id,
            sample.camera_id,
        )

    async def near_duplicates(self, connection: Connection, sample: Sample, distance: int) -> tuple[UUID, ...]:
        """Samples of the workflow, of any camera, at most `distance` bits away: three of each leakage group.

        One link joins a whole group, so thousands of pictures of one scene need no thousand links. Approved samples come
        first: a link to one that is never approved would tie nothing together.
        """
        rows = await connection.fetch(
            """
            select sample_id from (
                select sample_id, distance,
                    row_number() over (
                        partition by leakage_group order by verdict <> 'approved', distance, sample_id) as place
                from alike($1, $2, $3, $4, $5, $6, $7) join sample using (sample_id) where sample_id <> $8
            ) found
            where place <= 3 order by distance, sample_id
            """,
            *_search(sample, distance),
            sample.sample_id,
        )
        return tuple(row["sample_id"] for row in rows)

    async def add_sample(self, connection: Connection, sample: Sample) -> None:
        """A new sample, with the first revision of its annotations if it brought some."""
        await connection.execute(
            """
            insert into sample (sample_id, workflow, snapshot_id, camera_id, captured_at, media, leakage_group, verdict,
                look, measures, reason, detail, duplicate_of, near_duplicates, suggestions, revision, decided_by,
                priority, why, waiting, kind, clip_id, subject_id, fingerprint, strip, preview)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24, $25, $26)
            """,
            sample.sample_id,
            sample.workflow,
            sample.snapshot_id,
            sample.camera_id,
            sample.captured_at,
            as_values(sample.media),
            sample.leakage_group,
            sample.verdict,
            sample.look,
            sample.measures or {},
            sample.reason,
            sample.detail,
            sample.duplicate_of,
            list(sample.near_duplicates),
            [as_values(each) for each in sample.suggestions],
            sample.revision,
            sample.decided_by,
            sample.priority,
            sample.why,
            sample.waiting,
            sample.kind,
            sample.clip_id,
            sample.subject_id,
            sample.fingerprint,
            None if sample.strip is None else as_values(sample.strip),
            None if sample.preview is None else as_values(sample.preview),
        )
        if sample.revision:
            await self._add_annotations(connection, sample)

    async def _add_annotations(self, connection: Connection, sample: Sample) -> None:
        await connection.execute(
            "insert into annotation (sample_id, revision, annotations, by, segments) values ($1, $2, $3, $4, $5)",
            sample.sample_id,
            sample.revision,
            [as_values(each) for each in sample.annotations],
            sample.annotated_by,
            [as_values(each) for each in sample.segments],
        )

    async def workflow_of(self, sample_id: UUID) -> str:
        """Raises `NotYet`: the sample may still be on its way."""
        workflow = await self.pool.fetchval("select workflow from sample where sample_id = $1", sample_id)
        if workflow is None:
            raise NotYet(f"Sample {sample_id} is not known (yet): review a sample that was queued")
        return workflow

    async def lock_sample(self, connection: Connection, sample_id: UUID) -> Sample:
        """The sample as it stands, with its newest annotations; nobody else changes it until the transaction ends."""
        row = await connection.fetchrow(
            """
            select s.*, g.segments as suggested_segments, g.model as suggested_by
            from sample s left join suggestion g using (workflow, clip_id) where sample_id = $1 for no key update of s
            """,
            sample_id,
        )
        if row is None:
            raise NotYet(f"Sample {sample_id} is not known (yet): review a sample that was queued")
        newest = await connection.fetchrow(
            "select annotations, segments, by from annotation where sample_id = $1 order by revision desc limit 1",
            sample_id,
        )
        return _sample(row, newest)

    async def settle(self, connection: Connection, before: Sample, after: Sample) -> None:
        """Write what a review has changed; new annotations are a new row, the old ones stay."""
        if after == before:
            return
        await connection.execute(
            """
            update sample set verdict = $2, reason = $3, detail = $4, duplicate_of = $5, near_duplicates = $6,
                revision = $7, decided_by = $8, priority = $9, why = $10, waiting = $11, decided_at = now()
            where sample_id = $1
            """,
            after.sample_id,
            after.verdict,
            after.reason,
            after.detail,
            after.duplicate_of,
            list(after.near_duplicates),
            after.revision,
            after.decided_by,
            after.priority,
            after.why,
            after.waiting,
        )
        if after.revision > before.revision and after.verdict == "approved":
            await self._add_annotations(connection, after)

    async def add_review(
        self, connection: Connection, review: ReviewSubmitted, ruling: Ruling, envelope: Envelope
    ) -> None:
        """Keep what the reviewer said, whatever became of it."""
        await connection.execute(
            """
            insert into review (event_id, sample_id, reviewer, decision, based_on_revision, annotations, comment,
                outcome, detail, segments)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            envelope.event_id,
            review.sample_id,
            review.reviewer,
            review.decision,
            review.based_on_revision,
            [as_values(each) for each in review.annotations],
            review.comment,
            ruling.outcome,
            ruling.detail,
            [as_values(each) for each in review.segments],
        )

    async def queue_lengths(self) -> dict[str, int]:
        """Samples that wait for a person, by workflow; 0 where none does."""
        rows = await self.pool.fetch(
            "select w.name, (select count(*) from sample s where s.workflow = w.name and s.waiting) n from workflow w"
        )
        return {row["name"]: row["n"] for row in rows}

    async def queue_ages(self) -> dict[str, float]:
        """Seconds since the oldest question to a person was asked, by workflow; 0 where none is open."""
        rows = await self.pool.fetch(
            """
            select w.name, coalesce((select extract(epoch from now() - min(s.created_at)) from sample s
                where s.workflow = w.name and s.waiting), 0)::float8 as seconds from workflow w
            """
        )
        return {row["name"]: row["seconds"] for row in rows}


def read_segments(stored: object) -> tuple[Segment, ...]:
    """Segments as the store keeps them."""
    return SEGMENTS.validate_python(stored)


def _media(stored: object) -> Media | None:
    return None if stored is None else Media.model_validate(stored)


def _search(sample: Sample, distance: int) -> tuple[object, ...]:
    """The arguments of `alike`."""
    probes = None if sample.look is None else band_probes(sample.look, distance)
    return (sample.workflow, sample.look, distance, *(probes or [None] * BANDS))


def _check_same_content(snapshot: SnapshotCaptured, known: str | None) -> None:
    if known not in (None, snapshot.image.sha256):
        raise Conflict(
            f"Snapshot {snapshot.snapshot_id!r} was captured before with other content (sha256 {known}):"
            " give every snapshot an id of its own, unique among all cameras"
        )


def _sample(row: asyncpg.Record, newest: asyncpg.Record | None) -> Sample:
    values = dict(row)
    return Sample(
        sample_id=values["sample_id"],
        workflow=values["workflow"],
        kind=values["kind"],
        snapshot_id=values["snapshot_id"],
        clip_id=values["clip_id"],
        subject_id=values["subject_id"],
        camera_id=values["camera_id"],
        captured_at=values["captured_at"],
        media=Media.model_validate(values["media"]),
        leakage_group=values["leakage_group"],
        verdict=values["verdict"],
        look=values["look"],
        fingerprint=values["fingerprint"],
        measures=values["measures"],
        reason=values["reason"],
        detail=values["detail"],
        duplicate_of=values["duplicate_of"],
        near_duplicates=tuple(values["near_duplicates"]),
        suggestions=SUGGESTIONS.validate_python(values["suggestions"]),
        annotations=ANNOTATIONS.validate_python(newest["annotations"]) if newest else (),
        segments=read_segments(newest["segments"]) if newest else (),
        suggested_segments=read_segments(values["suggested_segments"] or ()),
        suggested_by=None if values["suggested_by"] is None else ModelRef.model_validate(values["suggested_by"]),
        strip=_media(values["strip"]),
        preview=_media(values["preview"]),
        annotated_by=newest["by"] if newest else None,
        revision=values["revision"],
        decided_by=values["decided_by"],
        priority=values["priority"],
        why=values["why"],
        waiting=values["waiting"],
    )
