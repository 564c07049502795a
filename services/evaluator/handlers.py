"""What the evaluator hears: trained models, people who want one judged again, and which version runs now."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from libs.common.clip_orders import ClipOrder
from libs.common.configuration import follow_workflows
from libs.common.envelope import Envelope, stable_id
from libs.common.events import ClipCaptured, EvaluationRequested, ModelPromoted, ModelRolledBack, ModelTrained
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from services.evaluator.store import Evaluation, EvaluatorStore, RunningVersion

CHAMPION = "champion"

subscriptions = Subscriptions("evaluator")
follow_workflows(subscriptions)

Store = Annotated[EvaluatorStore, Given()]
Wake = Annotated[asyncio.Event, Given()]
Heard = Annotated[Envelope, Given()]


@subscriptions.hears(ModelTrained)
async def queue_automatic_evaluation(event: ModelTrained, envelope: Heard, store: Store, wake: Wake) -> None:
    """Every trained model is judged once, however often it is announced."""
    evaluation = Evaluation(
        evaluation_id=stable_id("evaluation", event.training_run_id),
        training_run_id=event.training_run_id,
        workflow=event.workflow,
        requested_by="rule:automatic",
        reason="a model was trained",
        correlation_id=envelope.correlation_id,
        cause_id=envelope.event_id,
    )
    async with store.transaction(envelope) as unit:
        await store.add_training_run(unit, event)
        await store.add_evaluation(unit, evaluation)
    wake.set()


@subscriptions.hears(EvaluationRequested)
async def queue_requested_evaluation(event: EvaluationRequested, envelope: Heard, store: Store, wake: Wake) -> None:
    """Judge a known run again, against the champion of today. An unknown run is the job's failure, said in its row."""
    evaluation = Evaluation(
        evaluation_id=event.evaluation_id,
        training_run_id=event.training_run_id,
        workflow=event.workflow,
        requested_by=event.requested_by,
        reason=event.reason,
        correlation_id=envelope.correlation_id,
        cause_id=envelope.event_id,
    )
    async with store.transaction(envelope) as unit:
        await store.add_evaluation(unit, evaluation)
    wake.set()


@subscriptions.hears(ClipCaptured)
async def queue_wash(
    event: ClipCaptured, envelope: Heard, store: Store, wash_wake: Annotated[asyncio.Event, Given()]
) -> None:
    """A camera's clip is judged by the champion of its workflow; without one there is nobody to judge it."""
    order = ClipOrder(event, envelope.event_id, envelope.correlation_id, envelope.traceparent)
    async with store.transaction(envelope) as unit:
        await store.order_wash(unit, order, stable_id("wash", event.workflow, event.clip_id))
    wash_wake.set()


@subscriptions.hears(ModelPromoted)
async def remember_promotion(event: ModelPromoted, envelope: Heard, store: Store) -> None:
    """The version promoted to champion is what the next models are compared with."""
    await _remember(
        event.alias,
        event.workflow,
        RunningVersion(event.model, event.version, event.artifacts, event.metrics),
        envelope,
        store,
    )


@subscriptions.hears(ModelRolledBack)
async def remember_rollback(event: ModelRolledBack, envelope: Heard, store: Store) -> None:
    """After a rollback, the version before is the champion again."""
    running = RunningVersion(event.model, event.to_version, event.artifacts, event.metrics)
    await _remember(event.alias, event.workflow, running, envelope, store)


async def _remember(
    alias: str, workflow: str, running: RunningVersion, envelope: Envelope, store: EvaluatorStore
) -> None:
    async with store.transaction(envelope) as unit:
        if alias == CHAMPION:
            await store.save_champion(unit, workflow, running, envelope.time or datetime.now(UTC))
