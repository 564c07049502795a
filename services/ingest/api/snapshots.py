"""`POST /v1/snapshots`: a camera hands over a still. Stored, announced, answered; again, and the answer is the first."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, JsonValue
from starlette.exceptions import HTTPException

from libs.common import telemetry
from libs.common.errors import CamloopError
from libs.common.events import (
    Annotations,
    Body,
    Detections,
    ExternalId,
    Media,
    ModelRef,
    Name,
    SnapshotCaptured,
)
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.objects import Objects, split_uri
from services.ingest.api.forms import check_fits, multipart, parse_metadata, speaking_for
from services.ingest.api.parts import image_bytes, limited_form, metadata_text
from services.ingest.domain import (
    Picture,
    Receipt,
    capture_id_of,
    check_clock,
    check_same,
    check_workflow,
    object_key,
)
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from services.ingest.vision import inspect

log = structlog.get_logger()
router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["snapshots"])
ingester = requires("ingest")


class SnapshotMetadata(Body):
    """What is known of a snapshot beside its pixels: the fields of `snapshot.captured`, all optional.

    `camera_id` may be left out with a camera's own token, `captured_at` means now, `snapshot_id` is then derived.
    """

    snapshot_id: ExternalId | None = None
    camera_id: ExternalId | None = None
    captured_at: AwareDatetime | None = None
    workflow: Name | None = None
    violation_type: str | None = None
    detections: Detections | None = None
    detected_by: ModelRef | None = None
    annotations: Annotations | None = None
    zone_events: tuple[dict[str, JsonValue], ...] | None = None
    source_group: str | None = None


class SnapshotAccepted(Body):
    """The snapshot as it was first received. The same one sent again is answered alike."""

    snapshot_id: str
    camera_id: str
    captured_at: datetime
    workflow: str | None
    image: Media


@router.post("/snapshots", status_code=202, openapi_extra=multipart("image", SnapshotMetadata))
async def accept_snapshot(request: Request, principal: Annotated[Principal, Depends(ingester)]) -> SnapshotAccepted:
    """Multipart: `image` (JPEG, PNG, WebP or BMP, told by its content) and `metadata` (JSON)."""
    try:
        receipt, repeated = await _accept(request, principal)
    except (CamloopError, HTTPException):
        telemetry.uploads.labels("refused").inc()
        raise
    telemetry.uploads.labels("repeated" if repeated else "accepted").inc()
    log.info("snapshot_received", snapshot_id=receipt.capture_id, camera_id=receipt.camera_id, repeated=repeated)
    return SnapshotAccepted(
        snapshot_id=receipt.capture_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        workflow=receipt.workflow,
        image=receipt.media,
    )


async def _accept(request: Request, principal: Principal) -> tuple[Receipt, bool]:
    settings: Settings = request.app.state.settings
    store: IngestStore = request.app.state.store
    objects: Objects = request.app.state.objects
    clock: Callable[[], datetime] = request.app.state.clock
    async with limited_form(request, maximum_bytes=settings.maximum_image_bytes) as form:
        metadata = parse_metadata(await metadata_text(form), SnapshotMetadata)
        data = await image_bytes(form, maximum_bytes=settings.maximum_image_bytes)
    camera_id = await speaking_for(metadata.camera_id, principal, store)
    captured_at = metadata.captured_at or clock()
    check_clock(captured_at, clock(), tolerance_seconds=settings.clock_tolerance_seconds)
    check_workflow("snapshot", metadata.workflow, await store.workflow_tasks())
    picture = await asyncio.to_thread(inspect, data, max_pixels=settings.maximum_pixels)
    sent = new_receipt(metadata, picture, camera_id, captured_at, settings.s3_bucket)
    check_fits(captured(sent, metadata))
    first = await store.claim(sent)
    check_same(first, sent)
    if first.announced:
        return first, True
    await objects.put(split_uri(first.media.uri)[1], data, picture.content_type)
    return first, not await store.announce(captured(first, metadata))


def new_receipt(
    metadata: SnapshotMetadata, picture: Picture, camera_id: str, captured_at: datetime, bucket: str
) -> Receipt:
    """The receipt of a snapshot that is new, with the place its bytes will have."""
    snapshot_id = metadata.snapshot_id or capture_id_of("snapshot", camera_id, captured_at, picture.sha256)
    key = object_key("snapshot", camera_id, captured_at, snapshot_id, picture.content_type, metadata.workflow)
    image = Media(
        uri=f"s3://{bucket}/{key}",
        sha256=picture.sha256,
        content_type=picture.content_type,
        bytes=picture.bytes,
        width=picture.width,
        height=picture.height,
    )
    return Receipt("snapshot", snapshot_id, camera_id, captured_at, metadata.workflow, image)


def captured(receipt: Receipt, metadata: SnapshotMetadata) -> SnapshotCaptured:
    """The event: what was received first, with what is known of it."""
    return SnapshotCaptured(
        snapshot_id=receipt.capture_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        image=receipt.media,
        workflow=receipt.workflow,
        **metadata.model_dump(exclude={"snapshot_id", "camera_id", "captured_at", "workflow"}),
    )
