"""Clips: heard of, ordered to be looked at, and compared with those that look as long."""

from dataclasses import dataclass
from uuid import UUID

from libs.common import jobs
from libs.common.clip_orders import ClipOrder
from libs.common.errors import Conflict
from libs.common.events import ClipCaptured, ModelRef, Segment, WashJudged, as_values
from libs.common.postgres import Connection, Pool
from services.cleaner.domain.clips import JOB
from services.cleaner.store.samples import read_segments

LENGTH_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class ClipStore:
    """Methods that change something take the connection of the caller's transaction."""

    pool: Pool

    async def check_content(self, clip: ClipCaptured) -> None:
        """Raises `Conflict` when the id is taken by another video, however the message calls itself."""
        known = await self.pool.fetchval("select sha256 from clip where clip_id = $1", clip.clip_id)
        _check_same_content(clip, known)

    async def order(self, connection: Connection, order: ClipOrder, sample_id: UUID) -> None:
        """Remember the clip and have it looked at. Raises `Conflict` when the id was taken meanwhile."""
        clip = order.clip
        await connection.execute(
            "insert into clip (clip_id, sha256, camera_id, captured_at) values ($1, $2, $3, $4) on conflict do nothing",
            clip.clip_id,
            clip.video.sha256,
            clip.camera_id,
            clip.captured_at,
        )
        known = await connection.fetchval("select sha256 from clip where clip_id = $1", clip.clip_id)
        _check_same_content(clip, known)
        await jobs.enqueue(
            connection,
            job_id=sample_id,
            kind=JOB,
            spec=order.spec(),
            dedupe_key=f"clip:{sample_id}",
            reason="waits to be looked at",
        )

    async def as_long(self, connection: Connection, workflow: str, seconds: float) -> list[tuple[UUID, bytes]]:
        """Clips of the workflow that last about as long, with their fingerprints, the oldest first."""
        rows = await connection.fetch(
            """
            select sample_id, fingerprint from sample
            where workflow = $1 and fingerprint is not null and verdict <> 'rejected'
                and (media ->> 'duration_seconds')::float8 between $2 - $3::float8 and $2 + $3
            order by created_at, sample_id
            """,
            workflow,
            seconds,
            LENGTH_TOLERANCE_SECONDS,
        )
        return [(row["sample_id"], row["fingerprint"]) for row in rows]

    async def sample_of(self, connection: Connection, workflow: str, clip_id: str) -> UUID | None:
        """The clip's sample, if it was looked at."""
        return await connection.fetchval(
            "select sample_id from sample where workflow = $1 and clip_id = $2", workflow, clip_id
        )

    async def suggest(self, connection: Connection, wash: WashJudged) -> None:
        """Keep what a model says of a clip, for whoever reviews it."""
        await connection.execute(
            """
            insert into suggestion (workflow, clip_id, segments, model) values ($1, $2, $3, $4)
            on conflict (workflow, clip_id) do update set segments = excluded.segments, model = excluded.model
            """,
            wash.workflow,
            wash.clip_id,
            [as_values(each) for each in wash.segments],
            as_values(wash.model),
        )

    async def suggestion(
        self, connection: Connection, workflow: str, clip_id: str
    ) -> tuple[tuple[Segment, ...], ModelRef | None]:
        """What a model said of a clip that is no sample yet; nothing if none has."""
        row = await connection.fetchrow(
            "select segments, model from suggestion where workflow = $1 and clip_id = $2", workflow, clip_id
        )
        return ((), None) if row is None else (read_segments(row["segments"]), ModelRef.model_validate(row["model"]))


def _check_same_content(clip: ClipCaptured, known: str | None) -> None:
    if known not in (None, clip.video.sha256):
        raise Conflict(
            f"Clip {clip.clip_id!r} was captured before with other content (sha256 {known}):"
            " give every clip an id of its own, unique among all cameras"
        )
