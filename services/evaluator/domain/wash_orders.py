"""The order to judge a camera's clip, and what is announced of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.envelope import Envelope
from libs.common.events import ClipCaptured, Metrics, ModelRef, Segment, WashJudged, WashReason, as_values
from libs.vision.procedures import Procedure, in_words
from services.evaluator.domain.washes import JudgedWash, reason_values

JOB = "wash"
MEASURED = ("sensitivity", "specificity", "frame_accuracy", "f1_50")
"""What is told of the model's own error beside each of its verdicts."""


@dataclass(frozen=True)
class WashOrder:
    """The job's spec: the clip, and the event that told of it."""

    clip: ClipCaptured
    cause_id: UUID
    correlation_id: str
    traceparent: str | None

    def spec(self) -> dict[str, Any]:
        """As stored in the job's row."""
        cause = {"id": str(self.cause_id), "correlation_id": self.correlation_id, "traceparent": self.traceparent}
        return {"clip": as_values(self.clip), "cause": cause}

    @classmethod
    def read(cls, spec: dict[str, Any]) -> "WashOrder":
        """What `spec` wrote."""
        cause = spec["cause"]
        clip = ClipCaptured.model_validate(spec["clip"])
        return cls(clip, UUID(cause["id"]), cause["correlation_id"], cause["traceparent"])

    @property
    def cause(self) -> Envelope:
        """What announcements name as their cause."""
        topic = ClipCaptured.topic
        return Envelope(self.cause_id, topic, "", None, "", self.correlation_id, None, self.traceparent, None)


def announcement(
    clip: ClipCaptured,
    wash: JudgedWash,
    procedure: Procedure,
    *,
    model: ModelRef,
    measured: Mapping[str, float | None],
    visible_share: float,
) -> WashJudged:
    """`wash.judged`: what the model saw in the clip and what that comes to, with the model's own measured error."""
    seconds = {
        step: sum(s.seconds for s in wash.segments if s.step == step) for step in {s.step for s in wash.segments}
    }
    error: Metrics = {name: measured[name] for name in MEASURED if name in measured}
    return WashJudged(
        clip_id=clip.clip_id,
        camera_id=clip.camera_id,
        captured_at=clip.captured_at,
        workflow=clip.workflow,
        model=model,
        segments=tuple(
            Segment(step=s.step, start_seconds=s.start, end_seconds=s.end, confidence=s.confidence)
            for s in wash.segments
        ),
        seconds={step: round(lasted, 3) for step, lasted in sorted(seconds.items())},
        total_seconds=round(wash.seconds, 3),
        verdict=wash.verdict,
        missing_steps=wash.missing_steps,
        reasons=tuple(
            WashReason(
                **reason_values(each),
                words={"en": in_words(each, procedure, "en"), "zh": in_words(each, procedure, "zh")},
            )
            for each in wash.reasons
        ),
        visible_share=round(visible_share, 4),
        proof=clip.video,
        measured_error=error,
    )
