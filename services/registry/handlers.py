"""What the registry hears: judged models, requests to move aliases, and what cameras report."""

from datetime import UTC, datetime
from typing import Annotated

from libs.common import inbox, outbox
from libs.common.configuration import Configuration, follow_tokens, follow_workflows
from libs.common.envelope import Envelope, stable_id
from libs.common.errors import AlreadyHandled
from libs.common.events import (
    ModelEvaluated,
    ModelRegistered,
    PredictionReported,
    PromotionRequested,
    RollbackRequested,
)
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.postgres import Connection, Pool
from services.registry.domain import CHAMPION, RULE, AliasRequest, ModelVersion, lineage_of, promotes_by_itself
from services.registry.store.aliases import AliasStore
from services.registry.store.predictions import PredictionStore
from services.registry.store.shelf import Shelf, Shelved
from services.registry.store.versions import Reservation, VersionStore

NAME = "registry"
subscriptions = Subscriptions(NAME)
follow_workflows(subscriptions)
follow_tokens(subscriptions)

EnvelopeOf = Annotated[Envelope, Given("envelope")]
PoolOf = Annotated[Pool, Given("pool")]
Aliases = Annotated[AliasStore, Given("aliases")]


@subscriptions.hears(ModelEvaluated)
async def register_model(
    event: ModelEvaluated,
    envelope: EnvelopeOf,
    pool: PoolOf,
    versions: Annotated[VersionStore, Given()],
    shelf: Annotated[Shelf, Given()],
    aliases: Aliases,
    configuration: Annotated[Configuration, Given()],
) -> None:
    """Give the run's model its number and its shelf, announce it, and promote it if the workflow says so."""
    workflow = await configuration.workflow(event.workflow)
    if await inbox.has_handled(pool, NAME, envelope):
        raise AlreadyHandled(f"Evaluation {event.evaluation_id} is registered")
    reservation = await versions.reserve(workflow.model_name, event)
    shelved = await shelf.place(reservation, event)
    version = _version(reservation, event, shelved, _said_at(envelope))
    async with inbox.transaction(pool, NAME, envelope) as unit:
        if await versions.complete(unit, version):
            await outbox.add(unit, _registered(version), cause=envelope)
            await _promote_by_rule(unit, aliases, version, workflow.promotion, envelope)


async def _promote_by_rule(
    unit: Connection, aliases: AliasStore, version: ModelVersion, promotion: str, envelope: Envelope
) -> None:
    champion = await aliases.state(unit, version.model, CHAMPION)
    if promotes_by_itself(promotion, version.gate, version.version, champion):
        request = AliasRequest(
            request_id=stable_id(RULE, version.evaluation_id),
            model=version.model,
            alias=CHAMPION,
            version=version.version,
            deed="promote",
            by=RULE,
            reason=f"the gate of evaluation {version.evaluation_id} passed and the workflow promotes by itself",
            asked_at=datetime.now(UTC),
        )
        await aliases.act(unit, request, envelope)


@subscriptions.hears(PromotionRequested)
async def promote(event: PromotionRequested, envelope: EnvelopeOf, pool: PoolOf, aliases: Aliases) -> None:
    """Move an alias forward, or say why not."""
    request = AliasRequest(
        request_id=event.request_id,
        model=event.model,
        alias=event.alias,
        version=event.version,
        deed="promote",
        by=event.by,
        reason=event.reason,
        asked_at=_said_at(envelope),
        force=event.force,
    )
    async with inbox.transaction(pool, NAME, envelope) as unit:
        await aliases.act(unit, request, envelope)


@subscriptions.hears(RollbackRequested)
async def roll_back(event: RollbackRequested, envelope: EnvelopeOf, pool: PoolOf, aliases: Aliases) -> None:
    """Move an alias back, or say why not."""
    request = AliasRequest(
        request_id=event.request_id,
        model=event.model,
        alias=event.alias,
        version=event.to_version,
        deed="roll back",
        by=event.by,
        reason=event.reason,
        asked_at=_said_at(envelope),
    )
    async with inbox.transaction(pool, NAME, envelope) as unit:
        await aliases.act(unit, request, envelope)


@subscriptions.hears(PredictionReported)
async def keep_prediction(
    event: PredictionReported,
    envelope: EnvelopeOf,
    pool: PoolOf,
    predictions: Annotated[PredictionStore, Given()],
) -> None:
    """Remember how a version did on a camera, also one whose registration is still on its way."""
    async with inbox.transaction(pool, NAME, envelope) as unit:
        await predictions.add(unit, envelope, event)


def _said_at(envelope: Envelope) -> datetime:
    # A sender whose clock is ahead must not lock everybody else out until then.
    now = datetime.now(UTC)
    return min(envelope.time or now, now)


def _version(reservation: Reservation, event: ModelEvaluated, shelved: Shelved, evaluated_at: datetime) -> ModelVersion:
    return ModelVersion(
        model=reservation.model,
        version=reservation.version,
        workflow=event.workflow,
        training_run_id=event.training_run_id,
        evaluation_id=event.evaluation_id,
        dataset_version_id=event.dataset_version_id,
        dataset_version=event.trained.dataset.version,
        abi=shelved.abi,
        artifacts=shelved.artifacts,
        metrics=event.metrics,
        per_class=event.per_class,
        per_camera=event.per_camera,
        gate=event.gate,
        licence=event.trained.licence,
        lineage=lineage_of(event.trained, event.evaluation_id),
        operating_confidence=event.operating_confidence,
        evaluated_at=evaluated_at,
    )


def _registered(version: ModelVersion) -> ModelRegistered:
    return ModelRegistered(
        model=version.model,
        version=version.version,
        workflow=version.workflow,
        training_run_id=version.training_run_id,
        evaluation_id=version.evaluation_id,
        dataset_version_id=version.dataset_version_id,
        artifacts=version.artifacts,
        metrics=version.metrics,
        licence=version.licence,
        lineage=version.lineage,
        gate=version.gate,
    )
