"""What the registry tells: models, versions, aliases, artifacts, and which version a camera should run."""

from datetime import timedelta
from hashlib import sha256
from json import dumps
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from libs.common.errors import NotFound
from libs.common.events import Artifact, ExternalId
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.objects import Objects
from services.registry.api.answers import (
    AliasAnswer,
    CameraAnswer,
    CamerasAnswer,
    LinkAnswer,
    ModelAnswer,
    ModelsAnswer,
    MoveAnswer,
    MovesAnswer,
    ResolveAnswer,
    VersionAnswer,
    VersionsAnswer,
    version_answer,
)
from services.registry.domain import CHAMPION, DETECTOR, METADATA, ModelVersion
from services.registry.store.aliases import AliasStore
from services.registry.store.predictions import PredictionStore
from services.registry.store.versions import VersionStore

router = APIRouter(prefix="/v1", responses=PROBLEMS)
reader = requires("read")


@router.get("/models", dependencies=[Depends(reader)])
async def list_models(request: Request) -> ModelsAnswer:
    """Every model with a registered version, and where its aliases point."""
    models = await _versions(request).models()
    return ModelsAnswer(models=[ModelAnswer.model_validate(model) for model in models])


@router.get("/models/{model}/versions", dependencies=[Depends(reader)])
async def list_versions(request: Request, model: str) -> VersionsAnswer:
    """All registered versions of a model, newest first."""
    versions = await _versions(request).of_model(model)
    if not versions:
        raise NotFound(f"There is no model {model!r}: GET /v1/models lists those there are")
    return VersionsAnswer(versions=[version_answer(version) for version in versions])


@router.get("/models/{model}/versions/{version}", dependencies=[Depends(reader)])
async def show_version(request: Request, model: str, version: int) -> VersionAnswer:
    """One version with metrics, gate, licence, lineage and artifacts."""
    return version_answer(await _version(request, model, version))


@router.get("/models/{model}/aliases/{alias}", dependencies=[Depends(reader)])
async def show_alias(request: Request, model: str, alias: str) -> AliasAnswer:
    """The version an alias points at."""
    aliases: AliasStore = request.app.state.aliases
    number = await aliases.find(model, alias)
    if number is None:
        raise NotFound(f"Model {model!r} has no alias {alias!r} (yet): promote a version to it")
    return AliasAnswer(model=model, alias=alias, version=version_answer(await _version(request, model, number)))


@router.get("/models/{model}/moves", dependencies=[Depends(reader)])
async def list_moves(request: Request, model: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> MovesAnswer:
    """The audit trail of a model's aliases: who, when, from where to where, why. Newest first."""
    aliases: AliasStore = request.app.state.aliases
    return MovesAnswer(moves=[MoveAnswer.model_validate(move) for move in await aliases.moves(model, limit=limit)])


@router.get("/models/{model}/versions/{version}/cameras", dependencies=[Depends(reader)])
async def list_cameras(request: Request, model: str, version: int) -> CamerasAnswer:
    """What cameras reported while they ran this version."""
    predictions: PredictionStore = request.app.state.predictions
    reports = await predictions.per_camera(model, version)
    return CamerasAnswer(cameras=[CameraAnswer.model_validate(report) for report in reports])


@router.get(
    "/models/{model}/versions/{version}/artifacts/{name:path}",
    dependencies=[Depends(reader)],
    response_model=LinkAnswer,
    responses={307: {"description": "With redirect=true: go to the file itself"}},
)
async def link_artifact(
    request: Request, model: str, version: int, name: str, redirect: bool = False
) -> LinkAnswer | RedirectResponse:
    """A link to one file with its digest; `?redirect=true` leads to the file at once."""
    found = await _version(request, model, version)
    artifact = found.artifact(name)
    if artifact is None:
        raise NotFound(
            f"{model} version {version} has no {name!r}: it has {', '.join(a.name for a in found.artifacts)}"
        )
    link = await _link(request, artifact)
    return RedirectResponse(link.url, status_code=307) if redirect else link


@router.get(
    "/resolve",
    response_model=ResolveAnswer,
    responses={304: {"description": "Still the version whose ETag was sent in If-None-Match"}},
)
async def resolve(
    request: Request,
    principal: Annotated[Principal, Depends(reader)],
    workflow: str,
    camera: ExternalId,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The version this camera should run. Poll it with `If-None-Match`: 304 while nothing changed."""
    principal.require_camera(camera)
    version = await _versions(request).behind_alias(workflow, CHAMPION)
    if version is None:
        raise NotFound(f"No model of workflow {workflow!r} is promoted (yet): promote a version, or check the name")
    tag = _etag(version)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in [known.strip().removeprefix("W/") for known in (if_none_match or "").split(",")]:
        return Response(status_code=304, headers=headers)
    return JSONResponse((await _resolved(request, version)).model_dump(mode="json"), headers=headers)


async def _resolved(request: Request, version: ModelVersion) -> ResolveAnswer:
    return ResolveAnswer(
        model=version.model,
        version=version.version,
        workflow=version.workflow,
        abi=version.abi,
        alias=CHAMPION,
        artifacts=[await _link(request, artifact) for artifact in _needed(version)],
        operating_confidence=version.operating_confidence,
    )


def _needed(version: ModelVersion) -> list[Artifact]:
    return [artifact for artifact in version.artifacts if artifact.name in (DETECTOR, METADATA)]


def _etag(version: ModelVersion) -> str:
    # Of what the camera would run, not of the answer: its links are new each time.
    facts = [version.model, version.version, version.operating_confidence, [a.sha256 for a in _needed(version)]]
    return f'"{sha256(dumps(facts, sort_keys=True).encode()).hexdigest()[:32]}"'


async def _link(request: Request, artifact: Artifact) -> LinkAnswer:
    objects: Objects = request.app.state.objects
    lifetime: timedelta = request.app.state.link_lifetime
    url = await objects.presigned_get(artifact.uri, expires=lifetime)
    return LinkAnswer(name=artifact.name, url=url, sha256=artifact.sha256, bytes=artifact.bytes)


async def _version(request: Request, model: str, version: int) -> ModelVersion:
    found = await _versions(request).find(model, version)
    if found is None:
        raise NotFound(f"Model {model!r} has no registered version {version}: GET /v1/models/{model}/versions")
    return found


def _versions(request: Request) -> VersionStore:
    return request.app.state.versions
