"""What is announced of a camera's clip once the champion has judged it."""

from collections.abc import Mapping

from libs.common.events import ClipCaptured, ModelRef, Segment, WashJudged, WashReason
from libs.vision.procedures import Procedure, Reason
from libs.vision.segments import TimedSegment
from services.evaluator.domain.washes import JudgedWash, reason_values, reason_words
from services.evaluator.domain.words import Words

JOB = "wash"
MEASURED = ("sensitivity", "specificity", "frame_accuracy", "f1_50")
"""What is told of the model's own error beside each of its verdicts."""


def announcement(
    clip: ClipCaptured,
    wash: JudgedWash,
    procedure: Procedure,
    titles: Mapping[str, Words],
    *,
    model: ModelRef,
    measured: Mapping[str, float | None],
    visible_share: float,
) -> WashJudged:
    """`wash.judged`: what the model saw in the clip and what that comes to, with the model's own measured error."""
    return WashJudged(
        clip_id=clip.clip_id,
        camera_id=clip.camera_id,
        captured_at=clip.captured_at,
        workflow=clip.workflow,
        model=model,
        segments=tuple(_segment(each) for each in wash.segments),
        seconds={label: round(lasted, 3) for label, lasted in sorted(wash.seconds.items())},
        total_seconds=round(wash.total_seconds, 3),
        verdict=wash.verdict,
        missing_steps=wash.missing_steps,
        reasons=tuple(_reason(each, procedure, titles) for each in wash.reasons),
        visible_share=round(visible_share, 4),
        proof=clip.video,
        measured_error={name: measured[name] for name in MEASURED if name in measured},
    )


def _segment(seen: TimedSegment) -> Segment:
    return Segment(step=seen.step, start_seconds=seen.start, end_seconds=seen.end, confidence=seen.confidence)


def _reason(reason: Reason, procedure: Procedure, titles: Mapping[str, Words]) -> WashReason:
    words = reason_words(reason, procedure, titles)
    return WashReason.model_validate({**reason_values(reason), "words": {"en": words.en, "zh": words.zh}})
