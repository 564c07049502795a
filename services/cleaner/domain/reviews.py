"""What a review does. The first one that was based on what stands now counts; a later one never overwrites it."""

from dataclasses import dataclass, replace
from typing import Literal

from libs.common.errors import Permanent
from libs.common.events import ReviewSubmitted
from libs.common.workflows import Workflow
from services.cleaner.domain.annotations import mistakes, sound
from services.cleaner.domain.samples import Sample, Standing
from services.cleaner.domain.segments import segment_mistakes, sound_segments

Outcome = Literal["approved", "rejected", "skipped", "agreed", "refused"]
SKIPPED_PENALTY = 1.0
SECOND_LOOK_PRIORITY = 0.95


@dataclass(frozen=True)
class Ruling:
    """How a review ended: the sample as it stands after it, and what to announce, if anything."""

    outcome: Outcome
    sample: Sample
    announce: Standing | None = None
    detail: str | None = None


def rule_on(review: ReviewSubmitted, sample: Sample, workflow: Workflow) -> Ruling:
    """Raises `Permanent` for a review nobody could have meant: unknown labels, boxes outside, an unheard-of revision."""
    if review.based_on_revision > sample.revision:
        raise Permanent(
            f"The review of sample {sample.sample_id} is based on revision {review.based_on_revision},"
            f" but its newest is {sample.revision}: review what the queue shows"
        )
    if review.based_on_revision < sample.revision:
        return _too_late(review, sample)
    return {"approve": _approve, "reject": _reject, "skip": _skip}[review.decision](review, sample, workflow)


def _approve(review: ReviewSubmitted, sample: Sample, workflow: Workflow) -> Ruling:
    width, height, seconds = sample.media.width, sample.media.height, sample.media.duration_seconds
    decided = replace(_decided(review, sample, "approved"), annotated_by=f"user:{review.reviewer}")
    if not sample.readable or width is None or height is None:
        raise Permanent(f"Sample {sample.sample_id} cannot be approved: {sample.detail or 'its bytes are no picture'}")
    if sample.kind == "clip":
        _refuse(review, segment_mistakes(review.segments, workflow, seconds=seconds or 0.0))
        segments = sound_segments(review.segments, workflow, seconds=seconds or 0.0)
        return Ruling("approved", replace(decided, segments=segments), "approved")
    _refuse(review, mistakes(review.annotations, workflow, width=width, height=height))
    annotations = sound(review.annotations, workflow, width=width, height=height)
    return Ruling("approved", replace(decided, annotations=annotations), "approved")


def _refuse(review: ReviewSubmitted, wrong: list[str]) -> None:
    if wrong:
        raise Permanent(f"The review of sample {review.sample_id} by {review.reviewer}: {'; '.join(wrong)}")


def _reject(review: ReviewSubmitted, sample: Sample, _: Workflow) -> Ruling:
    decided = _decided(review, sample, "rejected")
    return Ruling("rejected", replace(decided, reason="reviewer", detail=review.comment), "rejected")


def _decided(review: ReviewSubmitted, sample: Sample, verdict: Standing) -> Sample:
    return replace(
        sample,
        verdict=verdict,
        revision=sample.revision + 1,
        decided_by=f"user:{review.reviewer}",
        reason=None,
        detail=None,
        duplicate_of=None,
        waiting=False,
        why=None,
    )


def _skip(review: ReviewSubmitted, sample: Sample, _: Workflow) -> Ruling:
    """It goes to the end of the queue and is announced there; the revision stays, for nothing was decided."""
    if not sample.waiting:
        return Ruling("skipped", sample, detail="it waits for nobody")
    later = replace(sample, priority=sample.priority - SKIPPED_PENALTY, why=f"skipped by {review.reviewer}")
    return Ruling("skipped", later, "queued")


def _too_late(review: ReviewSubmitted, sample: Sample) -> Ruling:
    """Somebody was faster. Agreement changes nothing; disagreement brings the sample back for a second look, once."""
    if _agrees(review, sample):
        return Ruling("agreed", sample, detail=f"{sample.decided_by} decided the same before")
    told = f"{sample.decided_by} decided {sample.verdict} meanwhile (revision {sample.revision})"
    if review.decision == "skip" or sample.waiting:
        return Ruling("refused", sample, detail=told)
    why = f"{told}; {review.reviewer} says {review.decision}, having seen revision {review.based_on_revision}"
    return Ruling(
        "refused", replace(sample, waiting=True, why=why, priority=SECOND_LOOK_PRIORITY), "queued", detail=told
    )


def _agrees(review: ReviewSubmitted, sample: Sample) -> bool:
    if review.decision == "reject":
        return sample.verdict == "rejected"
    return review.decision == "approve" and sample.verdict == "approved" and _says(review) == _says(sample)


def _says(given: ReviewSubmitted | Sample) -> tuple[object, object]:
    boxes = sorted((each.label, each.box) for each in given.annotations)
    return boxes, sorted((each.step, each.start_seconds, each.end_seconds) for each in given.segments)
