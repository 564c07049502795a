"""What a sample is, and how its state reads as an event."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from libs.common.envelope import stable_id
from libs.common.errors import Permanent
from libs.common.events import (
    Annotation,
    Detection,
    Event,
    Media,
    Metrics,
    ModelRef,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    Segment,
    SnapshotCaptured,
)
from libs.common.workflows import Workflow

Standing = Literal["approved", "rejected", "queued"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Wide, for this clock may be the wrong one: ingest is stricter while the camera still listens.
CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True)
class Seen:
    """What a decoded snapshot looks like. `look`: its perceptual hash, signed 64 bits; width and height are upright."""

    width: int
    height: int
    content_type: str
    measures: Metrics
    look: int


@dataclass(frozen=True)
class Unreadable:
    """Bytes that are no picture, and why."""

    detail: str


@dataclass(frozen=True)
class Sample:
    """A snapshot or clip in a workflow. `waiting`: a person is asked, also about one that is already decided (second look).

    `revision` grows with every annotation and every review that counts; 0 before the first. Pictures have a `look` and
    `annotations`, clips a `fingerprint` and `segments`; what could not be decoded has neither.
    """

    sample_id: UUID
    workflow: str
    camera_id: str
    captured_at: datetime
    media: Media
    leakage_group: str
    verdict: Standing
    look: int | None = None
    measures: Metrics | None = None
    reason: str | None = None
    detail: str | None = None
    duplicate_of: UUID | None = None
    near_duplicates: tuple[UUID, ...] = ()
    suggestions: tuple[Detection, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    annotated_by: str | None = None
    revision: int = 0
    decided_by: str | None = None
    priority: float = 0.0
    why: str | None = None
    waiting: bool = False
    kind: Literal["image", "clip"] = "image"
    snapshot_id: str | None = None
    clip_id: str | None = None
    subject_id: str | None = None
    fingerprint: bytes | None = None
    segments: tuple[Segment, ...] = ()
    suggested_segments: tuple[Segment, ...] = ()
    suggested_by: ModelRef | None = None
    strip: Media | None = None
    preview: Media | None = None

    @property
    def readable(self) -> bool:
        """Could its bytes be decoded?"""
        return self.look is not None or self.fingerprint is not None


def check_clock(captured_at: datetime, now: datetime) -> None:
    """Raises `Permanent` for the time of a clock that was never set, or that is days ahead: splits go by time."""
    if captured_at < EARLIEST or captured_at > now + CLOCK_TOLERANCE:
        raise Permanent(
            f"captured_at {captured_at.isoformat()} is of a clock that is wrong (here it is {now.isoformat()}):"
            " set the camera's clock and send it again"
        )


def sample_id_of(workflow: str, snapshot_id: str) -> UUID:
    """A snapshot is one sample in each workflow, whoever computes its id."""
    return stable_id("sample", workflow, snapshot_id)


def leakage_group(snapshot: SnapshotCaptured, *, block_minutes: int) -> str:
    """What never crosses splits: one source, or one camera in one time block (UTC)."""
    if snapshot.source_group:
        return f"source:{snapshot.source_group}"
    block = timedelta(minutes=block_minutes)
    start = EPOCH + (snapshot.captured_at - EPOCH) // block * block
    return f"{snapshot.camera_id}/{start:%Y-%m-%dT%H:%MZ}"


def described(image: Media, seen: Seen | Unreadable) -> Media:
    """The stored picture with the size and type it really has: later stages need not decode to know."""
    if isinstance(seen, Unreadable):
        return image
    return image.model_copy(update={"width": seen.width, "height": seen.height, "content_type": seen.content_type})


def new_sample(workflow: Workflow, event: SnapshotCaptured, seen: Seen | Unreadable, sample_id: UUID) -> Sample:
    """The sample before its verdict."""
    return Sample(
        sample_id=sample_id,
        workflow=workflow.name,
        snapshot_id=event.snapshot_id,
        camera_id=event.camera_id,
        captured_at=event.captured_at,
        media=described(event.image, seen),
        leakage_group=leakage_group(event, block_minutes=workflow.dataset.time_block_minutes),
        verdict="queued",
        look=seen.look if isinstance(seen, Seen) else None,
        measures=seen.measures if isinstance(seen, Seen) else None,
    )


def announcement(sample: Sample, standing: Standing) -> Event:
    """The event that says so."""
    return {"approved": _approved, "rejected": _rejected, "queued": _queued}[standing](sample)


def _approved(sample: Sample) -> SampleApproved:
    return SampleApproved(
        sample_id=sample.sample_id,
        workflow=sample.workflow,
        kind=sample.kind,
        media=sample.media,
        camera_id=sample.camera_id,
        captured_at=sample.captured_at,
        annotations=sample.annotations,
        annotation_revision=sample.revision,
        approved_by=sample.decided_by or "rule:unknown",
        leakage_group=sample.leakage_group,
        near_duplicates=sample.near_duplicates,
        snapshot_id=sample.snapshot_id,
        segments=sample.segments,
        clip_id=sample.clip_id,
        subject_id=sample.subject_id,
    )


def _rejected(sample: Sample) -> SampleRejected:
    return SampleRejected(
        sample_id=sample.sample_id,
        workflow=sample.workflow,
        reason=sample.reason or "unknown",
        duplicate_of=sample.duplicate_of,
        measures=sample.measures or {},
        camera_id=sample.camera_id,
        snapshot_id=sample.snapshot_id,
        detail=sample.detail,
        annotation_revision=sample.revision,
        clip_id=sample.clip_id,
    )


def _queued(sample: Sample) -> SampleQueuedForReview:
    return SampleQueuedForReview(
        sample_id=sample.sample_id,
        workflow=sample.workflow,
        kind=sample.kind,
        media=sample.media,
        suggestions=sample.suggestions,
        annotations=sample.annotations,
        annotation_revision=sample.revision,
        priority=sample.priority,
        why=sample.why or "",
        camera_id=sample.camera_id,
        captured_at=sample.captured_at,
        snapshot_id=sample.snapshot_id,
        segments=sample.segments,
        suggested_segments=sample.suggested_segments,
        suggested_by=sample.suggested_by,
        clip_id=sample.clip_id,
        strip=sample.strip,
        preview=sample.preview,
    )
