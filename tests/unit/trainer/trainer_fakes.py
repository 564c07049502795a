"""A trainer's store in memory, and the values tests need again and again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from libs.common.envelope import Envelope
from libs.common.errors import Transient
from libs.common.events import DatasetBuilt
from libs.common.testing import media
from libs.common.workflows import Workflow, parse_workflow
from services.trainer.domain import TrainingRun

TITLE = {"en": "Test", "zh": "测试"}


def workflow(**training: Any) -> Workflow:
    """The workflow `apron` with a training template."""
    definition = {
        "name": "apron",
        "title": TITLE,
        "task": "detection",
        "classes": [{"id": 0, "name": "apron", "title": TITLE}],
        "training": {"hyperparameters": {"epochs": 60, "batch": 16}, "maximum_attempts": 3, "seed": 7, **training},
    }
    return parse_workflow(definition, origin="test")


def built(**changes: Any) -> DatasetBuilt:
    """Version 1 of the workflow `apron`."""
    values: dict[str, Any] = {
        "dataset_version_id": uuid4(), "workflow": "apron", "version": 1, "task": "detection", "classes": ("apron",),
        "manifest": media(), "counts": {"train": 8, "val": 2, "test": 2}, "boxes_per_class": {"apron": 12},
    }  # fmt: skip
    return DatasetBuilt(**(values | changes))


@dataclass
class FakeUnit:
    """A transaction that keeps what is announced in it."""

    announced: list[tuple[str, dict[str, Any], UUID]] = field(default_factory=list)

    async def execute(self, statement: str, event_id: UUID, topic: str, *arguments: Any) -> str:
        self.announced.append((topic, arguments[1], event_id))
        return "INSERT 0 1"


@dataclass
class FakeStore:
    """What handlers ask of the store."""

    versions: dict[UUID, DatasetBuilt] = field(default_factory=dict)
    runs: dict[UUID, TrainingRun] = field(default_factory=dict)
    waiting: list[TrainingRun] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    ended: bool = False
    unit: FakeUnit = field(default_factory=FakeUnit)

    @asynccontextmanager
    async def transaction(self, envelope: Envelope) -> AsyncIterator[FakeUnit]:
        yield self.unit

    async def lock(self, unit: FakeUnit, name: str) -> None:
        return None

    async def add_dataset_version(self, unit: FakeUnit, event: DatasetBuilt) -> None:
        self.versions[event.dataset_version_id] = event

    async def give_version_to_waiting_runs(
        self, unit: FakeUnit, event: DatasetBuilt, *, max_attempts: int
    ) -> list[TrainingRun]:
        return self.waiting

    async def add_run(self, unit: FakeUnit, run: TrainingRun, *, max_attempts: int) -> bool:
        if run.run_id in self.runs:
            return False
        self.runs[run.run_id] = run
        self.attempts.append(max_attempts)
        return True

    async def latest_version_id(self, unit: FakeUnit, name: str) -> UUID | None:
        return next((v.dataset_version_id for v in self.versions.values() if v.workflow == name), None)

    async def dataset_version(self, version_id: UUID) -> DatasetBuilt | None:
        return self.versions.get(version_id)

    async def run(self, run_id: UUID) -> TrainingRun | None:
        return self.runs.get(run_id)

    async def cancel_run(self, unit: FakeUnit, run_id: UUID, reason: str) -> TrainingRun | None:
        self.cancelled.append(reason)
        return None if self.ended else self.runs[run_id]


@dataclass
class FakeConfiguration:
    """Knows one workflow."""

    known: Workflow = field(default_factory=workflow)

    async def workflow(self, name: str) -> Workflow:
        if name != self.known.name:
            raise Transient(f"Workflow {name!r} is not known (yet)")
        return self.known
