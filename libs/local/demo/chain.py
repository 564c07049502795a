"""What the demo knows of the loop: every event since its beginning, boiled down, and one line for each that matters."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.common.events import (
    ClipCaptured,
    DatasetBuildFailed,
    DatasetBuilt,
    EvaluationFailed,
    Event,
    ModelEvaluated,
    ModelPromoted,
    ModelRegistered,
    ModelTrained,
    PromotionRejected,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    SnapshotCaptured,
    TrainingFailed,
    TrainingProgressed,
    TrainingQueued,
    TrainingStarted,
    WashJudged,
    event_class,
)
from libs.local.output import pairs

Told = tuple[str, str]
"""A stage and what happened in it."""


METRICS = ("map50", "map50_95", "precision", "recall", "f1")
CLIP_METRICS = ("frame_accuracy", "f1_50", "edit", "sensitivity", "specificity")
_LEARNED = {"map50": "mAP50", "frame_accuracy": "frame accuracy"}


def chosen_metrics(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Those that people read first: of a detector, or in per cent of a clip model."""
    names = CLIP_METRICS if "frame_accuracy" in metrics else METRICS
    return {name: metrics.get(name) for name in names}


@dataclass
class Chain:
    """The state of one workflow's loop, as far as events have told. `hear` returns what is worth a line, if it is.

    `captured`: the digest of each snapshot or clip, by its id. `washes`: what the champion said of clips, by their ids.
    `fresh`: approved since the last dataset version.
    `runs`: those queued since the beginning.
    """

    workflow: str
    captured: dict[str, str] = field(default_factory=dict[str, str])
    approved: dict[UUID, str] = field(default_factory=dict[UUID, str])
    rejected: dict[UUID, str] = field(default_factory=dict[UUID, str])
    queued: set[UUID] = field(default_factory=set[UUID])
    fresh: set[UUID] = field(default_factory=set[UUID])
    versions: list[DatasetBuilt] = field(default_factory=list[DatasetBuilt])
    runs: set[UUID] = field(default_factory=set[UUID])
    trained: dict[UUID, ModelTrained] = field(default_factory=dict[UUID, ModelTrained])
    evaluated: dict[UUID, ModelEvaluated] = field(default_factory=dict[UUID, ModelEvaluated])
    registered: list[ModelRegistered] = field(default_factory=list[ModelRegistered])
    promoted: dict[int, ModelPromoted] = field(default_factory=dict[int, ModelPromoted])
    washes: dict[str, WashJudged] = field(default_factory=dict[str, WashJudged])
    failure: Told | None = None
    tenths: set[tuple[UUID, int]] = field(default_factory=set[tuple[UUID, int]])

    def hear(self, topic: str, body: Mapping[str, Any]) -> Told | None:
        """Take in an event, whoever it is about; those of other workflows say nothing."""
        listener = _LISTENERS.get(topic)
        if listener is None or body.get("workflow", self.workflow) != self.workflow:
            return None
        return listener(self, event_class(topic).model_validate(body))

    @property
    def judged(self) -> int:
        """Samples that have a verdict or wait for a person."""
        return len(self.approved.keys() | self.rejected.keys() | self.queued)

    @property
    def waiting(self) -> set[UUID]:
        """Samples a person has not decided on."""
        return self.queued - self.approved.keys() - self.rejected.keys()

    def reasons(self) -> Counter[str]:
        """Rejected samples by reason."""
        return Counter(self.rejected.values())

    def rules(self) -> Counter[str]:
        """Approved samples by who approved them."""
        return Counter(self.approved.values())

    def dataset_version(self, version_id: UUID) -> DatasetBuilt:
        """A version this chain has heard of."""
        return next(each for each in self.versions if each.dataset_version_id == version_id)

    def trained_on(self, version_id: UUID) -> ModelTrained | None:
        """What was trained on a dataset version."""
        return next((each for each in self.trained.values() if each.dataset_version_id == version_id), None)

    def evaluated_on(self, version_id: UUID) -> ModelEvaluated | None:
        """How that was judged."""
        return next((each for each in self.evaluated.values() if each.dataset_version_id == version_id), None)

    def registered_from(self, version_id: UUID) -> ModelRegistered | None:
        """The model version it became."""
        return next((each for each in self.registered if each.dataset_version_id == version_id), None)


def _captured(chain: Chain, event: SnapshotCaptured) -> Told | None:
    chain.captured[event.snapshot_id] = event.image.sha256
    return None


def _clip_captured(chain: Chain, event: ClipCaptured) -> Told | None:
    chain.captured[event.clip_id] = event.video.sha256
    return None


def _wash_judged(chain: Chain, event: WashJudged) -> Told | None:
    chain.washes[event.clip_id] = event
    return None


def _approved(chain: Chain, event: SampleApproved) -> Told | None:
    chain.rejected.pop(event.sample_id, None)
    chain.approved[event.sample_id] = event.approved_by
    chain.fresh.add(event.sample_id)
    return None


def _rejected(chain: Chain, event: SampleRejected) -> Told | None:
    chain.approved.pop(event.sample_id, None)
    chain.rejected[event.sample_id] = event.reason
    return None


def _queued(chain: Chain, event: SampleQueuedForReview) -> Told | None:
    chain.queued.add(event.sample_id)
    return None


def _built(chain: Chain, event: DatasetBuilt) -> Told | None:
    if event.reused:
        return "dataset", f"{event.workflow}@{event.version} again: nothing had changed"
    chain.versions.append(event)
    chain.fresh.clear()
    splits, boxes = pairs(event.counts), pairs(event.boxes_per_class)
    what = "segments" if event.task == "temporal" else "boxes"
    left_out = f"; left out: {pairs(event.left_out)}" if event.left_out else ""
    return "dataset", f"version {event.workflow}@{event.version} is built: {splits}; {what}: {boxes}{left_out}"


def _build_failed(chain: Chain, event: DatasetBuildFailed) -> Told | None:
    chain.failure = ("dataset", event.reason)
    return None


def _run_queued(chain: Chain, event: TrainingQueued) -> Told | None:
    chain.runs.add(event.training_run_id)
    return "training", f"run {event.training_run_id} is queued ({event.reason}); it waits for {event.waits_for}"


def _run_started(chain: Chain, event: TrainingStarted) -> Told | None:
    return "training", f"attempt {event.attempt} runs on {event.device} ({event.device_name}): {event.backend}"


def _run_progressed(chain: Chain, event: TrainingProgressed) -> Told | None:
    """A line for each tenth of the way."""
    tenth = (event.training_run_id, 10 * event.epoch // event.epochs)
    if tenth in chain.tenths:
        return None
    chain.tenths.add(tenth)
    said = {name: event.metrics[key] for key, name in _LEARNED.items() if key in event.metrics}
    if event.eta_seconds is not None:
        said["seconds left"] = round(event.eta_seconds)
    return "training", f"epoch {event.epoch:3d}/{event.epochs}  {pairs(said)}"


def _run_failed(chain: Chain, event: TrainingFailed) -> Told | None:
    """Runs that were queued before do not concern us."""
    if event.training_run_id not in chain.runs:
        return None
    chain.failure = ("training", f"{event.reason}. {event.hint or ''}".strip())
    return None


def _model_trained(chain: Chain, event: ModelTrained) -> Told | None:
    chain.trained[event.training_run_id] = event
    return (
        "training",
        f"trained in {event.duration_seconds:.0f} s; artifacts: {', '.join(a.name for a in event.artifacts)}",
    )


def _model_evaluated(chain: Chain, event: ModelEvaluated) -> Told | None:
    chain.evaluated[event.training_run_id] = event
    chosen = chosen_metrics(event.metrics)
    gate = "passed" if event.gate.passed else f"failed: {'; '.join(event.gate.reasons)}"
    against = f"; against {event.baseline.model}" if event.baseline else ""
    return "evaluation", f"{event.split} split: {pairs(chosen)}{against}; gate {gate}"


def _evaluation_failed(chain: Chain, event: EvaluationFailed) -> Told | None:
    if event.training_run_id not in chain.runs:
        return None
    chain.failure = ("evaluation", event.reason)
    return None


def _model_registered(chain: Chain, event: ModelRegistered) -> Told | None:
    chain.registered.append(event)
    return "registration", f"{event.model}@{event.version} is registered ({event.licence})"


def _model_promoted(chain: Chain, event: ModelPromoted) -> Told | None:
    chain.promoted[event.version] = event
    before = f", before: version {event.previous_version}" if event.previous_version else ""
    return "promotion", f"{event.model}@{event.version} is {event.alias} now, by {event.by}{before}"


def _promotion_rejected(chain: Chain, event: PromotionRejected) -> Told | None:
    return "promotion", f"{event.model}@{event.version} was not promoted: {'; '.join(event.reasons)}"


_Listener = Callable[[Chain, Any], Told | None]
_PER_EVENT: Mapping[type[Event], _Listener] = {
    SnapshotCaptured: _captured,
    ClipCaptured: _clip_captured,
    WashJudged: _wash_judged,
    SampleApproved: _approved,
    SampleRejected: _rejected,
    SampleQueuedForReview: _queued,
    DatasetBuilt: _built,
    DatasetBuildFailed: _build_failed,
    TrainingQueued: _run_queued,
    TrainingStarted: _run_started,
    TrainingProgressed: _run_progressed,
    TrainingFailed: _run_failed,
    ModelTrained: _model_trained,
    ModelEvaluated: _model_evaluated,
    EvaluationFailed: _evaluation_failed,
    ModelRegistered: _model_registered,
    ModelPromoted: _model_promoted,
    PromotionRejected: _promotion_rejected,
}
_LISTENERS: Mapping[str, _Listener] = {event.topic: listener for event, listener in _PER_EVENT.items()}
