"""A clip as events: captured, queued with a suggestion, judged; and the workflow it belongs to."""

from typing import Any
from uuid import UUID

from libs.common.events import (
    ClipCaptured,
    Media,
    ModelRef,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    Segment,
    WashJudged,
    WashReason,
    WorkflowChanged,
)
from tests.unit.console.console_events import at

VIDEO = Media(uri="s3://camloop/clips/a.mp4", sha256="c" * 64, content_type="video/mp4", bytes=9, duration_seconds=20.0)
STRIP = Media(uri="s3://camloop/previews/a.jpg", sha256="d" * 64, content_type="image/jpeg", bytes=9)
PREVIEW = Media(uri="s3://camloop/previews/a.webm", sha256="e" * 64, content_type="video/webm", bytes=9)
PALMS = Segment(step="palms", start_seconds=1.0, end_seconds=6.0)
THUMB = Segment(step="thumb_left", start_seconds=6.0, end_seconds=9.0, confidence=0.8)
THIRD = ModelRef(name="washing", version=3)
DEFINITION: dict[str, Any] = {
    "name": "washing", "title": {"en": "Washing", "zh": "洗手"}, "task": "temporal",
    "procedure": {"steps": [
        {"name": "palms", "title": {"en": "Palms", "zh": "掌心"}},
        {"name": "thumb", "title": {"en": "Thumb", "zh": "拇指"}, "sides": "either"},
    ]},
}  # fmt: skip


def workflow() -> WorkflowChanged:
    return WorkflowChanged(workflow="washing", revision=1, definition=DEFINITION, changed_by="file:washing.yaml")


def captured(clip: str = "clip-1", camera: str = "sink-1", seconds: float = 0) -> ClipCaptured:
    return ClipCaptured(
        clip_id=clip, camera_id=camera, captured_at=at(seconds), workflow="washing", video=VIDEO, segments=(PALMS,)
    )


def queued(sample_id: UUID, **changes: Any) -> SampleQueuedForReview:
    values = {
        "sample_id": sample_id, "workflow": "washing", "kind": "clip", "media": VIDEO, "priority": 0.5, "why": "no segments",
        "camera_id": "sink-1", "captured_at": at(0), "clip_id": "clip-1", "strip": STRIP, "preview": PREVIEW,
        "suggested_segments": (THUMB,), "suggested_by": THIRD,
    }  # fmt: skip
    return SampleQueuedForReview(**(values | changes))


def approved(sample_id: UUID, **changes: Any) -> SampleApproved:
    values = {
        "sample_id": sample_id, "workflow": "washing", "kind": "clip", "media": VIDEO, "camera_id": "sink-1",
        "captured_at": at(0), "annotation_revision": 1, "approved_by": "user:li", "leakage_group": "g", "clip_id": "clip-1",
        "segments": (PALMS,), "subject_id": "person-3",
    }  # fmt: skip
    return SampleApproved(**(values | changes))


def rejected(sample_id: UUID, **changes: Any) -> SampleRejected:
    values = {"sample_id": sample_id, "workflow": "washing", "reason": "reviewer", "clip_id": "clip-1"}
    return SampleRejected(**(values | changes))


def judged(clip: str = "clip-1", verdict: str = "non_compliant", **changes: Any) -> WashJudged:
    missing = ("thumb",) if verdict == "non_compliant" else ()
    values = {
        "clip_id": clip, "camera_id": "sink-1", "captured_at": at(0), "workflow": "washing", "model": THIRD,
        "segments": (PALMS,), "seconds": {"palms": 5.0}, "total_seconds": 5.0, "verdict": verdict, "missing_steps": missing,
        "reasons": tuple(WashReason(code="missing", step=step, words={"en": "Thumb is missing"}) for step in missing),
        "proof": VIDEO, "measured_error": {"sensitivity": 0.9, "specificity": 0.75},
    }  # fmt: skip
    return WashJudged(**(values | changes))
