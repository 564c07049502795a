"""Every event and its topic: the table of contents of the system.

An event is a fact (`noun.participle`); a request is a fact too (somebody asked). Bodies follow the contract: fields are
only ever added, unknown ones are ignored, bytes never travel (`Media` points at them).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

type_ = type  # `type` is a field name below

ExternalId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
"""An id chosen outside camloop: safe inside an object key, a URL and a log line."""
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A workflow or model name."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ObjectUri = Annotated[str, Field(pattern=r"^s3://[^/]+/.+$")]
"""Where an object lies."""
Metrics = dict[str, float | None]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""Of what a camera saw in a window: more would overflow the sums over all its windows, whoever reads them."""
Box = tuple[float, float, float, float]
"""`[x1, y1, x2, y2]`, pixels of the snapshot."""


class Body(BaseModel):
    """A value inside an event: frozen, tolerant of fields it does not know, intolerant of NaN."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Media(Body):
    """Where bytes lie and what they are (claim check). `bytes` is their number."""

    uri: ObjectUri
    sha256: Sha256
    content_type: str
    bytes: Annotated[int, Field(ge=0)]
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    fps: float | None = None


class Annotation(Body):
    """A label and its box, given or confirmed by a person."""

    label: str
    box: Box


class Detection(Body):
    """A label and its box, predicted."""

    label: str
    box: Box
    confidence: Annotated[float, Field(ge=0, le=1)]
    track_id: int | None = None


MAXIMUM_BOXES = 2000
"""On one picture: the densest scenes have some hundred; more is a detector gone wild, and no event could carry it."""
Annotations = Annotated[tuple[Annotation, ...], Field(max_length=MAXIMUM_BOXES)]
Detections = Annotated[tuple[Detection, ...], Field(max_length=MAXIMUM_BOXES)]


class Segment(Body):
    """A step of a clip from `start_seconds` to `end_seconds`; `confidence` when a model says so."""

    step: Annotated[str, Field(min_length=1)]
    start_seconds: float
    end_seconds: float
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None


MAXIMUM_SEGMENTS = 2000
"""Of one clip: a wash has some ten; more is a model that flickers."""
Segments = Annotated[tuple[Segment, ...], Field(max_length=MAXIMUM_SEGMENTS)]


class ModelRef(Body):
    """A model version."""

    name: Name
    version: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Artifact(Body):
    """A final file of a training run, with its digest."""

    name: str
    uri: str
    sha256: Sha256
    bytes: int


class Gate(Body):
    """Did the evaluation pass, and why not."""

    passed: bool
    reasons: tuple[str, ...] = ()


class Baseline(Body):
    """What the evaluated model was compared with: the champion, on the same split."""

    model: ModelRef
    metrics: Metrics
    comparison: Metrics


class LogLine(Body):
    """One line of a training log. `seq` counts from 1 within an attempt and never repeats there."""

    seq: int
    at: AwareDatetime
    level: str
    text: str
    attempt: int = 1


class Event(Body):
    """A fact on its own topic, keyed by the id of its subject."""

    topic: ClassVar[str]
    key_field: ClassVar[str]
    compacted: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The Kafka key: events of one subject stay in order."""
        return str(getattr(self, self.key_field))


# --- snapshots and samples -------------------------------------------------------------------------------------------


class SnapshotCaptured(Event):
    """A camera took a still. `source_group`: what it was derived from; snapshots that share it never cross splits."""

    topic: ClassVar[str] = "snapshot.captured"
    key_field: ClassVar[str] = "camera_id"
    snapshot_id: ExternalId
    camera_id: ExternalId
    captured_at: AwareDatetime
    image: Media
    workflow: Name | None = None
    violation_type: str | None = None
    detections: Detections | None = None
    detected_by: ModelRef | None = None
    annotations: Annotations | None = None
    zone_events: tuple[dict[str, JsonValue], ...] | None = None
    source_group: str | None = None


class ClipCaptured(Event):
    """A camera took a clip, of one visit if need be. `source_group`: the recording it was cut from; the clips of one
    recording never cross splits. `subject_id`: who is seen, where it is known.
    """

    topic: ClassVar[str] = "clip.captured"
    key_field: ClassVar[str] = "camera_id"
    clip_id: ExternalId
    camera_id: ExternalId
    captured_at: AwareDatetime
    workflow: Name
    video: Media
    segments: Segments | None = None
    subject_id: ExternalId | None = None
    source_group: str | None = None


class SampleApproved(Event):
    """A sample may be learned from. `near_duplicates`: approved samples it resembles, whose leakage groups it joins."""

    topic: ClassVar[str] = "sample.approved"
    key_field: ClassVar[str] = "sample_id"
    sample_id: UUID
    workflow: Name
    kind: Literal["image", "clip"] = "image"
    media: Media
    camera_id: str
    captured_at: AwareDatetime
    annotations: tuple[Annotation, ...] = ()
    annotation_revision: int
    approved_by: str
    leakage_group: str
    near_duplicates: tuple[UUID, ...] = ()
    snapshot_id: str | None = None
    segments: tuple[Segment, ...] = ()
    clip_id: str | None = None
    subject_id: str | None = None


class SampleRejected(Event):
    """A sample must not be learned from, with the measured values behind the reason."""

    topic: ClassVar[str] = "sample.rejected"
    key_field: ClassVar[str] = "sample_id"
    sample_id: UUID
    workflow: Name
    reason: str
    duplicate_of: UUID | None = None
    measures: Metrics = Field(default_factory=dict)
    camera_id: str | None = None
    snapshot_id: str | None = None
    detail: str | None = None
    annotation_revision: int = 0
    clip_id: str | None = None


class SampleQueuedForReview(Event):
    """A person has to look. `annotation_revision` is what a review must be based on.

    Of a clip: `segments` as they stand, what a model suggests, a `strip` of thumbnails, a `preview` every browser plays.
    """

    topic: ClassVar[str] = "sample.queued_for_review"
    key_field: ClassVar[str] = "sample_id"
    sample_id: UUID
    workflow: Name
    kind: Literal["image", "clip"] = "image"
    media: Media
    suggestions: tuple[Detection, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    annotation_revision: int = 0
    priority: float
    why: str
    camera_id: str
    captured_at: AwareDatetime
    snapshot_id: str | None = None
    segments: tuple[Segment, ...] = ()
    suggested_segments: tuple[Segment, ...] = ()
    suggested_by: ModelRef | None = None
    clip_id: str | None = None
    strip: Media | None = None
    preview: Media | None = None


class ReviewSubmitted(Event):
    """A person decided on a sample, having seen revision `based_on_revision` of its annotations."""

    topic: ClassVar[str] = "review.submitted"
    key_field: ClassVar[str] = "sample_id"
    sample_id: UUID
    decision: Literal["approve", "reject", "skip"]
    annotations: Annotations = ()
    segments: Segments = ()
    based_on_revision: int
    reviewer: str
    comment: str | None = None


# --- dataset versions ------------------------------------------------------------------------------------------------


class DatasetBuildRequested(Event):
    """Somebody asked for a dataset version now, whatever the policy says of numbers and hours."""

    topic: ClassVar[str] = "dataset.build_requested"
    key_field: ClassVar[str] = "workflow"
    request_id: UUID
    workflow: Name
    requested_by: str
    reason: str


class DatasetBuilt(Event):
    """A dataset version stands: immutable, or the last one again (`reused`) because nothing changed.

    Of clips, `boxes_per_class` counts the segments of each step, and `seconds_per_step` says how long they are together.
    """

    topic: ClassVar[str] = "dataset.built"
    key_field: ClassVar[str] = "dataset_version_id"
    dataset_version_id: UUID
    workflow: Name
    version: int
    task: Literal["detection", "temporal"]
    classes: tuple[str, ...]
    manifest: Media
    counts: dict[Literal["train", "val", "test"], int]
    boxes_per_class: dict[str, int]
    parent_version: int | None = None
    reused: bool = False
    requested_by: str | None = None
    added: int = 0
    removed: int = 0
    changed: int = 0
    left_out: dict[str, int] = Field(default_factory=dict)
    seconds_per_step: dict[str, float] = Field(default_factory=dict)


class DatasetBuildFailed(Event):
    """A build ended without a version, with the reason and what to do."""

    topic: ClassVar[str] = "dataset.build_failed"
    key_field: ClassVar[str] = "workflow"
    build_id: UUID
    workflow: Name
    reason: str


# --- training --------------------------------------------------------------------------------------------------------


class TrainingRequested(Event):
    """Somebody asked for a training run. Unset hyper-parameters come from the workflow's template."""

    topic: ClassVar[str] = "training.requested"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    dataset_version_id: UUID | Literal["latest"] | None = None
    backend: str | None = None
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)
    requested_by: str
    reason: str
    seed: int | None = None
    priority: int = 0


class TrainingQueued(Event):
    """A training run waits, and for what."""

    topic: ClassVar[str] = "training.queued"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    dataset_version_id: UUID | None = None
    backend: str
    waits_for: str
    requested_by: str
    reason: str


class TrainingCancelRequested(Event):
    """Somebody asked to stop a training run."""

    topic: ClassVar[str] = "training.cancel_requested"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    requested_by: str
    reason: str


class TrainingStarted(Event):
    """An attempt of a training run began on a device."""

    topic: ClassVar[str] = "training.started"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    dataset_version_id: UUID
    backend: str
    attempt: int
    device: str
    device_name: str
    owner: str
    resumed_from_epoch: int | None = None
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)


class TrainingProgressed(Event):
    """An epoch went by. At most one a second, with the log lines since the last one."""

    topic: ClassVar[str] = "training.progressed"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    attempt: int
    epoch: int
    epochs: int
    metrics: Metrics
    eta_seconds: float | None
    device: str
    log_lines: tuple[LogLine, ...] = ()


class TrainingFailed(Event):
    """A training run ended without a model (`reason` "cancelled: ..." when somebody asked for it)."""

    topic: ClassVar[str] = "training.failed"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    reason: str
    attempt: int
    last_log_lines: tuple[LogLine, ...] = ()
    hint: str | None = None


class ModelTrained(Event):
    """A training run produced artifacts. `metrics` are the trainer's own numbers, not the evaluator's."""

    topic: ClassVar[str] = "model.trained"
    key_field: ClassVar[str] = "training_run_id"
    training_run_id: UUID
    workflow: Name
    dataset_version_id: UUID
    backend: str
    licence: str
    hyperparameters: dict[str, JsonValue]
    seed: int
    artifacts: tuple[Artifact, ...]
    metrics: Metrics
    duration_seconds: float
    device: str
    environment: dict[str, str]
    dataset: DatasetBuilt
    base_weights: dict[str, JsonValue] | None = None


# --- evaluation ------------------------------------------------------------------------------------------------------


class EvaluationRequested(Event):
    """Somebody asked for the artifact of a training run to be judged (again)."""

    topic: ClassVar[str] = "evaluation.requested"
    key_field: ClassVar[str] = "training_run_id"
    evaluation_id: UUID
    training_run_id: UUID
    workflow: Name
    requested_by: str
    reason: str


class ModelEvaluated(Event):
    """The artifact that ships was measured on a split, compared with the champion and judged by the gate."""

    topic: ClassVar[str] = "model.evaluated"
    key_field: ClassVar[str] = "training_run_id"
    evaluation_id: UUID
    training_run_id: UUID
    workflow: Name
    dataset_version_id: UUID
    split: str
    report: Media
    metrics: Metrics
    per_class: dict[str, Metrics]
    per_camera: dict[str, Metrics]
    baseline: Baseline | None = None
    gate: Gate
    trained: ModelTrained
    operating_confidence: dict[str, float]
    report_files: tuple[Artifact, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)


class EvaluationFailed(Event):
    """An evaluation ended without a report."""

    topic: ClassVar[str] = "evaluation.failed"
    key_field: ClassVar[str] = "training_run_id"
    evaluation_id: UUID
    training_run_id: UUID
    workflow: Name
    reason: str


# --- washes ---------------------------------------------------------------------------------------------------------


class WashReason(Body):
    """Why a wash is not compliant, or cannot be judged. `other`: the step it should have come after."""

    code: str
    step: str | None = None
    other: str | None = None
    seconds: float | None = None
    needed: float | None = None
    words: dict[str, str] = Field(default_factory=dict)


class WashJudged(Event):
    """The champion watched a camera's clip: the steps it saw, for how long, and whether that is the whole procedure."""

    topic: ClassVar[str] = "wash.judged"
    key_field: ClassVar[str] = "camera_id"
    clip_id: ExternalId
    camera_id: str
    captured_at: AwareDatetime
    workflow: Name
    model: ModelRef
    segments: Segments
    seconds: dict[str, float]
    total_seconds: float
    verdict: Literal["compliant", "non_compliant", "undetermined"]
    missing_steps: tuple[str, ...]
    reasons: tuple[WashReason, ...]
    visible_share: float | None = None
    proof: Media
    measured_error: Metrics = Field(default_factory=dict)


# --- model versions --------------------------------------------------------------------------------------------------


class ModelRegistered(Event):
    """A model version exists and can be fetched."""

    topic: ClassVar[str] = "model.registered"
    key_field: ClassVar[str] = "model"
    model: Name
    version: int
    workflow: Name
    training_run_id: UUID
    evaluation_id: UUID
    dataset_version_id: UUID
    artifacts: tuple[Artifact, ...]
    metrics: Metrics
    licence: str
    lineage: dict[str, JsonValue]
    gate: Gate


class PromotionRequested(Event):
    """Somebody asked for an alias to point at a version. `force`: although its gate failed."""

    topic: ClassVar[str] = "promotion.requested"
    key_field: ClassVar[str] = "model"
    request_id: UUID
    model: Name
    version: int
    alias: str = "champion"
    by: str
    reason: str
    force: bool = False


class RollbackRequested(Event):
    """Somebody asked for an alias to go back (to `to_version`, or to the version before)."""

    topic: ClassVar[str] = "rollback.requested"
    key_field: ClassVar[str] = "model"
    request_id: UUID
    model: Name
    alias: str = "champion"
    to_version: int | None = None
    by: str
    reason: str


class ModelPromoted(Event):
    """An alias points at a version now. Artifacts and thresholds ride along for whoever runs it."""

    topic: ClassVar[str] = "model.promoted"
    key_field: ClassVar[str] = "model"
    model: Name
    version: int
    alias: str
    previous_version: int | None = None
    by: str
    reason: str
    workflow: Name
    artifacts: tuple[Artifact, ...] = ()
    metrics: Metrics = Field(default_factory=dict)


class ModelRolledBack(Event):
    """An alias points at an earlier version again."""

    topic: ClassVar[str] = "model.rolled_back"
    key_field: ClassVar[str] = "model"
    model: Name
    from_version: int
    to_version: int
    alias: str
    by: str
    reason: str
    workflow: Name
    artifacts: tuple[Artifact, ...] = ()
    metrics: Metrics = Field(default_factory=dict)


class PromotionRejected(Event):
    """A promotion or rollback was refused, with reasons."""

    topic: ClassVar[str] = "promotion.rejected"
    key_field: ClassVar[str] = "model"
    model: Name
    version: int | None
    alias: str
    by: str
    reasons: tuple[str, ...]


class PredictionReported(Event):
    """What a model did on a camera during a window."""

    topic: ClassVar[str] = "prediction.reported"
    key_field: ClassVar[str] = "camera_id"
    camera_id: ExternalId
    at: AwareDatetime
    model: ModelRef
    window_seconds: Annotated[float, Field(ge=0)]
    images: Count
    detections_per_class: dict[str, Count]
    confidence_histogram: dict[str, Count] = Field(default_factory=dict)
    latency_ms: dict[str, float] = Field(default_factory=dict)
    verdicts: dict[str, Count] | None = None


# --- configuration everybody follows ---------------------------------------------------------------------------------


class WorkflowChanged(Event):
    """A workflow's definition has a new revision. Compacted: the last one per workflow is kept for ever."""

    topic: ClassVar[str] = "workflow.changed"
    key_field: ClassVar[str] = "workflow"
    compacted: ClassVar[bool] = True
    workflow: Name
    revision: int
    definition: dict[str, JsonValue]
    changed_by: str


class TokenChanged(Event):
    """A machine's bearer token was issued or revoked. Only its hash travels (ADR 0008)."""

    topic: ClassVar[str] = "token.changed"
    key_field: ClassVar[str] = "token_id"
    compacted: ClassVar[bool] = True
    token_id: UUID
    sha256: Sha256
    scopes: tuple[str, ...]
    camera_id: str | None = None
    label: str
    issued_at: AwareDatetime
    revoked_at: datetime | None = None


def all_events() -> Iterator[type_[Event]]:
    """Every event class, in the order of this file."""
    yield from Event.__subclasses__()


def event_class(topic: str) -> type_[Event]:
    """The class of a topic. Raises KeyError for a topic camloop does not know."""
    return {event.topic: event for event in all_events()}[topic]


def to_json(event: Body) -> bytes:
    """The body as it travels: compact JSON without fields that are unset."""
    return event.model_dump_json(exclude_none=True).encode()


def as_values(event: Body) -> dict[str, Any]:
    """The body as plain JSON values, for a jsonb column."""
    return event.model_dump(mode="json", exclude_none=True)
