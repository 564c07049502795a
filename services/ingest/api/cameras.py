"""Cameras and their tokens. Managing them needs the scope `admin`; a token's secret is shown once, when it is issued."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from libs.common.configuration import token_digest
from libs.common.envelope import uuid7
from libs.common.events import ExternalId, TokenChanged
from libs.common.http import PROBLEMS, requires
from services.ingest.store import IngestStore

log = structlog.get_logger()
router = APIRouter(prefix="/v1/cameras", responses=PROBLEMS, tags=["cameras"])
admin = Depends(requires("admin"))
reader = Depends(requires("read"))
CameraId = Annotated[ExternalId, Path()]
Scope = Literal["ingest", "read", "train", "promote"]


class Answer(BaseModel):
    """Read from a dataclass."""

    model_config = ConfigDict(from_attributes=True)


class NewCamera(BaseModel):
    """A camera to register."""

    model_config = ConfigDict(extra="forbid")

    camera_id: ExternalId
    title: Annotated[str, Field(max_length=200)] | None = None


class CameraAnswer(Answer):
    """A camera."""

    camera_id: str
    title: str | None
    registered_at: datetime
    last_snapshot_at: datetime | None


class CamerasAnswer(BaseModel):
    """Every camera."""

    cameras: list[CameraAnswer]


class NewToken(BaseModel):
    """What a token may do, and what it is called in logs."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = ("ingest", "read")


class TokenAnswer(Answer):
    """A token without its secret."""

    token_id: UUID
    label: str
    scopes: tuple[str, ...]
    issued_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = None


class TokensAnswer(BaseModel):
    """Every token of a camera."""

    tokens: list[TokenAnswer]


class IssuedToken(TokenAnswer):
    """A new token with its secret, this once."""

    camera_id: str
    token: str


@router.get("", dependencies=[reader])
async def list_cameras(request: Request) -> CamerasAnswer:
    """Every camera, by id."""
    cameras = await _store(request).cameras()
    return CamerasAnswer(cameras=[CameraAnswer.model_validate(camera) for camera in cameras])


@router.post("", status_code=201, dependencies=[admin])
async def register_camera(body: NewCamera, request: Request) -> CameraAnswer:
    """Register a camera; one that exists is answered as it is, with the new title if there is one."""
    return CameraAnswer.model_validate(await _store(request).register(body.camera_id, body.title))


@router.get("/{camera_id}/tokens", dependencies=[admin])
async def list_tokens(camera_id: CameraId, request: Request) -> TokensAnswer:
    """A camera's tokens, revoked ones too, without secrets."""
    await _store(request).camera(camera_id)
    tokens = await _store(request).tokens(camera_id)
    return TokensAnswer(tokens=[TokenAnswer.model_validate(token) for token in tokens])


@router.post("/{camera_id}/tokens", status_code=201, dependencies=[admin])
async def issue_token(camera_id: CameraId, request: Request, body: NewToken | None = None) -> IssuedToken:
    """A token that speaks for this camera only. Every service knows it a moment later."""
    wish = body or NewToken()
    await _store(request).camera(camera_id)
    secret = f"camloop_{secrets.token_urlsafe(32)}"
    change = TokenChanged(
        token_id=uuid7(),
        sha256=token_digest(secret),
        scopes=wish.scopes,
        camera_id=camera_id,
        label=wish.label or f"camera {camera_id}",
        issued_at=_now(request),
    )
    await _store(request).change_token(change)
    log.info("token_issued", token_id=str(change.token_id), camera_id=camera_id, scopes=wish.scopes)
    return IssuedToken(token=secret, **change.model_dump(exclude={"sha256"}))


@router.delete("/{camera_id}/tokens/{token_id}", dependencies=[admin])
async def revoke_token(camera_id: CameraId, token_id: UUID, request: Request) -> TokenAnswer:
    """From now on nobody accepts it. Revoking it again changes nothing."""
    token = await _store(request).token(camera_id, token_id)
    if token.revoked_at is None:
        token = token.model_copy(update={"revoked_at": _now(request)})
        await _store(request).change_token(token)
        log.info("token_revoked", token_id=str(token_id), camera_id=camera_id)
    return TokenAnswer(**token.model_dump(exclude={"sha256", "camera_id"}))


def _store(request: Request) -> IngestStore:
    return cast(IngestStore, request.app.state.store)


def _now(request: Request) -> datetime:
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()
