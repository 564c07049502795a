"""What to train, with which settings, and how to say what a run waits for. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from libs.common.events import DatasetBuilt, LogLine, Metrics
from libs.common.workflows import Workflow

LAST_LOG_LINES = 30
LINE_CHARACTERS = 2000
# Of log lines in one event: Kafka takes a MiB, and a character may need four bytes.
ANNOUNCED_CHARACTERS = 100_000


@dataclass(frozen=True)
class TrainingRun:
    """A run as it was asked for, its settings complete."""

    run_id: UUID
    workflow: str
    dataset_version_id: UUID | None
    backend: str
    hyperparameters: dict[str, JsonValue]
    seed: int
    priority: int
    requested_by: str
    reason: str
    correlation_id: str
    cause_id: UUID


@dataclass(frozen=True)
class Competitor:
    """Another run that holds the worker."""

    run_id: UUID
    workflow: str
    owner: str


def merged_hyperparameters(workflow: Workflow, asked: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The workflow's template with what was asked on top."""
    return {**workflow.training.hyperparameters, **asked}


def trains_by_itself(workflow: Workflow, built: DatasetBuilt) -> bool:
    """A new dataset version starts a run, unless the workflow says no; the same version again does not."""
    return workflow.training.automatic and not built.reused


def waits_for(
    *,
    dataset: bool,
    missing: Iterable[str],
    competitors: Iterable[Competitor],
    hint: str,
    workflow: str,
    failure: str | None = None,
) -> str | None:
    """What holds a queued run back, in words; None when nothing does."""
    if not dataset:
        return f"the first dataset version of {workflow}: none was built yet (uv run camloop build {workflow} says what is missing)"
    # First what every trainer sees alike: one with and one without the back-end would contradict each other for ever.
    ahead = [f"run {c.run_id} of {c.workflow} on {c.owner}" for c in competitors]
    if ahead:
        return f"a free trainer: in training now: {'; '.join(ahead)}"
    absent = list(missing)
    if absent:
        return f"a trainer with the back-end installed ({', '.join(absent)} missing here). {hint}"
    return f"its next try: the one before failed: {failure}" if failure else None


# --- what the child process says ------------------------------------------------------------------------------------


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Started(_Line):
    """The back-end is loaded and the device chosen."""

    type: Literal["started"]
    device: str
    device_name: str
    environment: dict[str, str]


class Logged(_Line):
    """A log line."""

    type: Literal["log"]
    seq: int
    at: AwareDatetime
    level: str
    text: str


class Progressed(_Line):
    """An epoch ended."""

    type: Literal["progress"]
    epoch: int
    epochs: int
    metrics: Metrics
    eta_seconds: float


class CheckpointWritten(_Line):
    """A resumable checkpoint is complete on disk."""

    type: Literal["checkpoint"]
    path: str
    epoch: int


class ChildArtifact(_Line):
    """A final file."""

    name: str
    path: str
    sha256: str
    bytes: int


class Finished(_Line):
    """The run succeeded."""

    type: Literal["finished"]
    artifacts: tuple[ChildArtifact, ...]
    metrics: Metrics
    metadata: dict[str, Any]
    duration_seconds: float


class Failed(_Line):
    """The run did not succeed."""

    type: Literal["failed"]
    reason: str
    hint: str
    permanent: bool


ChildLine = Started | Logged | Progressed | CheckpointWritten | Finished | Failed
CHILD_LINES: TypeAdapter[ChildLine] = TypeAdapter(Annotated[ChildLine, Field(discriminator="type")])


@dataclass
class LogBuffer:
    """Log lines since the last announcement, and the last ones ever, for a failure's report."""

    attempt: int
    fresh: list[LogLine] = field(default_factory=list[LogLine])
    last: deque[LogLine] = field(default_factory=lambda: deque[LogLine](maxlen=LAST_LOG_LINES))

    def add(self, line: Logged) -> None:
        """Keep a line."""
        kept = LogLine(
            seq=line.seq, at=line.at, level=line.level, text=line.text[:LINE_CHARACTERS], attempt=self.attempt
        )
        self.fresh.append(kept)
        self.last.append(kept)

    def take(self, limit: int = 500) -> tuple[LogLine, ...]:
        """Lines not announced yet, oldest first, as many as one event may carry."""
        sizes = accumulate(len(line.text) for line in self.fresh[:limit])
        count = sum(size <= ANNOUNCED_CHARACTERS for size in sizes)
        taken, self.fresh = self.fresh[:count], self.fresh[count:]
        return tuple(taken)


@dataclass
class Throttle:
    """At most one announcement in `seconds`."""

    seconds: float
    last: float = float("-inf")

    def allows(self, now: float) -> bool:
        """True when it is time again; remembers that it was."""
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True
