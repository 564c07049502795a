"""The event log over HTTP: in pages, and as server-sent events that resume where they broke off."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from libs.common.http import PROBLEMS
from services.console.api import access
from services.console.api.access import Limit, Reader
from services.console.api.answers import EventsAnswer, event_answer
from services.console.domain.facts import LoggedEvent
from services.console.store.log import EventLog, Filter

router = APIRouter(prefix="/api", responses=PROBLEMS, dependencies=[Reader])
Topics = Annotated[list[str] | None, Query()]
PAGE = 200
KEEP_ALIVE_SECONDS = 15.0
END = 2**63  # of positions: once a stream has begun to answer, PostgreSQL's refusal would cut it
EVENT_STREAM = "text/event-stream"


@dataclass
class Streams:
    """Open streams end when the service stops; otherwise each would hold it up."""

    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Wait for the end of the service."""
        try:
            await asyncio.Event().wait()
        finally:
            self.closing.set()


@router.get("/events")
async def list_events(
    request: Request,
    topic: Topics = None,
    key: str | None = None,
    correlation: str | None = None,
    workflow: str | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    before: Annotated[int, Query(ge=0)] = 0,
    newest_first: bool = False,
    limit: Limit = 100,
) -> EventsAnswer:
    """Events after a position, oldest first; with `newest_first` before a position (0: the end)."""
    log, wanted = access.event_log(request), Filter(topic, key, correlation, workflow)
    if newest_first:
        found = await log.newest(wanted, before=before, limit=limit)
    else:
        found = await log.page(wanted, after=after, limit=limit)
    return EventsAnswer(events=[event_answer(logged) for logged in found])


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENT_STREAM: {}}, "description": "Server-sent events"}},
)
async def stream(
    request: Request,
    topic: Topics = None,
    key: str | None = None,
    workflow: str | None = None,
    after: Annotated[int | None, Query(ge=0, lt=END)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Events as they come (`id`: the position). Goes on after `Last-Event-ID` or `after`; without both, from now."""
    log = access.event_log(request)
    start = after if (resumed := _position(last_event_id)) is None else resumed
    position = await log.last_seq() if start is None else start
    wanted = Filter(topic, key, workflow=workflow)
    seconds = access.settings(request).stream_poll_seconds
    lines = follow(log, wanted, position, closing=request.app.state.streams.closing, poll_seconds=seconds)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type=EVENT_STREAM, headers=headers)


def _position(text: str | None) -> int | None:
    """What a reader was last sent; None for what cannot come from here."""
    return int(text) if text and text.isdecimal() and len(text) < 20 and int(text) < END else None


async def follow(
    log: EventLog, wanted: Filter, position: int, *, closing: asyncio.Event, poll_seconds: float
) -> AsyncIterator[str]:
    """Events after a position for ever, with a sign of life in between, until the service closes."""
    yield ": events follow\n\n"
    spoke = time.monotonic()
    while not closing.is_set():
        page = await log.page(wanted, after=position, limit=PAGE)
        for logged in page:
            position = logged.seq
            yield sent(logged)
        if page:
            spoke = time.monotonic()
        elif time.monotonic() - spoke > KEEP_ALIVE_SECONDS:
            spoke = time.monotonic()
            yield ": still here\n\n"
        if len(page) < PAGE:
            await _rest(closing, poll_seconds)


def sent(logged: LoggedEvent) -> str:
    """An event in the format of server-sent events."""
    return f"id: {logged.seq}\nevent: {logged.topic}\ndata: {event_answer(logged).model_dump_json()}\n\n"


async def _rest(closing: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await closing.wait()
    except TimeoutError:
        return
