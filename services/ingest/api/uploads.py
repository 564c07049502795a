"""`POST /v1/uploads`: links a camera puts its bytes at by itself, before it announces the snapshot or clip on Kafka."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field

from libs.common.errors import NotFound
from libs.common.events import Body, ExternalId, Name, ObjectUri, Sha256
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.multipart_uploads import MultipartUploads
from libs.common.objects import Objects, split_uri
from services.ingest.api.forms import speaking_for
from services.ingest.api.parts import too_large
from services.ingest.domain import Kind, camera_of, check_clock, check_workflow, object_key
from services.ingest.settings import Settings

router = APIRouter(prefix="/v1", responses=PROBLEMS, tags=["uploads"])
ingester = requires("ingest")


class UploadRequest(Body):
    """What will be uploaded. `sha256` names the object, so a link never overwrites another picture or clip."""

    camera_id: ExternalId | None = None
    content_type: Literal[
        "image/jpeg", "image/png", "image/webp", "image/bmp", "video/mp4", "video/quicktime", "video/webm",
        "video/x-matroska", "video/x-msvideo", "video/mp2t",
    ]  # fmt: skip
    sha256: Sha256
    bytes: Annotated[int, Field(ge=1)]
    captured_at: AwareDatetime | None = None
    workflow: Name | None = None


class UploadLink(Body):
    """PUT the bytes at `url` with these headers, then announce `uri` in `snapshot.captured` or `clip.captured`."""

    uri: str
    url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: datetime


class PartedUpload(Body):
    """An upload in parts, as its beginning named it: keep this until the upload is complete."""

    uri: ObjectUri
    upload_id: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[\x21-\x7e]+$")]
    bytes: Annotated[int, Field(ge=1)]


class PartLink(Body):
    """PUT `bytes` bytes of the file, from `offset` on, at `url`."""

    number: int
    offset: int
    bytes: int
    url: str
    method: Literal["PUT"] = "PUT"


class MissingParts(PartedUpload):
    """What has not arrived yet, in any order. None missing: complete it."""

    missing: tuple[PartLink, ...]
    expires_at: datetime


class Uploaded(Body):
    """The whole object: announce `uri` in `snapshot.captured` or `clip.captured`."""

    uri: str
    bytes: int


@router.post("/uploads")
async def make_upload_link(
    body: UploadRequest, request: Request, principal: Annotated[Principal, Depends(ingester)]
) -> UploadLink:
    """A presigned PUT for one object of the caller's camera."""
    objects: Objects = request.app.state.objects
    key = await _checked_key(body, request, principal)
    lifetime, expires_at = _lifetime(request)
    uri, url = await objects.presigned_put(key, expires=lifetime)
    return UploadLink(uri=uri, url=url, headers={"Content-Type": body.content_type}, expires_at=expires_at)


@router.post("/uploads/parts")
async def begin_upload_in_parts(
    body: UploadRequest, request: Request, principal: Annotated[Principal, Depends(ingester)]
) -> MissingParts:
    """Begin an upload that a broken line does not send back to its start: a presigned PUT for each part of the file."""
    settings: Settings = request.app.state.settings
    uploads: MultipartUploads = request.app.state.uploads
    key = await _checked_key(body, request, principal)
    upload_id = await uploads.begin(key, body.content_type)
    begun = PartedUpload(uri=f"s3://{settings.s3_bucket}/{key}", upload_id=upload_id, bytes=body.bytes)
    return await _missing_parts(begun, key, request)


@router.post("/uploads/parts/missing")
async def list_missing_parts(
    body: PartedUpload, request: Request, principal: Annotated[Principal, Depends(ingester)]
) -> MissingParts:
    """Go on after a break, or when links have run out: fresh links for the parts that have not arrived."""
    return await _missing_parts(body, _own_key(body, request, principal), request)


@router.post("/uploads/parts/complete")
async def complete_upload(
    body: PartedUpload, request: Request, principal: Annotated[Principal, Depends(ingester)]
) -> Uploaded:
    """Make the parts one object. Asked again, the answer is the same."""
    objects: Objects = request.app.state.objects
    uploads: MultipartUploads = request.app.state.uploads
    key = _own_key(body, request, principal)
    try:
        await uploads.complete(key, body.upload_id, body.bytes)
    except NotFound as error:
        if not await objects.exists(body.uri):
            raise _gone(body) from error
    return Uploaded(uri=body.uri, bytes=body.bytes)


async def _checked_key(body: UploadRequest, request: Request, principal: Principal) -> str:
    """Where the object will lie. What would be refused once it has arrived is refused now."""
    settings: Settings = request.app.state.settings
    clock: Callable[[], datetime] = request.app.state.clock
    kind: Kind = "clip" if body.content_type.startswith("video/") else "snapshot"
    maximum = settings.maximum_clip_bytes if kind == "clip" else settings.maximum_image_bytes
    if body.bytes > maximum:
        raise too_large(maximum)
    camera_id = await speaking_for(body.camera_id, principal, request.app.state.store)
    captured_at = body.captured_at or clock()
    check_clock(captured_at, clock(), tolerance_seconds=settings.clock_tolerance_seconds)
    check_workflow(kind, body.workflow, await request.app.state.store.workflow_tasks())
    return object_key(kind, camera_id, captured_at, body.sha256, body.content_type, body.workflow)


def _own_key(upload: PartedUpload, request: Request, principal: Principal) -> str:
    settings: Settings = request.app.state.settings
    if upload.bytes > settings.maximum_clip_bytes:
        raise too_large(settings.maximum_clip_bytes)
    bucket, key = split_uri(upload.uri)
    if bucket != settings.s3_bucket:
        raise NotFound(f"Uploads go to the bucket {settings.s3_bucket!r}, not to {bucket!r}: use the `uri` given")
    principal.require_camera(camera_of(key))
    return key


def _lifetime(request: Request) -> tuple[timedelta, datetime]:
    settings: Settings = request.app.state.settings
    clock: Callable[[], datetime] = request.app.state.clock
    lifetime = timedelta(seconds=settings.upload_link_seconds)
    return lifetime, clock() + lifetime


async def _missing_parts(upload: PartedUpload, key: str, request: Request) -> MissingParts:
    uploads: MultipartUploads = request.app.state.uploads
    lifetime, expires_at = _lifetime(request)
    try:
        missing = await uploads.missing(key, upload.upload_id, upload.bytes)
    except NotFound as error:
        raise _gone(upload) from error

    urls = await uploads.links(key, upload.upload_id, missing, expires=lifetime)
    links = tuple(
        PartLink(number=part.number, offset=part.offset, bytes=part.bytes, url=url)
        for part, url in zip(missing, urls, strict=True)
    )
    return MissingParts(**upload.model_dump(), missing=links, expires_at=expires_at)


def _gone(upload: PartedUpload) -> NotFound:
    return NotFound(f"{upload.uri} has no such upload (any more): begin again with POST /v1/uploads/parts")
