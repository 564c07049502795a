"""Factories for events the registry hears, complete down to the files they name."""

from dataclasses import dataclass, field
from json import dumps
from uuid import UUID, uuid4

from libs.common.events import Artifact, DatasetBuilt, Gate, Media, ModelEvaluated, ModelTrained
from libs.common.objects import Objects

PASSED = Gate(passed=True)
FAILED = Gate(passed=False, reasons=("map50 0.41 is below the minimum 0.50",))


async def stored(objects: Objects, key: str, data: bytes) -> Artifact:
    media = await objects.put(key, data, "application/octet-stream")
    return Artifact(name=key.rsplit("/", 1)[-1], uri=media.uri, sha256=media.sha256, bytes=media.bytes)


def dataset(workflow: str, version_id: UUID) -> DatasetBuilt:
    manifest = Media(uri="s3://camloop/datasets/m", sha256="0" * 64, content_type="application/zstd", bytes=1)
    return DatasetBuilt(
        dataset_version_id=version_id, workflow=workflow, version=3, task="detection", classes=("hairnet", "bare"),
        manifest=manifest, counts={"train": 5, "val": 1, "test": 2}, boxes_per_class={"hairnet": 9},
    )  # fmt: skip


@dataclass
class Run:
    """A training run with its files in the store; `evaluated` gives one evaluation of it."""

    objects: Objects
    workflow: str = "hairnet"
    run_id: UUID = field(default_factory=uuid4)
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            "best.pt": b"weights",
            "best.onnx": b"graph",
            "metadata.json": dumps({"abi": "detector/1", "classes": [], "model": None}).encode(),
        }
    )

    async def evaluated(
        self, *, gate: Gate = PASSED, map50: float = 0.9, confidence: float = 0.4, evaluation_id: UUID | None = None
    ) -> ModelEvaluated:
        evaluation = evaluation_id or uuid4()
        shipped = [
            await stored(self.objects, f"runs/{self.run_id}/1-t/{name}", data) for name, data in self.files.items()
        ]
        report = await self.objects.put(f"reports/{evaluation}/report.json", dumps({"map50": map50}).encode(), "x/y")
        page = await stored(self.objects, f"reports/{evaluation}/report.html", f"<p>{map50}</p>".encode())
        version_id = uuid4()
        trained = ModelTrained(
            training_run_id=self.run_id, workflow=self.workflow, dataset_version_id=version_id, backend="ultralytics",
            licence="AGPL-3.0", hyperparameters={"epochs": 60}, seed=7, artifacts=tuple(shipped),
            metrics={"map50": 0.95}, duration_seconds=150.0, device="cpu", environment={"torch": "2.9"},
            dataset=dataset(self.workflow, version_id), base_weights={"name": "yolo11n", "sha256": "a", "licence": "l"},
        )  # fmt: skip
        return ModelEvaluated(
            evaluation_id=evaluation, training_run_id=self.run_id, workflow=self.workflow,
            dataset_version_id=version_id, split="test", report=report, metrics={"map50": map50}, per_class={},
            per_camera={}, gate=gate, trained=trained, operating_confidence={"hairnet": confidence},
            report_files=(page,),
        )  # fmt: skip


def workflow_definition(name: str, promotion: str = "manual") -> dict[str, object]:
    title = {"en": name, "zh": name}
    classes = [{"id": 0, "name": "hairnet", "title": title}, {"id": 1, "name": "bare", "title": title}]
    return {"name": name, "title": title, "task": "detection", "classes": classes, "promotion": promotion}
