"""`POST /v1/snapshots`: a camera hands over a still. Stored, announced, answered; again, and the answer is the first."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, cast

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, JsonValue, ValidationError
from starlette.exceptions import HTTPException

from libs.common import outbox, telemetry
from libs.common.errors import CamloopError, NotFound, Permanent
from libs.common.events import (
    Annotations,
    Body,
    Detections,
    ExternalId,
    Media,
    ModelRef,
    Name,
    SnapshotCaptured,
    to_json,
)
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.objects import Objects, split_uri
from services.ingest.api.parts import image_bytes, limited_form, metadata_text
from services.ingest.domain import (
    Picture,
    Receipt,
    check_clock,
    check_same,
    check_workflow,
    object_key,
    snapshot_id_of,
)
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from services.ingest.vision import inspect

log = structlog.get_logger()
router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["snapshots"])
ingester = requires("ingest")
# JSON has no other way to write it; an even number of backslashes before the `u` would be text about it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


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


def _multipart() -> dict[str, Any]:
    schema = SnapshotMetadata.model_json_schema()
    parts: dict[str, Any] = {
        "image": {"type": "string", "format": "binary"},
        "metadata": _inlined(schema, schema.pop("$defs")),
    }
    form = {"type": "object", "required": ["image"], "properties": parts}
    encoding = {"metadata": {"contentType": "application/json"}}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form, "encoding": encoding}}}
    }


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references: they would point nowhere inside an OpenAPI document."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    reference = str(fields.get("$ref", "")).removeprefix("#/$defs/")
    if reference in definitions:
        return _inlined(definitions[reference], definitions)
    # JsonValue may hold anything, itself too.
    return {} if reference else {name: _inlined(each, definitions) for name, each in fields.items()}


@router.post("/snapshots", status_code=202, openapi_extra=_multipart())
async def accept_snapshot(request: Request, principal: Annotated[Principal, Depends(ingester)]) -> SnapshotAccepted:
    """Multipart: `image` (JPEG, PNG, WebP or BMP, told by its content) and `metadata` (JSON)."""
    try:
        receipt, repeated = await _accept(request, principal)
    except (CamloopError, HTTPException):
        telemetry.uploads.labels("refused").inc()
        raise
    telemetry.uploads.labels("repeated" if repeated else "accepted").inc()
    log.info("snapshot_received", snapshot_id=receipt.snapshot_id, camera_id=receipt.camera_id, repeated=repeated)
    return SnapshotAccepted(
        snapshot_id=receipt.snapshot_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        workflow=receipt.workflow,
        image=receipt.image,
    )


async def _accept(request: Request, principal: Principal) -> tuple[Receipt, bool]:
    settings: Settings = request.app.state.settings
    store: IngestStore = request.app.state.store
    objects: Objects = request.app.state.objects
    clock: Callable[[], datetime] = request.app.state.clock
    async with limited_form(request, maximum_image_bytes=settings.maximum_image_bytes) as form:
        metadata = parse_metadata(await metadata_text(form))
        data = await image_bytes(form, maximum_image_bytes=settings.maximum_image_bytes)
    camera_id = await speaking_for(metadata.camera_id, principal, store)
    captured_at = metadata.captured_at or clock()
    check_clock(captured_at, clock(), tolerance_seconds=settings.clock_tolerance_seconds)
    check_workflow(metadata.workflow, await store.workflow_names())
    picture = await asyncio.to_thread(inspect, data, max_pixels=settings.maximum_pixels)
    sent = new_receipt(metadata, picture, camera_id, captured_at, settings.s3_bucket)
    check_fits(captured(sent, metadata))
    first = await store.claim(sent)
    check_same(first, sent)
    if first.announced:
        return first, True
    await objects.put(split_uri(first.image.uri)[1], data, picture.content_type)
    return first, not await store.announce(captured(first, metadata))


def parse_metadata(text: bytes) -> SnapshotMetadata:
    """Raises `Permanent` with each wrong field and why."""
    if _NUL.search(text):
        raise Permanent("The part `metadata` is wrong: it holds the character U+0000, which no database keeps as text")
    try:
        return SnapshotMetadata.model_validate_json(text)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(('metadata', *map(str, e['loc'])))}: {e['msg']}" for e in error.errors())
        raise Permanent(f"The part `metadata` is wrong: {places}") from error


def check_fits(event: SnapshotCaptured) -> None:
    """Raises `Permanent` for more than an event carries: the relay would try to send it for ever, and nothing after it."""
    size = len(to_json(event))
    if size > outbox.LARGEST_VALUE:
        raise Permanent(
            f"The metadata make an event of {size} bytes, {outbox.LARGEST_VALUE} fit: send fewer detections and zone events"
        )


async def speaking_for(camera_id: str | None, principal: Principal, store: IngestStore) -> str:
    """The camera this snapshot is of. A new one is registered for its own token and for the admin, nobody else."""
    name = camera_id or principal.camera_id
    if name is None:
        raise Permanent("metadata.camera_id is missing: say which camera took the snapshot")
    principal.require_camera(name)
    try:
        await store.camera(name)
    except NotFound:
        if principal.camera_id is None and "admin" not in principal.scopes:
            raise
        await store.register(name)
    return name


def new_receipt(
    metadata: SnapshotMetadata, picture: Picture, camera_id: str, captured_at: datetime, bucket: str
) -> Receipt:
    """The receipt of a snapshot that is new, with the place its bytes will have."""
    snapshot_id = metadata.snapshot_id or snapshot_id_of(camera_id, captured_at, picture.sha256)
    key = object_key(camera_id, captured_at, snapshot_id, picture.content_type, metadata.workflow)
    image = Media(
        uri=f"s3://{bucket}/{key}",
        sha256=picture.sha256,
        content_type=picture.content_type,
        bytes=picture.bytes,
        width=picture.width,
        height=picture.height,
    )
    return Receipt(snapshot_id, camera_id, captured_at, metadata.workflow, image)


def captured(receipt: Receipt, metadata: SnapshotMetadata) -> SnapshotCaptured:
    """The event: what was received first, with what is known of it."""
    return SnapshotCaptured(
        snapshot_id=receipt.snapshot_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        image=receipt.image,
        workflow=receipt.workflow,
        **metadata.model_dump(exclude={"snapshot_id", "camera_id", "captured_at", "workflow"}),
    )
