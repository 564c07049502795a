"""What the console shows: samples, dataset versions, training runs, models, cameras, workflows, the loop at a glance."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from libs.common.errors import NotFound
from libs.common.events import Media
from libs.common.http import PROBLEMS
from services.console.api import access
from services.console.api.access import Limit, Offset, Reader
from services.console.api.answers import (
    AliasHistoryAnswer,
    CamerasAnswer,
    DatasetVersionsAnswer,
    EpochsAnswer,
    LogAnswer,
    ModelAnswer,
    ModelsAnswer,
    ReviewAnswer,
    ReviewsAnswer,
    RunsAnswer,
    SamplesAnswer,
    WorkflowsAnswer,
    paged,
    review_answer,
)
from services.console.domain.chain import Why
from services.console.domain.runs import TrainingRun
from services.console.domain.samples import Sample
from services.console.domain.versions import DatasetVersion, ModelVersion
from services.console.store.overview import Overview, overview
from services.console.store.views import SampleFilter

router = APIRouter(prefix="/api", responses=PROBLEMS, dependencies=[Reader])


@router.get("/overview")
async def show_overview(request: Request, workflow: str | None = None) -> Overview:
    """How much of what there is, what waits, and when each stage last said something."""
    return await overview(access.pool(request), workflow)


@router.get("/why/{subject:path}")
async def why(request: Request, subject: str) -> Why:
    """The cause chain of an event, training run, model (`hairnet@2`, `hairnet`), dataset version, sample, snapshot or clip."""
    return await access.causes(request).why(subject)


@router.get("/samples")
async def list_samples(
    request: Request,
    workflow: str | None = None,
    verdict: str | None = None,
    reason: str | None = None,
    camera: str | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> SamplesAnswer:
    """Samples, the last decided first."""
    wanted = SampleFilter(workflow, verdict, reason, camera)
    page = await access.views(request).samples(wanted, limit=limit, offset=offset)
    return SamplesAnswer(samples=page.items, **paged(page))


@router.get("/samples/{sample_id}")
async def show_sample(request: Request, sample_id: UUID) -> Sample:
    """One sample with its verdict, annotations and measures."""
    sample = await access.views(request).sample(sample_id)
    if sample is None:
        raise NotFound(f"Sample {sample_id} is not known (yet): GET /api/samples lists those there are")
    return sample


@router.get("/reviews")
async def list_reviews(
    request: Request, workflow: str | None = None, limit: Limit = 50, offset: Offset = 0
) -> ReviewsAnswer:
    """Samples that wait for a person, the most urgent first, each with links to its image or clip."""
    page = await access.views(request).review_queue(workflow, limit=limit, offset=offset)
    reviews = [await _review(request, sample) for sample in page.items]
    return ReviewsAnswer(reviews=reviews, **paged(page))


async def _review(request: Request, sample: Sample) -> ReviewAnswer:
    media, preview, strip = [await _link(request, each) for each in (sample.media, sample.preview, sample.strip)]
    return review_answer(sample, media=media, preview=preview, strip=strip)


async def _link(request: Request, media: dict[str, Any] | None) -> str | None:
    if media is None:
        return None
    lifetime = timedelta(minutes=access.settings(request).link_minutes)
    return await access.objects(request).presigned_get(Media.model_validate(media).uri, expires=lifetime)


@router.get("/dataset-versions")
async def list_dataset_versions(
    request: Request, workflow: str | None = None, limit: Limit = 50, offset: Offset = 0
) -> DatasetVersionsAnswer:
    """Dataset versions, newest first."""
    page = await access.views(request).dataset_versions(workflow, limit=limit, offset=offset)
    return DatasetVersionsAnswer(dataset_versions=page.items, **paged(page))


@router.get("/dataset-versions/{version_id}")
async def show_dataset_version(request: Request, version_id: UUID) -> DatasetVersion:
    """One dataset version by id."""
    version = await access.views(request).dataset_version(version_id)
    if version is None:
        raise NotFound(f"Dataset version {version_id} is not known (yet): GET /api/dataset-versions")
    return version


@router.get("/dataset-versions/{workflow}/{number}")
async def show_dataset_version_number(request: Request, workflow: str, number: int) -> DatasetVersion:
    """One dataset version by workflow and number."""
    version = await access.views(request).dataset_version_number(workflow, number)
    if version is None:
        raise NotFound(f"Workflow {workflow!r} has no dataset version {number} (yet): GET /api/dataset-versions")
    return version


@router.get("/runs")
async def list_runs(
    request: Request,
    workflow: str | None = None,
    state: str | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> RunsAnswer:
    """Training runs, newest first, each with its state and why."""
    page = await access.views(request).runs(workflow, state, limit=limit, offset=offset)
    return RunsAnswer(runs=page.items, **paged(page))


@router.get("/runs/{run_id}")
async def show_run(request: Request, run_id: UUID) -> TrainingRun:
    """One training run."""
    return await _run(request, run_id)


@router.get("/runs/{run_id}/logs")
async def show_log(request: Request, run_id: UUID, after: int = 0, limit: Limit = 500) -> LogAnswer:
    """Log lines that arrived after a position (0: all), in the order of arrival."""
    await _run(request, run_id)
    return LogAnswer(lines=await access.views(request).log_lines(run_id, after=after, limit=limit))


@router.get("/runs/{run_id}/epochs")
async def show_epochs(request: Request, run_id: UUID) -> EpochsAnswer:
    """Metrics by epoch, over all attempts."""
    await _run(request, run_id)
    return EpochsAnswer(epochs=await access.views(request).epochs(run_id))


async def _run(request: Request, run_id: UUID) -> TrainingRun:
    run = await access.views(request).run(run_id)
    if run is None:
        raise NotFound(f"Training run {run_id} is not known (yet): GET /api/runs lists those there are")
    return run


@router.get("/models")
async def list_models(request: Request) -> ModelsAnswer:
    """Every model with its versions and aliases."""
    names = sorted({version.model for version in await access.views(request).model_versions()})
    return ModelsAnswer(models=[await _model(request, name) for name in names])


@router.get("/models/{model}")
async def show_model(request: Request, model: str) -> ModelAnswer:
    """One model with its versions and aliases."""
    answer = await _model(request, model)
    if not answer.versions:
        raise NotFound(f"Model {model!r} is not known (yet): GET /api/models lists those there are")
    return answer


@router.get("/models/{model}/aliases")
async def show_alias_history(request: Request, model: str) -> AliasHistoryAnswer:
    """What the model's aliases went through, newest first."""
    return AliasHistoryAnswer(changes=await access.views(request).alias_changes(model))


@router.get("/models/{model}/{version}")
async def show_model_version(request: Request, model: str, version: int) -> ModelVersion:
    """One model version."""
    found = await access.views(request).model_version(model, version)
    if found is None:
        raise NotFound(f"Model {model!r} has no version {version} (yet): GET /api/models/{model}")
    return found


async def _model(request: Request, model: str) -> ModelAnswer:
    views = access.views(request)
    return ModelAnswer(model=model, aliases=await views.aliases(model), versions=await views.model_versions(model))


@router.get("/cameras")
async def list_cameras(request: Request) -> CamerasAnswer:
    """Every camera that sent a snapshot or a clip, with verdicts and the model it last reported."""
    return CamerasAnswer(cameras=await access.views(request).cameras())


@router.get("/workflows")
async def list_workflows(request: Request) -> WorkflowsAnswer:
    """Every workflow with its definition and revision; a file that cannot be read, with its error."""
    return WorkflowsAnswer(workflows=await access.workflows(request).all())
