"""An order to work on a clip, as a leased job keeps it: the clip, and the event that told of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.envelope import Envelope
from libs.common.events import ClipCaptured, as_values


@dataclass(frozen=True)
class ClipOrder:
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
    def read(cls, spec: dict[str, Any]) -> "ClipOrder":
        """What `spec` wrote."""
        cause = spec["cause"]
        clip = ClipCaptured.model_validate(spec["clip"])
        return cls(clip, UUID(cause["id"]), cause["correlation_id"], cause["traceparent"])

    @property
    def cause(self) -> Envelope:
        """What announcements name as their cause."""
        topic = ClipCaptured.topic
        return Envelope(self.cause_id, topic, "", None, "", self.correlation_id, None, self.traceparent, None)
