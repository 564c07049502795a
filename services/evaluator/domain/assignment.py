"""What every evaluation is given and answers, whatever is judged: files on this machine, origin, rules, champion."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, TypeVar
from uuid import UUID

from libs.common.errors import Permanent
from services.evaluator.domain.gate import Obstacle, Rules
from services.evaluator.domain.words import Words

EvaluatedSplit = Literal["test", "val"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A model as it ships: its file and its class names in the order of their index."""

    name: str
    path: Path
    sha256: str
    classes: tuple[str, ...]


C = TypeVar("C", bound=Contender)


@dataclass(frozen=True, slots=True)
class Champion(Generic[C]):
    """The model version that runs now: its files, or what keeps it from being measured."""

    name: str
    version: int
    model: C | Obstacle

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the model came from, for the report."""

    evaluation_id: UUID
    training_run_id: UUID
    dataset_version_id: UUID
    dataset_version: int
    split_counts: Mapping[str, int]
    backend: str
    licence: str
    base_weights: str | None
    device: str
    training_seconds: float
    seed: int
    hyperparameters: Mapping[str, object]
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assignment(Generic[C]):
    """One evaluation; what is shown to the model is said by the kinds of it. `classes` are those of the dataset version.

    The child writes report.json and report.html into `folder`.
    """

    workflow: str
    title: Words
    class_titles: Mapping[str, Words]
    classes: tuple[str, ...]
    rules: Rules
    model: C
    champion: Champion[C] | None
    lineage: Lineage
    folder: Path
    threads: int
    language: Literal["en", "zh"]
    gallery: int
    evaluated_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the child answers: the numbers of the event. The rest is in the report files."""

    split: EvaluatedSplit
    passed: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | None]]
    per_camera: dict[str, dict[str, float | None]]
    operating_confidence: dict[str, float]
    champion_metrics: dict[str, float | None] | None
    comparison: dict[str, float | None] | None
    seconds: dict[str, float]


def evaluated_split(samples: Mapping[EvaluatedSplit, Sized], *, dataset: str, kind: str) -> EvaluatedSplit:
    """The test split, or val where test is empty. Raises `Permanent` where both are; `kind` is "picture" or "clip"."""
    for split in ("test", "val"):
        if len(samples[split]) > 0:
            return split
    raise Permanent(
        f"Dataset version {dataset} has no {kind} in its splits test and val, so there is nothing to judge the model by:"
        " approve samples of more cameras or other hours, or raise the test share of the workflow, and build again"
    )


def check_classes(model: Contender, dataset_classes: tuple[str, ...]) -> None:
    """Raises `Permanent` unless the model knows every class of the dataset version."""
    missing = [label for label in dataset_classes if label not in model.classes]
    if missing:
        raise Permanent(
            f"The model knows the classes {list(model.classes)}, but the dataset version also has {missing}:"
            " train again on this dataset version"
        )


def class_obstacle(champion: str, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Obstacle | None:
    """Why models of different classes are not compared; None where the classes are the same."""
    if set(theirs) == set(ours):
        return None
    words = Words(
        en=f"not compared with champion {champion}: it knows the classes {', '.join(theirs)}, this model {', '.join(ours)}",
        zh=f"未与现役模型 {champion} 比较：它的类别为 {'、'.join(theirs)}，本模型为 {'、'.join(ours)}",
    )
    return Obstacle(words)


def unreadable(champion: str, error: Exception) -> Obstacle:
    """A champion whose own files are at fault: no reason to judge nothing, but rules about drops can't be met."""
    words = Words(en=f"champion {champion} could not be measured: {error}", zh=f"现役模型 {champion} 无法测量：{error}")
    return Obstacle(words, blocks=True)


def same_model(champion: str) -> Obstacle:
    """A model is not compared with itself."""
    return Obstacle(
        Words(en=f"not compared: this model is the champion {champion}", zh=f"未作比较：该模型就是现役模型 {champion}")
    )
