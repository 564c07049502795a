"""What crosses the border between a training run's child process and whoever started it.

Start one by hand, without Kafka, PostgreSQL or S3::

    python -m services.trainer.training --spec run.json     train; JSON lines on stdout, nothing else
    python -m services.trainer.training --backends          which back-ends are installed, what is missing (JSON)
    python -m services.trainer.training --schema ultralytics   its hyperparameters as JSON Schema

**In**: `TrainingSpec`, a JSON file. `dataset` names a folder with `manifest.jsonl` and what it lists: images
(`manifest.py`) or the features of clips (`clip_manifest.py`); `output` a folder, made if need be, outside of which
nothing is written; `resume_from` a file that an earlier child announced as checkpoint, from any folder or machine.

**Out**: one JSON object a line on stdout, each with a `type` (`Line` is their union):

| type | when |
|---|---|
| `started` | once, when the back-end is loaded and the device chosen |
| `log` | at any time; `seq` counts from 1 in each process; the whole log is the artifact `train.log` |
| `progress` | after every epoch, with the trainer's own metrics; `epoch` counts from 1, also after a resume |
| `checkpoint` | after that, when the epoch's checkpoint is completely written. The newest three files are kept |
| `finished` | last line of a run that succeeded: artifacts with digests, the content of `metadata.json` |
| `failed` | last line of one that did not: `reason`, `hint` (what to do), `permanent` (a retry cannot help) |

**Exit code**: 0 finished, 1 failed, 75 given back. SIGTERM and SIGINT cut the current epoch: the last announced
checkpoint holds all epochs before it, so whoever resumes repeats at most one. A reader that goes away (broken pipe)
means the same. SIGKILL at any time costs no more than that either.

**Output folder** at the end: `best.onnx` (signature `detector/1` or `temporal/1`), `best.pt` where the framework has such
weights, `metadata.json`, `results.csv`, `train.log`; `checkpoints/` and `work/` may be deleted.
"""

from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

EXIT_FAILED = 1
EXIT_GIVEN_BACK = 75
"""EX_TEMPFAIL of sysexits.h: not done, and worth trying again."""

Metrics = dict[str, float]
Level = Literal["debug", "info", "warning", "error"]


class Value(BaseModel):
    """A message or a part of one: immutable, and a misspelt key is an error instead of being lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassSpec(Value):
    """One class of the workflow; `id` is the class index that the model predicts."""

    id: int
    name: str
    title: dict[str, str] = {}


class TrainingSpec(Value):
    """Everything a training run depends on. Relative paths are relative to the working directory."""

    training_run_id: str
    workflow: str
    backend: str
    task: Literal["detection", "temporal"] = "detection"
    classes: Annotated[tuple[ClassSpec, ...], Field(min_length=1)]
    dataset_version_id: str
    dataset: Path
    output: Path
    hyperparameters: dict[str, Any] = {}
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d+)$")] = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    resume_from: Path | None = None
    weights_folder: Path | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _class_ids_are_indices(self) -> "TrainingSpec":
        """A model predicts an index, and cameras read it as the class id: the two have to be the same number."""
        if [entry.id for entry in self.classes] != list(range(len(self.classes))):
            raise ValueError("classes need the ids 0, 1, 2 ... in this order, without a gap")
        return self


class Started(Value):
    type: Literal["started"] = "started"
    device: str
    device_name: str
    threads: int
    environment: dict[str, str]


class LogLine(Value):
    type: Literal["log"] = "log"
    seq: int
    at: datetime
    level: Level
    text: str


class Progress(Value):
    type: Literal["progress"] = "progress"
    epoch: int
    epochs: int
    metrics: Metrics
    eta_seconds: float


class CheckpointWritten(Value):
    type: Literal["checkpoint"] = "checkpoint"
    path: Path
    epoch: int


class Artifact(Value):
    name: str
    path: Path
    sha256: str
    bytes: int


class Finished(Value):
    type: Literal["finished"] = "finished"
    artifacts: tuple[Artifact, ...]
    metrics: Metrics
    metadata: dict[str, Any]
    duration_seconds: float


class Failed(Value):
    type: Literal["failed"] = "failed"
    reason: str
    hint: str
    permanent: bool


Line = Annotated[
    Started | LogLine | Progress | CheckpointWritten | Finished | Failed,
    Field(discriminator="type"),
]
LINES: TypeAdapter[Line] = TypeAdapter(Line)


class Result(Value):
    """What a back-end hands back: artifact files, the metrics of the best epoch and the content of `metadata.json`."""

    files: tuple[Path, ...]
    metrics: Metrics
    metadata: dict[str, Any]


class TrainingFailed(Exception):
    """The run cannot go on, and it is known why. `permanent`: the same spec would fail again, anywhere."""

    def __init__(self, reason: str, hint: str, *, permanent: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.hint, self.permanent = reason, hint, permanent


class GivenBack(BaseException):
    """Asked to stop. Not an `Exception`: a framework that catches those must not swallow the request."""


class Backend(Value):
    """What is known of a back-end without importing it."""

    modules: tuple[str, ...]
    extra: str
    licence: str
    tasks: tuple[str, ...]

    def missing(self) -> list[str]:
        """Modules that are not installed; empty when the back-end can be used."""
        return [name for name in self.modules if find_spec(name) is None]

    def hint(self) -> str:
        return f"Install it with: uv sync --extra {self.extra}"


BACKENDS: Mapping[str, Backend] = {
    "ultralytics": Backend(
        modules=("torch", "torchvision", "ultralytics", "onnx", "onnxslim", "onnxruntime"),
        extra="ultralytics",
        licence="AGPL-3.0",
        tasks=("detection",),
    ),
    "temporal": Backend(
        modules=("torch", "onnx", "onnxruntime"), extra="temporal", licence="BSD-3-Clause", tasks=("temporal",)
    ),
    "classic": Backend(
        modules=("sklearn", "skl2onnx", "onnx", "onnxruntime"),
        extra="temporal",
        licence="BSD-3-Clause",
        tasks=("temporal",),
    ),
}
"""Back-ends by name; each is the module of that name beside this file, with `train(spec, reporter) -> Result`."""
