"""What the trainer hears: new dataset versions, and people who ask for runs or for their end."""

from typing import Annotated
from uuid import UUID

from libs.common import outbox
from libs.common.configuration import Configuration, follow_workflows
from libs.common.envelope import Envelope, stable_id
from libs.common.errors import Permanent, Transient
from libs.common.events import DatasetBuilt, TrainingCancelRequested, TrainingFailed, TrainingQueued, TrainingRequested
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.postgres import Connection
from libs.common.workflows import Workflow
from services.trainer.domain import TrainingRun, merged_hyperparameters, trains_by_itself
from services.trainer.store import TrainerStore

subscriptions = Subscriptions("trainer")
follow_workflows(subscriptions)

Store = Annotated[TrainerStore, Given("store")]


@subscriptions.hears(DatasetBuilt)
async def queue_automatic_run(
    event: DatasetBuilt,
    envelope: Annotated[Envelope, Given()],
    store: Store,
    configuration: Annotated[Configuration, Given()],
) -> None:
    """Train on a new version if the workflow says so, and start the runs that waited for one."""
    workflow = await configuration.workflow(event.workflow)
    attempts = workflow.training.maximum_attempts
    async with store.transaction(envelope) as unit:
        await store.lock(unit, event.workflow)
        await store.add_dataset_version(unit, event)
        waiting = await store.give_version_to_waiting_runs(unit, event, max_attempts=attempts)
        if trains_by_itself(workflow, event) and not waiting:
            run = _automatic_run(workflow, event, envelope)
            await store.add_run(unit, run, max_attempts=attempts)
            await _announce(unit, run, "a trainer to take it", envelope)


@subscriptions.hears(TrainingRequested)
async def queue_requested_run(
    event: TrainingRequested,
    envelope: Annotated[Envelope, Given()],
    store: Store,
    configuration: Annotated[Configuration, Given()],
) -> None:
    """Queue a run somebody asked for; without a dataset version yet it waits for the first."""
    workflow = await configuration.workflow(event.workflow)
    async with store.transaction(envelope) as unit:
        await store.lock(unit, event.workflow)
        version_id = await _version_id(unit, store, event)
        run = _requested_run(workflow, event, version_id, envelope)
        if await store.add_run(unit, run, max_attempts=workflow.training.maximum_attempts):
            await _announce(unit, run, "a trainer to take it" if version_id else "the first dataset version", envelope)


async def _version_id(connection: Connection, store: TrainerStore, event: TrainingRequested) -> UUID | None:
    if not isinstance(event.dataset_version_id, UUID):
        return await store.latest_version_id(connection, event.workflow)
    version = await store.dataset_version(event.dataset_version_id)
    if version is None:
        raise Transient(
            f"Dataset version {event.dataset_version_id} is not known (yet): ask for one of camloop's, or for latest"
        )
    if version.workflow != event.workflow:
        raise Permanent(
            f"Dataset version {event.dataset_version_id} is one of {version.workflow}: a run of {event.workflow} needs its own"
        )
    return event.dataset_version_id


@subscriptions.hears(TrainingCancelRequested)
async def cancel_run(event: TrainingCancelRequested, envelope: Annotated[Envelope, Given()], store: Store) -> None:
    """Stop a queued or running run; its worker learns it at the next heartbeat. One that has ended stays as it is."""
    if await store.run(event.training_run_id) is None:
        raise Transient(f"Training run {event.training_run_id} is not known (yet)")
    reason = f"cancelled: {event.reason} ({event.requested_by})"
    async with store.transaction(envelope) as unit:
        run = await store.cancel_run(unit, event.training_run_id, reason)
        if run is not None:
            failed = TrainingFailed(training_run_id=run.run_id, workflow=run.workflow, reason=reason, attempt=0)
            await outbox.add(unit, failed, cause=envelope, event_id=stable_id(run.run_id, TrainingFailed.topic))


def _automatic_run(workflow: Workflow, built: DatasetBuilt, envelope: Envelope) -> TrainingRun:
    return TrainingRun(
        run_id=stable_id("automatic run", built.dataset_version_id),
        workflow=workflow.name,
        dataset_version_id=built.dataset_version_id,
        backend=workflow.training.backend,
        hyperparameters=merged_hyperparameters(workflow, {}),
        seed=workflow.training.seed,
        priority=0,
        requested_by="rule:automatic",
        reason=f"dataset version {built.version} was built",
        correlation_id=envelope.correlation_id,
        cause_id=envelope.event_id,
    )


def _requested_run(
    workflow: Workflow, event: TrainingRequested, version_id: UUID | None, envelope: Envelope
) -> TrainingRun:
    return TrainingRun(
        run_id=event.training_run_id,
        workflow=workflow.name,
        dataset_version_id=version_id,
        backend=event.backend or workflow.training.backend,
        hyperparameters=merged_hyperparameters(workflow, event.hyperparameters),
        seed=workflow.training.seed if event.seed is None else event.seed,
        priority=event.priority,
        requested_by=event.requested_by,
        reason=event.reason,
        correlation_id=envelope.correlation_id,
        cause_id=envelope.event_id,
    )


async def _announce(connection: Connection, run: TrainingRun, waits_for: str, envelope: Envelope) -> None:
    queued = TrainingQueued(
        training_run_id=run.run_id, workflow=run.workflow, dataset_version_id=run.dataset_version_id, backend=run.backend,
        waits_for=waits_for, requested_by=run.requested_by, reason=run.reason,
    )  # fmt: skip
    await outbox.add(connection, queued, cause=envelope)
