"""What people ask for, turned into facts. The console decides nothing: it refuses only what names things nobody knows."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, JsonValue

from libs.common import outbox
from libs.common.configuration import Configuration
from libs.common.envelope import uuid7
from libs.common.errors import Conflict, NotFound, Permanent, Transient
from libs.common.events import (
    Annotations,
    DatasetBuildRequested,
    EvaluationRequested,
    Event,
    PromotionRequested,
    ReviewSubmitted,
    RollbackRequested,
    Segments,
    TrainingCancelRequested,
    TrainingRequested,
)
from libs.common.http import PROBLEMS
from libs.common.workflows import Workflow
from services.console.api import access
from services.console.api.access import Promoter, Trainer
from services.console.domain.reviews import review_mistakes
from services.console.domain.runs import ENDED, TrainingRun

router = APIRouter(prefix="/api", responses=PROBLEMS)
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Asked(BaseModel):
    """A request that is on its way: the event that says so, and the id to follow it by."""

    event_id: UUID
    topic: str
    request_id: UUID | None = None
    sample_id: UUID | None = None
    training_run_id: UUID | None = None
    evaluation_id: UUID | None = None


class Review(BaseModel):
    """A person's decision about a sample, based on the revision of its annotations that they saw.

    An image is described by `annotations`, a clip by `segments`: the steps that are done in it, in seconds of the clip.
    """

    sample_id: UUID
    decision: Literal["approve", "reject", "skip"]
    annotations: Annotations = ()
    segments: Segments = ()
    based_on_revision: Annotated[int, Field(ge=0)]
    reviewer: Text | None = None
    comment: str | None = None


class Build(BaseModel):
    """Build a dataset version of the workflow now."""

    workflow: str
    reason: Text = "asked for in the console"
    by: Text | None = None


class Training(BaseModel):
    """Train; what is left out comes from the workflow's template."""

    workflow: str
    dataset_version_id: UUID | Literal["latest"] | None = "latest"
    backend: str | None = None
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int | None = None
    priority: int = 0
    reason: Text = "asked for in the console"
    by: Text | None = None


class Cancel(BaseModel):
    """Stop a training run."""

    reason: Text = "asked for in the console"
    by: Text | None = None


class Evaluation(BaseModel):
    """Judge the artifact of a training run (again)."""

    training_run_id: UUID
    reason: Text = "asked for in the console"
    by: Text | None = None


class Promotion(BaseModel):
    """Let an alias point at a version."""

    model: str
    version: Annotated[int, Field(ge=1)]
    alias: str = "champion"
    reason: Text
    force: bool = False
    by: Text | None = None


class Rollback(BaseModel):
    """Let an alias point at an earlier version again."""

    model: str
    to_version: Annotated[int, Field(ge=1)] | None = None
    alias: str = "champion"
    reason: Text
    by: Text | None = None


@router.post("/reviews", status_code=202)
async def submit_review(request: Request, body: Review, principal: Trainer) -> Asked:
    """Say what a sample shows. 409 when somebody else has changed its annotations since."""
    sample = await access.views(request).sample(body.sample_id)
    if sample is None:
        raise NotFound(f"Sample {body.sample_id} is not known (yet): GET /api/reviews lists those that wait")
    if body.based_on_revision < sample.revision:
        raise Conflict(
            f"The annotations of sample {body.sample_id} are at revision {sample.revision}, this review saw "
            f"{body.based_on_revision}: look at it again"
        )
    workflow = await _workflow(request, sample.workflow)
    wrong = review_mistakes(sample, workflow, body.annotations, body.segments)
    if wrong:
        raise Permanent(f"The review of sample {body.sample_id}: {'; '.join(wrong)}")
    event = ReviewSubmitted(
        sample_id=body.sample_id,
        decision=body.decision,
        annotations=body.annotations,
        segments=body.segments,
        based_on_revision=body.based_on_revision,
        reviewer=body.reviewer or principal.name,
        comment=body.comment,
    )
    return await _say(request, event, sample_id=body.sample_id)


@router.post("/builds", status_code=202)
async def request_build(request: Request, body: Build, principal: Trainer) -> Asked:
    """Ask for a dataset version, whatever the policy says of numbers and hours."""
    workflow = await _workflow(request, body.workflow)
    request_id = uuid7()
    event = DatasetBuildRequested(
        request_id=request_id, workflow=workflow.name, requested_by=body.by or principal.name, reason=body.reason
    )
    return await _say(request, event, request_id=request_id)


@router.post("/trainings", status_code=202)
async def request_training(request: Request, body: Training, principal: Trainer) -> Asked:
    """Ask for a training run."""
    workflow = await _workflow(request, body.workflow)
    await _check_dataset_version(request, workflow, body.dataset_version_id)
    run_id = uuid7()
    event = TrainingRequested(
        training_run_id=run_id,
        workflow=workflow.name,
        dataset_version_id=body.dataset_version_id,
        backend=body.backend,
        hyperparameters=body.hyperparameters,
        requested_by=body.by or principal.name,
        reason=body.reason,
        seed=body.seed,
        priority=body.priority,
    )
    return await _say(request, event, training_run_id=run_id)


async def _check_dataset_version(request: Request, workflow: Workflow, version_id: UUID | str | None) -> None:
    if not isinstance(version_id, UUID):
        return
    version = await access.views(request).dataset_version(version_id)
    if version is None or version.workflow != workflow.name:
        raise NotFound(
            f"Workflow {workflow.name!r} has no dataset version {version_id} (yet): GET /api/dataset-versions"
        )


@router.post("/trainings/{run_id}/cancel", status_code=202)
async def request_cancel(request: Request, run_id: UUID, body: Cancel, principal: Trainer) -> Asked:
    """Ask for a training run to stop. 409 when it has ended."""
    run = await _run(request, run_id)
    if run.state in ENDED:
        raise Conflict(f"Training run {run_id} has ended: {run.state}, {run.reason}")
    event = TrainingCancelRequested(training_run_id=run_id, requested_by=body.by or principal.name, reason=body.reason)
    return await _say(request, event, training_run_id=run_id)


@router.post("/evaluations", status_code=202)
async def request_evaluation(request: Request, body: Evaluation, principal: Trainer) -> Asked:
    """Ask for the artifact of a training run to be judged again. 409 when it has none."""
    run = await _run(request, body.training_run_id)
    if run.state != "trained":
        raise Conflict(f"Training run {run.training_run_id} has no artifact to judge: it is {run.state}")
    evaluation_id = uuid7()
    event = EvaluationRequested(
        evaluation_id=evaluation_id,
        training_run_id=run.training_run_id,
        workflow=run.workflow,
        requested_by=body.by or principal.name,
        reason=body.reason,
    )
    return await _say(request, event, evaluation_id=evaluation_id, training_run_id=run.training_run_id)


@router.post("/promotions", status_code=202)
async def request_promotion(request: Request, body: Promotion, principal: Promoter) -> Asked:
    """Ask for a version to be promoted; the registry decides, and says `model.promoted` or `promotion.rejected`."""
    if await access.views(request).model_version(body.model, body.version) is None:
        raise NotFound(f"Model {body.model!r} has no version {body.version} (yet): GET /api/models")
    request_id = uuid7()
    event = PromotionRequested(
        request_id=request_id,
        model=body.model,
        version=body.version,
        alias=body.alias,
        by=body.by or principal.name,
        reason=body.reason,
        force=body.force,
    )
    return await _say(request, event, request_id=request_id)


@router.post("/rollbacks", status_code=202)
async def request_rollback(request: Request, body: Rollback, principal: Promoter) -> Asked:
    """Ask for an alias to go back; the registry decides."""
    if not await access.views(request).model_versions(body.model):
        raise NotFound(f"Model {body.model!r} is not known (yet): GET /api/models lists those there are")
    request_id = uuid7()
    event = RollbackRequested(
        request_id=request_id,
        model=body.model,
        alias=body.alias,
        to_version=body.to_version,
        by=body.by or principal.name,
        reason=body.reason,
    )
    return await _say(request, event, request_id=request_id)


async def _workflow(request: Request, name: str) -> Workflow:
    configuration: Configuration = request.app.state.configuration
    try:
        return await configuration.workflow(name)
    except Transient as error:
        raise NotFound(str(error)) from error


async def _run(request: Request, run_id: UUID) -> TrainingRun:
    run = await access.views(request).run(run_id)
    if run is None:
        raise NotFound(f"Training run {run_id} is not known (yet): GET /api/runs lists those there are")
    return run


async def _say(request: Request, event: Event, **ids: UUID) -> Asked:
    async with access.pool(request).acquire() as connection, connection.transaction():
        event_id = await outbox.add(connection, event)
    return Asked(event_id=event_id, topic=event.topic, **ids)
