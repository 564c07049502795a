"""Keeping the system well: dead letters, and making the read tables anew. The admin token only, except for looking."""

import base64
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from libs.common.errors import NotFound
from libs.common.http import PROBLEMS
from libs.common.jobs import Jobs
from services.console.api import access
from services.console.api.access import Admin, Limit, Reader
from services.console.store.dead_letters import DeadLetter
from services.console.store.rebuilds import ask_for_rebuild

router = APIRouter(prefix="/api", responses=PROBLEMS)
Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class DeadLetterAnswer(BaseModel):
    """A dead letter. `text`: its value where that is UTF-8; `value_base64`: its bytes; both null for a null value."""

    id: UUID
    topic: str
    consumer: str
    event_id: UUID
    source: str
    key: str
    headers: dict[str, str]
    text: str | None
    value_base64: str | None
    error: str
    attempt: int
    origin_partition: int | None
    origin_offset: int | None
    state: str
    times: int
    replays: int
    first_at: datetime
    last_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None


class DeadLettersAnswer(BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetterAnswer]


class Replay(BaseModel):
    """Why it should work now; kept with the letter."""

    reason: Reason | None = None


class Discard(BaseModel):
    """Why nobody needs it; kept with the letter."""

    reason: Reason


class RebuildAnswer(BaseModel):
    """A rebuild: where it stands and why."""

    job_id: UUID
    state: str
    reason: str | None = None
    progress: dict[str, str | int] = Field(default_factory=dict)


@router.get("/dlq", dependencies=[Reader])
async def list_dead_letters(
    request: Request,
    state: str | None = None,
    topic: str | None = None,
    consumer: str | None = None,
    limit: Limit = 100,
) -> DeadLettersAnswer:
    """Dead letters of every consumer, newest first."""
    letters = await access.dead_letters(request).page(state=state, topic=topic, consumer=consumer, limit=limit)
    return DeadLettersAnswer(dead_letters=[_answer(letter) for letter in letters])


@router.get("/dlq/{letter_id}", dependencies=[Reader])
async def show_dead_letter(request: Request, letter_id: UUID) -> DeadLetterAnswer:
    """One dead letter with its bytes, headers, origin and error."""
    return _answer(await access.dead_letters(request).find(letter_id))


@router.post("/dlq/{letter_id}/replay", status_code=202)
async def replay(request: Request, letter_id: UUID, principal: Admin, body: Replay | None = None) -> DeadLetterAnswer:
    """Send it again to the one consumer that failed. It comes back here if that fails again."""
    reason = None if body is None else body.reason
    return _answer(await access.dead_letters(request).replay(letter_id, by=principal.name, reason=reason))


@router.post("/dlq/{letter_id}/discard")
async def discard(request: Request, letter_id: UUID, body: Discard, principal: Admin) -> DeadLetterAnswer:
    """Put it aside for good, with the reason."""
    return _answer(await access.dead_letters(request).discard(letter_id, by=principal.name, reason=body.reason))


@router.post("/rebuild", status_code=202)
async def rebuild(request: Request, principal: Admin) -> RebuildAnswer:
    """Make the read tables anew from the first offset of every topic; readers see the old ones until then."""
    async with access.pool(request).acquire() as connection, connection.transaction():
        job_id = await ask_for_rebuild(connection, f"asked for by {principal.name}")
    return RebuildAnswer(job_id=job_id, state="queued", reason=f"asked for by {principal.name}")


@router.get("/rebuild/{job_id}", dependencies=[Reader])
async def show_rebuild(request: Request, job_id: UUID) -> RebuildAnswer:
    """Where a rebuild stands."""
    jobs: Jobs = request.app.state.jobs
    job = await jobs.find(job_id)
    if job is None:
        raise NotFound(f"There is no rebuild {job_id}: POST /api/rebuild asks for one")
    return RebuildAnswer(job_id=job.job_id, state=job.state, reason=job.reason, progress=job.progress)


def _answer(letter: DeadLetter) -> DeadLetterAnswer:
    values = asdict(letter)
    raw: bytes | None = values.pop("value")
    key: bytes = values.pop("key")
    return DeadLetterAnswer(
        **values,
        key=key.decode(errors="replace"),
        text=_text(raw),
        value_base64=None if raw is None else base64.b64encode(raw).decode(),
    )


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None
