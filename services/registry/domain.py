"""Which version may carry which alias, and what a version is made of. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import JsonValue

from libs.common.events import Artifact, Gate, Metrics, ModelEvaluated, ModelTrained, as_values

CHAMPION = "champion"
PREVIOUS = "previous"
MOVABLE = (CHAMPION, "challenger")
RULE = "rule:gate"
METADATA = "metadata.json"
DETECTOR = "best.onnx"


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version."""

    model: str
    version: int
    workflow: str
    training_run_id: UUID
    evaluation_id: UUID
    dataset_version_id: UUID
    dataset_version: int
    abi: str
    artifacts: tuple[Artifact, ...]
    metrics: Metrics
    per_class: dict[str, Metrics]
    per_camera: dict[str, Metrics]
    gate: Gate
    licence: str
    lineage: dict[str, JsonValue]
    operating_confidence: dict[str, float]
    evaluated_at: datetime
    registered_at: datetime | None = None

    def artifact(self, name: str) -> Artifact | None:
        """The file of that name."""
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)


@dataclass(frozen=True)
class AliasRequest:
    """Somebody wants an alias to point elsewhere. `version` None: at the version before (roll back only)."""

    request_id: UUID
    model: str
    alias: str
    version: int | None
    deed: Literal["promote", "roll back"]
    by: str
    reason: str
    asked_at: datetime
    force: bool = False


@dataclass(frozen=True)
class AliasState:
    """Where an alias points, what it pointed at, and when its last move was asked for."""

    version: int | None = None
    before: int | None = None
    held: frozenset[int] = frozenset()
    asked_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a request: reasons against it, or the move (`before` == `after`: it pointed there already)."""

    alias: str
    before: int | None
    after: int | None
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.reasons

    @property
    def moved(self) -> bool:
        return self.accepted and self.before != self.after


def target_of(request: AliasRequest, state: AliasState) -> int | None:
    """The version a request is about; None when there is none to go back to."""
    return state.before if request.version is None else request.version


def decide(request: AliasRequest, state: AliasState, gates: Mapping[int, Gate]) -> Outcome:
    """Judge a request. `gates` holds every registered version of the model.

    A retried event may come late: one asked for before the last move must not undo it.
    """
    after = target_of(request, state)
    reasons = (
        _wrong_alias(request)
        or _too_late(request, state)
        or _no_target(request, after, state, gates)
        or _against_target(request, after, state, gates)
    )
    return Outcome(request.alias, state.version, after, reasons)


def _wrong_alias(request: AliasRequest) -> tuple[str, ...]:
    if request.alias in MOVABLE:
        return ()
    hint = " (it follows the champion)" if request.alias == PREVIOUS else ""
    return (f"alias {request.alias!r} cannot be moved by request{hint}: use {' or '.join(MOVABLE)}",)


def _too_late(request: AliasRequest, state: AliasState) -> tuple[str, ...]:
    if state.asked_at is None or request.asked_at >= state.asked_at:
        return ()
    return (
        f"superseded: {request.alias} of {request.model} was moved by a request of {state.asked_at.isoformat()}, "
        f"after this one of {request.asked_at.isoformat()}; ask again if it should still happen",
    )


def _no_target(
    request: AliasRequest, after: int | None, state: AliasState, gates: Mapping[int, Gate]
) -> tuple[str, ...]:
    if request.deed == "roll back" and state.version is None:
        return (f"{request.model} has no {request.alias} to roll back: promote a version first",)
    if after is None:
        return (f"{request.model} had no {request.alias} before version {state.version}: name a version to go to",)
    if after not in gates:
        known = ", ".join(map(str, sorted(gates))) or "none"
        return (f"{request.model} has no registered version {after} (registered: {known})",)
    return ()


def _against_target(
    request: AliasRequest, after: int | None, state: AliasState, gates: Mapping[int, Gate]
) -> tuple[str, ...]:
    if after is None or request.force:
        return ()
    if request.deed == "promote":
        gate = gates[after]
        return () if gate.passed else (gate.reasons or (f"the gate of version {after} did not pass",))
    if after not in state.held:
        return (f"version {after} was never {request.alias} of {request.model}: promote it instead",)
    if after == state.version:
        return (f"{request.alias} of {request.model} is version {after} already",)
    return ()


def promotes_by_itself(promotion: str, gate: Gate, version: int, champion: AliasState) -> bool:
    """The rule: the gate passed, nothing newer is champion, and nobody has taken this version back before."""
    newer = champion.version is None or version > champion.version
    return promotion == "automatic" and gate.passed and newer and version not in champion.held


def shipped_files(event: ModelEvaluated) -> dict[str, Artifact]:
    """What the training run made, by name."""
    return {artifact.name: artifact for artifact in event.trained.artifacts}


def report_files(event: ModelEvaluated) -> dict[str, Artifact]:
    """What the evaluation made, by name; the report itself keeps the name of its key."""
    report = event.report
    own = Artifact(name=report.uri.rsplit("/", 1)[-1], uri=report.uri, sha256=report.sha256, bytes=report.bytes)
    return {own.name: own, **{artifact.name: artifact for artifact in event.report_files}}


def missing_files(files: Mapping[str, Artifact]) -> list[str]:
    """What a camera cannot do without and the run did not ship."""
    return [name for name in (DETECTOR, METADATA) if name not in files]


def completed_metadata(
    metadata: Mapping[str, Any], *, model: str, version: int, operating_confidence: Mapping[str, float]
) -> dict[str, Any]:
    """`metadata.json` with what only the registry knows, and the thresholds the evaluator found."""
    return {**metadata, "model": model, "version": version, "operating_confidence": dict(operating_confidence)}


def lineage_of(trained: ModelTrained, evaluation_id: UUID) -> dict[str, JsonValue]:
    """Where a version comes from: enough to make it again, as far as the machine allows."""
    values: dict[str, JsonValue] = as_values(trained)
    kept = ("training_run_id", "dataset_version_id", "backend", "licence", "seed", "hyperparameters", "base_weights",
            "environment", "device", "duration_seconds")  # fmt: skip
    return {
        **{name: values.get(name) for name in kept},
        "evaluation_id": str(evaluation_id),
        "dataset_version": trained.dataset.version,
        "manifest": trained.dataset.manifest.uri,
        "manifest_sha256": trained.dataset.manifest.sha256,
        "trainer_metrics": values["metrics"],
    }


@dataclass(frozen=True)
class CameraReport:
    """How a version did on one camera, over all windows it reported."""

    camera_id: str
    windows: int
    images: int
    seconds: float
    last_at: datetime
    detections_per_class: dict[str, int]
    latency_ms: dict[str, float]


def held_by(moves: Sequence[tuple[int | None, int]]) -> frozenset[int]:
    """Every version an alias has pointed at, from its moves (before, after)."""
    return frozenset(version for move in moves for version in move if version is not None)
