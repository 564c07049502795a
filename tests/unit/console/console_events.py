"""A whole round of the loop as events: from snapshots to a promoted model, with ids of its own each time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from libs.common.events import (
    Annotation,
    Artifact,
    DatasetBuilt,
    Event,
    Gate,
    LogLine,
    Media,
    ModelEvaluated,
    ModelPromoted,
    ModelRegistered,
    ModelTrained,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    SnapshotCaptured,
    TrainingProgressed,
    TrainingQueued,
    TrainingStarted,
)
from libs.common.testing import NOON
from services.console.domain.facts import Fact

BOX = Annotation(label="hairnet", box=(1, 2, 30, 40))
IMAGE = Media(uri="s3://camloop/snapshots/a.jpg", sha256="a" * 64, content_type="image/jpeg", bytes=9)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def fact(event: Event, seconds: float = 0, event_id: UUID | None = None) -> Fact:
    return Fact(event, at(seconds), event_id or uuid4())


@dataclass
class Round:
    """Two samples approved, one rejected, one queued; a dataset version, a run, a model version. `events` in order."""

    workflow: str = "hairnet"
    version: int = 1
    cameras: tuple[str, ...] = ("line-1", "line-2", "line-1", "line-2")
    manifest: Media = field(
        default_factory=lambda: Media(uri="s3://camloop/none", sha256="0" * 64, content_type="a/b", bytes=1)
    )
    samples: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(4)])
    run_id: UUID = field(default_factory=uuid4)
    dataset_version_id: UUID = field(default_factory=uuid4)
    evaluation_id: UUID = field(default_factory=uuid4)

    def snapshot(self, index: int) -> SnapshotCaptured:
        return SnapshotCaptured(
            snapshot_id=f"snap-{self.samples[index]}", camera_id=self.cameras[index], captured_at=at(index),
            workflow=self.workflow, image=IMAGE,
        )  # fmt: skip

    def approved(self, index: int, **changes: Any) -> SampleApproved:
        values = {
            "sample_id": self.samples[index], "workflow": self.workflow, "media": IMAGE, "camera_id": self.cameras[index],
            "captured_at": at(index), "annotations": (BOX,), "annotation_revision": 1, "approved_by": "rule:annotated",
            "leakage_group": "g", "snapshot_id": f"snap-{self.samples[index]}",
        }  # fmt: skip
        return SampleApproved(**(values | changes))

    def rejected(self, index: int, **changes: Any) -> SampleRejected:
        values = {
            "sample_id": self.samples[index], "workflow": self.workflow, "reason": "blurred",
            "measures": {"sharpness": 3.5}, "camera_id": self.cameras[index],
            "snapshot_id": f"snap-{self.samples[index]}",
        }  # fmt: skip
        return SampleRejected(**(values | changes))

    def queued(self, index: int, **changes: Any) -> SampleQueuedForReview:
        values = {
            "sample_id": self.samples[index], "workflow": self.workflow, "media": IMAGE, "priority": 0.5,
            "why": "no annotation came along", "camera_id": self.cameras[index], "captured_at": at(index),
            "snapshot_id": f"snap-{self.samples[index]}",
        }  # fmt: skip
        return SampleQueuedForReview(**(values | changes))

    def built(self, **changes: Any) -> DatasetBuilt:
        values = {
            "dataset_version_id": self.dataset_version_id, "workflow": self.workflow, "version": self.version,
            "task": "detection", "classes": ("hairnet",), "manifest": self.manifest,
            "counts": {"train": 1, "val": 1, "test": 0}, "boxes_per_class": {"hairnet": 2}, "added": 2,
        }  # fmt: skip
        return DatasetBuilt(**(values | changes))

    def train_queued(self, **changes: Any) -> TrainingQueued:
        values = {
            "training_run_id": self.run_id, "workflow": self.workflow, "dataset_version_id": self.dataset_version_id,
            "backend": "ultralytics", "waits_for": "a free trainer", "requested_by": "rule:automatic",
            "reason": f"dataset version {self.version} was built",
        }  # fmt: skip
        return TrainingQueued(**(values | changes))

    def started(self, attempt: int = 1) -> TrainingStarted:
        return TrainingStarted(
            training_run_id=self.run_id, workflow=self.workflow, dataset_version_id=self.dataset_version_id,
            backend="ultralytics", attempt=attempt, device="cpu", device_name="a CPU", owner="host-1",
            hyperparameters={"epochs": 2},
        )  # fmt: skip

    def progressed(self, epoch: int, attempt: int = 1) -> TrainingProgressed:
        line = LogLine(seq=epoch, at=at(50 + epoch), level="info", text=f"epoch {epoch}", attempt=attempt)
        return TrainingProgressed(
            training_run_id=self.run_id, workflow=self.workflow, attempt=attempt, epoch=epoch, epochs=2,
            metrics={"map50": epoch / 10}, eta_seconds=1.0, device="cpu", log_lines=(line,),
        )  # fmt: skip

    def trained(self) -> ModelTrained:
        return ModelTrained(
            training_run_id=self.run_id, workflow=self.workflow, dataset_version_id=self.dataset_version_id,
            backend="ultralytics", licence="AGPL-3.0", hyperparameters={"epochs": 2}, seed=0, artifacts=(self.artifact,),
            metrics={"map50": 0.9}, duration_seconds=61.0, device="cpu", environment={}, dataset=self.built(),
        )  # fmt: skip

    @property
    def artifact(self) -> Artifact:
        return Artifact(name="best.onnx", uri="s3://camloop/best.onnx", sha256="b" * 64, bytes=3)

    def evaluated(self, gate: Gate | None = None) -> ModelEvaluated:
        return ModelEvaluated(
            evaluation_id=self.evaluation_id, training_run_id=self.run_id, workflow=self.workflow,
            dataset_version_id=self.dataset_version_id, split="test", report=IMAGE, metrics={"map50": 0.88},
            per_class={}, per_camera={}, gate=gate or Gate(passed=True), trained=self.trained(),
            operating_confidence={"hairnet": 0.4},
        )  # fmt: skip

    def registered(self, **changes: Any) -> ModelRegistered:
        values = {
            "model": self.workflow, "version": self.version, "workflow": self.workflow, "training_run_id": self.run_id,
            "evaluation_id": self.evaluation_id, "dataset_version_id": self.dataset_version_id,
            "artifacts": (self.artifact,), "metrics": {"map50": 0.88}, "licence": "AGPL-3.0", "lineage": {},
            "gate": Gate(passed=True),
        }  # fmt: skip
        return ModelRegistered(**(values | changes))

    def promoted(self, **changes: Any) -> ModelPromoted:
        values = {
            "model": self.workflow, "version": self.version, "alias": "champion", "by": "rule:gate",
            "reason": "the gate passed", "workflow": self.workflow,
        }  # fmt: skip
        return ModelPromoted(**(values | changes))

    def events(self) -> list[Event]:
        return [
            *[self.snapshot(index) for index in range(4)],
            self.approved(0), self.queued(1), self.approved(1, annotation_revision=2, approved_by="user:li"),
            self.rejected(2), self.queued(3), self.built(), self.train_queued(), self.started(), self.progressed(1),
            self.progressed(2), self.trained(), self.evaluated(), self.registered(), self.promoted(),
        ]  # fmt: skip
