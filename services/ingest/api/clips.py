"""`POST /v1/clips`: a camera hands over a clip. Stored, announced, answered; again, and the answer is the first."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from libs.common import telemetry
from libs.common.errors import CamloopError
from libs.common.events import Body, ClipCaptured, ExternalId, Media, Name, Segments
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.objects import Objects, file_sha256, split_uri
from services.ingest.api.forms import check_fits, multipart, parse_metadata, speaking_for
from services.ingest.api.parts import file_part, limited_form, metadata_text, too_large
from services.ingest.domain import (
    Receipt,
    capture_id_of,
    check_clock,
    check_same,
    check_workflow,
    object_key,
)
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from services.ingest.vision import video_type

log = structlog.get_logger()
router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["clips"])
ingester = requires("ingest")


class ClipMetadata(Body):
    """What is known of a clip beside its pictures: the fields of `clip.captured`.

    `camera_id` may be left out with a camera's own token, `captured_at` means now, `clip_id` is then derived.
    """

    workflow: Name
    clip_id: ExternalId | None = None
    camera_id: ExternalId | None = None
    captured_at: AwareDatetime | None = None
    segments: Segments | None = None
    subject_id: ExternalId | None = None
    source_group: str | None = None


class ClipAccepted(Body):
    """The clip as it was first received. The same one sent again is answered alike."""

    clip_id: str
    camera_id: str
    captured_at: datetime
    workflow: str
    video: Media


@router.post("/clips", status_code=202, openapi_extra=multipart("video", ClipMetadata))
async def accept_clip(request: Request, principal: Annotated[Principal, Depends(ingester)]) -> ClipAccepted:
    """Multipart: `video` (MP4, MOV, WebM, MKV, AVI or MPEG-TS, told by its content) and `metadata` (JSON)."""
    try:
        receipt, repeated = await _accept(request, principal)
    except (CamloopError, HTTPException):
        telemetry.uploads.labels("refused").inc()
        raise
    telemetry.uploads.labels("repeated" if repeated else "accepted").inc()
    log.info("clip_received", clip_id=receipt.capture_id, camera_id=receipt.camera_id, repeated=repeated)
    return ClipAccepted(
        clip_id=receipt.capture_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        workflow=receipt.workflow or "",
        video=receipt.media,
    )


async def _accept(request: Request, principal: Principal) -> tuple[Receipt, bool]:
    settings: Settings = request.app.state.settings
    store: IngestStore = request.app.state.store
    objects: Objects = request.app.state.objects
    async with limited_form(request, maximum_bytes=settings.maximum_clip_bytes) as form:
        metadata = parse_metadata(await metadata_text(form), ClipMetadata)
        async with _on_disk(file_part(form, "video", "clip"), settings.maximum_clip_bytes) as path:
            sent = await _receipt(request, principal, metadata, path)
            check_fits(captured(sent, metadata))
            first = await store.claim(sent)
            check_same(first, sent)
            if first.announced:
                return first, True
            await objects.put_file(split_uri(first.media.uri)[1], path, first.media.content_type)
            return first, not await store.announce(captured(first, metadata))


@asynccontextmanager
async def _on_disk(part: UploadFile, maximum: int) -> AsyncIterator[Path]:
    """The part as a file with a name, which the form's own has not."""
    handle, name = mkstemp(prefix="camloop-clip-")
    path = Path(name)

    def copy() -> int:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(part.file, file, 1 << 20)
        return path.stat().st_size

    try:
        if await asyncio.to_thread(copy) > maximum:
            raise too_large(maximum)
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _receipt(request: Request, principal: Principal, metadata: ClipMetadata, path: Path) -> Receipt:
    settings: Settings = request.app.state.settings
    store: IngestStore = request.app.state.store
    clock: Callable[[], datetime] = request.app.state.clock
    camera_id = await speaking_for(metadata.camera_id, principal, store)
    captured_at = metadata.captured_at or clock()
    check_clock(captured_at, clock(), tolerance_seconds=settings.clock_tolerance_seconds)
    check_workflow("clip", metadata.workflow, await store.workflow_tasks())
    content_type = await asyncio.to_thread(video_type, path)
    sha256 = await asyncio.to_thread(file_sha256, path)
    clip_id = metadata.clip_id or capture_id_of("clip", camera_id, captured_at, sha256)
    key = object_key("clip", camera_id, captured_at, clip_id, content_type, metadata.workflow)
    video = Media(
        uri=f"s3://{settings.s3_bucket}/{key}", sha256=sha256, content_type=content_type, bytes=path.stat().st_size
    )
    return Receipt("clip", clip_id, camera_id, captured_at, metadata.workflow, video)


def captured(receipt: Receipt, metadata: ClipMetadata) -> ClipCaptured:
    """The event: what was received first, with what is known of it."""
    return ClipCaptured(
        clip_id=receipt.capture_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        workflow=receipt.workflow or metadata.workflow,
        video=receipt.media,
        segments=metadata.segments,
        subject_id=metadata.subject_id,
        source_group=metadata.source_group,
    )
