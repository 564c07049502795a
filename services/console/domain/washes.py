"""What a model made of a clip, as it was told, and as the compliance report counts it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import WashJudged, as_values
from services.console.domain.compliance import MeasuredModel, Outcome, Wash
from services.console.domain.facts import Fact


@dataclass(frozen=True)
class JudgedWash:
    """A clip and the verdict of one model version; what that version last said counts.

    `seconds` are those of each step, `measured_error` shares of 0..1 from the version's evaluation, `proof` the video.
    """

    clip_id: str
    model: str
    version: int
    workflow: str
    camera_id: str
    captured_at: datetime
    verdict: Outcome
    missing_steps: tuple[str, ...]
    segments: tuple[dict[str, Any], ...]
    seconds: dict[str, float]
    total_seconds: float
    reasons: tuple[dict[str, Any], ...]
    visible_share: float | None
    measured_error: dict[str, float | None]
    proof: dict[str, Any]
    judged_at: datetime
    event_id: UUID

    def counted(self) -> Wash:
        """As the report counts it."""
        error = self.measured_error
        model = MeasuredModel(self.model, self.version, error.get("sensitivity"), error.get("specificity"))
        return Wash(
            self.clip_id, self.camera_id, self.captured_at, self.verdict, self.missing_steps, self.total_seconds, model
        )


def judged_wash(said: Fact, event: WashJudged) -> JudgedWash:
    """The row one event makes."""
    return JudgedWash(
        clip_id=event.clip_id,
        model=event.model.name,
        version=event.model.version,
        workflow=event.workflow,
        camera_id=event.camera_id,
        captured_at=event.captured_at,
        verdict=event.verdict,
        missing_steps=event.missing_steps,
        segments=tuple(as_values(each) for each in event.segments),
        seconds=event.seconds,
        total_seconds=event.total_seconds,
        reasons=tuple(as_values(each) for each in event.reasons),
        visible_share=event.visible_share,
        measured_error=event.measured_error,
        proof=as_values(event.proof),
        judged_at=said.at,
        event_id=said.event_id,
    )
