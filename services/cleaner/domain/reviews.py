"""What a review does. The first one that was based on what stands now counts; a later one never overwrites it."""

from dataclasses import dataclass, replace
from typing import Literal

from libs.common.errors import Permanent
from libs.common.events import ReviewSubmitted
from libs.common.workflows import Workflow
from services.cleaner.domain.annotations import mistakes, sound
from services.cleaner.domain.samples import Sample, Standing

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
    width, height = sample.media.width, sample.media.height
    if sample.look is None or width is None or height is None:
        raise Permanent(f"Sample {sample.sample_id} cannot be approved: {sample.detail or 'its bytes are no picture'}")
    wrong = mistakes(review.annotations, workflow, width=width, height=height)
    if wrong:
        raise Permanent(f"The review of sample {sample.sample_id} by {review.reviewer}: {'; '.join(wrong)}")
    annotations = sound(review.annotations, workflow, width=width, height=height)
    decided = _decided(review, sample, "approved")
    return Ruling(
        "approved", replace(decided, annotations=annotations, annotated_by=f"user:{review.reviewer}"), "approved"
    )


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
    said = sorted((each.label, each.box) for each in review.annotations)
    stands = sorted((each.label, each.box) for each in sample.annotations)
    return review.decision == "approve" and sample.verdict == "approved" and said == stands
