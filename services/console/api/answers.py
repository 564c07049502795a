"""The shapes the console answers with, where they are not the records themselves. A list stands alone in its answer."""

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.console.domain.facts import LoggedEvent, shown_body
from services.console.domain.runs import TrainingRun
from services.console.domain.samples import Sample
from services.console.domain.versions import AliasChange, DatasetVersion, ModelVersion
from services.console.store.views import Camera, Epoch, LogLine, Page
from services.console.store.workflows import WorkflowEntry


class Paged(BaseModel):
    """Where this piece of a list begins, and how long the list is."""

    total: int
    limit: int
    offset: int


class SamplesAnswer(Paged):
    samples: list[Sample]


class DatasetVersionsAnswer(Paged):
    dataset_versions: list[DatasetVersion]


class RunsAnswer(Paged):
    runs: list[TrainingRun]


class ReviewAnswer(BaseModel):
    """A sample that waits for a person. A review says `based_on_revision` = `annotation_revision`.

    Of an image there is `image_url`; of a clip `video_url`, a `preview_url` that every browser plays, a `strip_url` of
    thumbnails, its segments as they stand and those a model suggests.
    """

    sample_id: UUID
    workflow: str
    kind: str
    camera_id: str | None
    captured_at: datetime | None
    queued_at: datetime
    snapshot_id: str | None
    annotation_revision: int
    annotations: list[dict[str, Any]]
    suggestions: list[dict[str, Any]]
    priority: float | None
    reason: str | None
    image_url: str | None
    clip_id: str | None
    seconds: float | None
    segments: list[dict[str, Any]]
    suggested_segments: list[dict[str, Any]]
    suggested_by: dict[str, Any] | None
    subject_id: str | None
    video_url: str | None
    preview_url: str | None
    strip_url: str | None


class ReviewsAnswer(Paged):
    reviews: list[ReviewAnswer]


class LogAnswer(BaseModel):
    """Log lines in the order they arrived; go on with the last `position`."""

    lines: list[LogLine]


class EpochsAnswer(BaseModel):
    epochs: list[Epoch]


class ModelAnswer(BaseModel):
    """A model: its versions, newest first, and where its aliases point."""

    model: str
    aliases: dict[str, int]
    versions: list[ModelVersion]


class ModelsAnswer(BaseModel):
    models: list[ModelAnswer]


class AliasHistoryAnswer(BaseModel):
    """What a model's aliases went through, newest first, refusals included."""

    changes: list[AliasChange]


class CamerasAnswer(BaseModel):
    cameras: list[Camera]


class WorkflowsAnswer(BaseModel):
    workflows: list[WorkflowEntry]


class EventAnswer(BaseModel):
    """An event as it was said. `position`: its place in the log; a stream resumes after it."""

    position: int
    event_id: UUID
    topic: str
    key: str
    workflow: str | None
    source: str
    at: datetime
    correlation_id: str
    causation_id: str | None
    body: dict[str, Any]
    problem: str | None


class EventsAnswer(BaseModel):
    events: list[EventAnswer]


def event_answer(logged: LoggedEvent) -> EventAnswer:
    """A row of the log as readers get it."""
    values = {field.name: getattr(logged, field.name) for field in fields(logged)}
    values["body"] = shown_body(logged.topic, logged.body)
    return EventAnswer(position=values.pop("seq"), **values)


def paged(page: Page[Any]) -> dict[str, int]:
    """The numbers of a page."""
    return {"total": page.total, "limit": page.limit, "offset": page.offset}


def review_answer(sample: Sample, *, media: str | None, preview: str | None, strip: str | None) -> ReviewAnswer:
    """A queued sample as its reviewer gets it, with links to what there is to be seen."""
    is_clip = sample.kind == "clip"
    return ReviewAnswer(
        sample_id=sample.sample_id,
        workflow=sample.workflow,
        kind=sample.kind,
        camera_id=sample.camera_id,
        captured_at=sample.captured_at,
        queued_at=sample.decided_at,
        snapshot_id=sample.snapshot_id,
        annotation_revision=sample.revision,
        annotations=list(sample.annotations),
        suggestions=list(sample.suggestions),
        priority=sample.priority,
        reason=sample.reason,
        image_url=None if is_clip else media,
        clip_id=sample.clip_id,
        seconds=sample.media.get("duration_seconds") if is_clip and sample.media else None,
        segments=list(sample.segments),
        suggested_segments=list(sample.suggested_segments),
        suggested_by=sample.suggested_by,
        subject_id=sample.subject_id,
        video_url=media if is_clip else None,
        preview_url=preview,
        strip_url=strip,
    )
