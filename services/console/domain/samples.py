"""What became of a sample."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import Body, SampleApproved, SampleQueuedForReview, SampleRejected, as_values
from services.console.domain.facts import Fact, in_order

APPROVED, REJECTED, QUEUED = "approved", "rejected", "queued"


@dataclass(frozen=True)
class Sample:
    """A sample with its verdict. `revision`: of its annotations; a review must be based on it.

    What is only of clips: from `clip_id` on. `segments` as they stand, `suggested_segments` by the model `suggested_by`, a
    `strip` of thumbnails, a `preview` every browser plays, and who is seen, where that is known.
    """

    sample_id: UUID
    workflow: str
    verdict: str
    reason: str | None
    decided_by: str | None
    decided_at: datetime
    event_id: UUID
    revision: int = 0
    kind: str = "image"
    camera_id: str | None = None
    captured_at: datetime | None = None
    snapshot_id: str | None = None
    media: dict[str, Any] | None = None
    annotations: tuple[dict[str, Any], ...] = ()
    suggestions: tuple[dict[str, Any], ...] = ()
    priority: float | None = None
    leakage_group: str | None = None
    duplicate_of: UUID | None = None
    measures: dict[str, float | None] = field(default_factory=dict[str, float | None])
    detail: str | None = None
    clip_id: str | None = None
    segments: tuple[dict[str, Any], ...] = ()
    suggested_segments: tuple[dict[str, Any], ...] = ()
    suggested_by: dict[str, Any] | None = None
    strip: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    subject_id: str | None = None


def sample_of(facts: Iterable[Fact]) -> Sample | None:
    """The sample its events describe. A verdict on older annotations never undoes one on newer ones."""
    sample: Sample | None = None
    for fact in in_order(facts):
        now = _seen(fact)
        if now is not None:
            sample = now if sample is None else _after(sample, now)
    return sample


def _after(before: Sample, now: Sample) -> Sample:
    if now.verdict != REJECTED and now.revision < before.revision:
        return _filled(before, now)
    return _filled(replace(now, revision=max(before.revision, now.revision)), before)


def _filled(sample: Sample, other: Sample) -> Sample:
    """What one of the events leaves out, another says: it is the same snapshot, or clip."""
    suggests = other if sample.suggested_by is None else sample
    return replace(
        sample,
        kind="clip" if "clip" in (sample.kind, other.kind) else sample.kind,
        camera_id=sample.camera_id or other.camera_id,
        captured_at=sample.captured_at or other.captured_at,
        snapshot_id=sample.snapshot_id or other.snapshot_id,
        media=sample.media or other.media,
        annotations=sample.annotations or (other.annotations if sample.verdict == REJECTED else ()),
        suggestions=sample.suggestions or other.suggestions,
        measures=sample.measures or other.measures,
        clip_id=sample.clip_id or other.clip_id,
        segments=sample.segments or (other.segments if sample.verdict == REJECTED else ()),
        suggested_segments=suggests.suggested_segments,
        suggested_by=suggests.suggested_by,
        strip=sample.strip or other.strip,
        preview=sample.preview or other.preview,
        subject_id=sample.subject_id or other.subject_id,
    )


def _seen(fact: Fact) -> Sample | None:
    match fact.event:
        case SampleApproved() as event:
            return Sample(
                event.sample_id, event.workflow, APPROVED, None, event.approved_by, fact.at, fact.event_id,
                event.annotation_revision, event.kind, event.camera_id, event.captured_at, event.snapshot_id,
                as_values(event.media), _values(event.annotations), leakage_group=event.leakage_group,
                clip_id=event.clip_id, segments=_values(event.segments), subject_id=event.subject_id,
            )  # fmt: skip
        case SampleRejected() as event:
            return Sample(
                event.sample_id, event.workflow, REJECTED, event.reason, None, fact.at, fact.event_id,
                kind="image" if event.clip_id is None else "clip", camera_id=event.camera_id, snapshot_id=event.snapshot_id,
                duplicate_of=event.duplicate_of, measures=event.measures, detail=event.detail, clip_id=event.clip_id,
            )  # fmt: skip
        case SampleQueuedForReview() as event:
            return Sample(
                event.sample_id, event.workflow, QUEUED, event.why, None, fact.at, fact.event_id,
                event.annotation_revision, event.kind, event.camera_id, event.captured_at, event.snapshot_id,
                as_values(event.media), _values(event.annotations), _values(event.suggestions), event.priority,
                clip_id=event.clip_id, segments=_values(event.segments),
                suggested_segments=_values(event.suggested_segments), suggested_by=_value(event.suggested_by),
                strip=_value(event.strip), preview=_value(event.preview),
            )  # fmt: skip
        case _:
            return None


def _value(body: Body | None) -> dict[str, Any] | None:
    return None if body is None else as_values(body)


def _values(bodies: Iterable[Body]) -> tuple[dict[str, Any], ...]:
    return tuple(as_values(body) for body in bodies)
