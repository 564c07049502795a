"""Moving aliases over HTTP: the same deed, judged the same way, as by event."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from libs.common.envelope import uuid7
from libs.common.errors import Conflict, NotFound
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.postgres import Pool
from services.registry.api.answers import OutcomeAnswer, outcome_answer
from services.registry.domain import CHAMPION, AliasRequest
from services.registry.store.aliases import AliasStore
from services.registry.store.versions import VersionStore

router = APIRouter(prefix="/v1", responses=PROBLEMS)
Promoter = Annotated[Principal, Depends(requires("promote"))]


class PromoteBody(BaseModel):
    """Point `alias` at the version. `force`: although its gate failed. The same `request_id` again acts once."""

    alias: str = CHAMPION
    reason: Annotated[str, Field(min_length=1)]
    by: str | None = None
    force: bool = False
    request_id: UUID = Field(default_factory=uuid7)


class RollbackBody(BaseModel):
    """Point `alias` at `to_version`, or at the version before."""

    alias: str = CHAMPION
    to_version: int | None = None
    reason: Annotated[str, Field(min_length=1)]
    by: str | None = None
    request_id: UUID = Field(default_factory=uuid7)


@router.post("/models/{model}/versions/{version}/promote")
async def promote(request: Request, model: str, version: int, body: PromoteBody, principal: Promoter) -> OutcomeAnswer:
    """Promote a version; 409 with the gate's reasons when it may not be."""
    versions: VersionStore = request.app.state.versions
    if await versions.find(model, version) is None:
        raise NotFound(f"Model {model!r} has no registered version {version}: GET /v1/models/{model}/versions")
    return await _act(
        request,
        AliasRequest(
            request_id=body.request_id,
            model=model,
            alias=body.alias,
            version=version,
            deed="promote",
            by=body.by or principal.name,
            reason=body.reason,
            asked_at=datetime.now(UTC),
            force=body.force,
        ),
    )


@router.post("/models/{model}/rollback")
async def roll_back(request: Request, model: str, body: RollbackBody, principal: Promoter) -> OutcomeAnswer:
    """Roll an alias back; 409 with reasons when there is nothing to go back to."""
    versions: VersionStore = request.app.state.versions
    if not await versions.of_model(model):
        raise NotFound(f"There is no model {model!r}: GET /v1/models lists those there are")
    return await _act(
        request,
        AliasRequest(
            request_id=body.request_id,
            model=model,
            alias=body.alias,
            version=body.to_version,
            deed="roll back",
            by=body.by or principal.name,
            reason=body.reason,
            asked_at=datetime.now(UTC),
        ),
    )


async def _act(http: Request, request: AliasRequest) -> OutcomeAnswer:
    aliases: AliasStore = http.app.state.aliases
    pool: Pool = http.app.state.pool
    async with pool.acquire() as connection, connection.transaction():
        outcome = await aliases.act(connection, request, cause=None)
    if not outcome.accepted:
        raise Conflict("; ".join(outcome.reasons))
    return outcome_answer(request.model, request.request_id, outcome)
