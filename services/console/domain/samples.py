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
    """A sample with its verdict. `revision`: of its annotations; a review must be based on it."""

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
    """What one of the events leaves out, another says: it is the same snapshot."""
    return replace(
        sample,
        camera_id=sample.camera_id or other.camera_id,
        captured_at=sample.captured_at or other.captured_at,
        snapshot_id=sample.snapshot_id or other.snapshot_id,
        media=sample.media or other.media,
        annotations=sample.annotations or (other.annotations if sample.verdict == REJECTED else ()),
        suggestions=sample.suggestions or other.suggestions,
        measures=sample.measures or other.measures,
    )


def _seen(fact: Fact) -> Sample | None:
    match fact.event:
        case SampleApproved() as event:
            return Sample(
                event.sample_id, event.workflow, APPROVED, None, event.approved_by, fact.at, fact.event_id,
                event.annotation_revision, event.kind, event.camera_id, event.captured_at, event.snapshot_id,
                as_values(event.media), _values(event.annotations), leakage_group=event.leakage_group,
            )  # fmt: skip
        case SampleRejected() as event:
            return Sample(
                event.sample_id, event.workflow, REJECTED, event.reason, None, fact.at, fact.event_id,
                camera_id=event.camera_id, snapshot_id=event.snapshot_id, duplicate_of=event.duplicate_of,
                measures=event.measures, detail=event.detail,
            )  # fmt: skip
        case SampleQueuedForReview() as event:
            return Sample(
                event.sample_id, event.workflow, QUEUED, event.why, None, fact.at, fact.event_id,
                event.annotation_revision, event.kind, event.camera_id, event.captured_at, event.snapshot_id,
                as_values(event.media), _values(event.annotations), _values(event.suggestions), event.priority,
            )  # fmt: skip
        case _:
            return None


def _values(bodies: Iterable[Body]) -> tuple[dict[str, Any], ...]:
    return tuple(as_values(body) for body in bodies)
