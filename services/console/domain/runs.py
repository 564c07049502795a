"""How a training run went."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import (
    EvaluationFailed,
    EvaluationRequested,
    Event,
    ModelEvaluated,
    ModelTrained,
    TrainingCancelRequested,
    TrainingFailed,
    TrainingProgressed,
    TrainingQueued,
    TrainingRequested,
    TrainingStarted,
    as_values,
)
from services.console.domain.facts import Fact, in_order

ENDED = ("trained", "failed", "cancelled")


@dataclass(frozen=True)
class TrainingRun:
    """A training run: its state and why, what it waits for, how far it is, and what its evaluation said."""

    training_run_id: UUID
    workflow: str
    requested_at: datetime
    changed_at: datetime
    state: str = "requested"
    reason: str | None = None
    waits_for: str | None = None
    requested_by: str | None = None
    requested_because: str | None = None
    cancel_requested: str | None = None
    dataset_version_id: UUID | None = None
    backend: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int | None = None
    attempt: int | None = None
    device: str | None = None
    device_name: str | None = None
    owner: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    eta_seconds: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict[str, float | None])
    hint: str | None = None
    licence: str | None = None
    duration_seconds: float | None = None
    artifacts: tuple[dict[str, Any], ...] = ()
    evaluation: dict[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


def run_of(facts: Iterable[Fact]) -> TrainingRun | None:
    """The run its events describe. Of its progress the newest is enough. A run that has ended stays ended."""
    run: TrainingRun | None = None
    for fact in in_order(facts):
        change = _CHANGES.get(type(fact.event))
        if change is None:
            continue
        event: Any = fact.event
        # Only a cancel request names no workflow; one that arrives first leaves it open for the next event.
        workflow: str = getattr(event, "workflow", "")
        run = run or TrainingRun(event.training_run_id, workflow, fact.at, fact.at)
        run = replace(change(run, event, fact.at), changed_at=fact.at, workflow=run.workflow or workflow)
    return run


def _requested(run: TrainingRun, event: TrainingRequested, at: datetime) -> TrainingRun:
    asked = event.dataset_version_id if isinstance(event.dataset_version_id, UUID) else None
    return replace(
        run,
        requested_at=at,
        requested_by=event.requested_by,
        requested_because=event.reason,
        dataset_version_id=run.dataset_version_id or asked,
        backend=run.backend or event.backend,
        hyperparameters=run.hyperparameters or event.hyperparameters,
        seed=event.seed if run.seed is None else run.seed,
    )


def _queued(run: TrainingRun, event: TrainingQueued, at: datetime) -> TrainingRun:
    run = replace(
        run,
        requested_by=run.requested_by or event.requested_by,
        requested_because=run.requested_because or event.reason,
        dataset_version_id=event.dataset_version_id or run.dataset_version_id,
        backend=event.backend,
    )
    if run.state in ENDED:
        return run
    return replace(run, state="queued", waits_for=event.waits_for, reason=f"waits for {event.waits_for}")


def _cancel_requested(run: TrainingRun, event: TrainingCancelRequested, at: datetime) -> TrainingRun:
    return replace(run, cancel_requested=f"{event.reason} ({event.requested_by})")


def _started(run: TrainingRun, event: TrainingStarted, at: datetime) -> TrainingRun:
    run = replace(
        run,
        dataset_version_id=event.dataset_version_id,
        backend=event.backend,
        attempt=event.attempt,
        device=event.device,
        device_name=event.device_name,
        owner=event.owner,
        hyperparameters=event.hyperparameters or run.hyperparameters,
        started_at=run.started_at or at,
    )
    if run.state in ENDED:
        return run
    resumed = "" if event.resumed_from_epoch is None else f", resumed from epoch {event.resumed_from_epoch}"
    return replace(
        run, state="running", waits_for=None, reason=f"attempt {event.attempt} on {event.device_name}{resumed}"
    )


def _progressed(run: TrainingRun, event: TrainingProgressed, at: datetime) -> TrainingRun:
    run = replace(
        run,
        attempt=event.attempt,
        epoch=event.epoch,
        epochs=event.epochs,
        eta_seconds=event.eta_seconds,
        device=event.device,
        metrics=run.metrics if run.state == "trained" else event.metrics,
    )
    if run.state in ENDED:
        return run
    reason = run.reason if run.state == "running" else f"attempt {event.attempt} on {event.device}"
    return replace(run, state="running", waits_for=None, reason=reason)


def _trained(run: TrainingRun, event: ModelTrained, at: datetime) -> TrainingRun:
    return replace(
        run,
        state="trained",
        reason=f"trained in {event.duration_seconds:.0f} s on {event.device}",
        waits_for=None,
        eta_seconds=None,
        dataset_version_id=event.dataset_version_id,
        backend=event.backend,
        hyperparameters=event.hyperparameters,
        seed=event.seed,
        device=event.device,
        metrics=event.metrics,
        licence=event.licence,
        duration_seconds=event.duration_seconds,
        artifacts=tuple(as_values(artifact) for artifact in event.artifacts),
        finished_at=at,
    )


def _failed(run: TrainingRun, event: TrainingFailed, at: datetime) -> TrainingRun:
    if run.state == "trained":
        return run
    return replace(
        run,
        state="cancelled" if event.reason.startswith("cancelled") else "failed",
        reason=event.reason,
        waits_for=None,
        eta_seconds=None,
        attempt=event.attempt or run.attempt,
        hint=event.hint,
        finished_at=at,
    )


def _evaluation_requested(run: TrainingRun, event: EvaluationRequested, at: datetime) -> TrainingRun:
    evaluation = {"evaluation_id": str(event.evaluation_id), "state": "requested", "requested_by": event.requested_by}
    return replace(run, evaluation=evaluation)


def _evaluated(run: TrainingRun, event: ModelEvaluated, at: datetime) -> TrainingRun:
    evaluation = {
        "evaluation_id": str(event.evaluation_id),
        "state": "evaluated",
        "split": event.split,
        "metrics": event.metrics,
        "gate": as_values(event.gate),
        "report": as_values(event.report),
        "at": at.isoformat(),
    }
    return replace(run, evaluation=evaluation)


def _evaluation_failed(run: TrainingRun, event: EvaluationFailed, at: datetime) -> TrainingRun:
    evaluation = {"evaluation_id": str(event.evaluation_id), "state": "failed", "reason": event.reason}
    return replace(run, evaluation=evaluation)


_CHANGES: dict[type[Event], Callable[[TrainingRun, Any, datetime], TrainingRun]] = {
    TrainingRequested: _requested,
    TrainingQueued: _queued,
    TrainingCancelRequested: _cancel_requested,
    TrainingStarted: _started,
    TrainingProgressed: _progressed,
    ModelTrained: _trained,
    TrainingFailed: _failed,
    EvaluationRequested: _evaluation_requested,
    ModelEvaluated: _evaluated,
    EvaluationFailed: _evaluation_failed,
}
RUN_EVENTS = tuple(_CHANGES)
