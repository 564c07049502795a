"""`POST /v1/uploads`: a link a camera puts its bytes at by itself, before it announces the snapshot or clip on Kafka."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, Field

from libs.common.events import Body, ExternalId, Name, Sha256
from libs.common.http import PROBLEMS, Principal, requires
from libs.common.objects import Objects
from services.ingest.api.forms import speaking_for
from services.ingest.api.parts import too_large
from services.ingest.domain import Kind, check_clock, check_workflow, object_key
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


@router.post("/uploads")
async def make_upload_link(
    body: UploadRequest, request: Request, principal: Annotated[Principal, Depends(ingester)]
) -> UploadLink:
    """A presigned PUT for one object of the caller's camera."""
    settings: Settings = request.app.state.settings
    objects: Objects = request.app.state.objects
    clock: Callable[[], datetime] = request.app.state.clock
    kind: Kind = "clip" if body.content_type.startswith("video/") else "snapshot"
    maximum = settings.maximum_clip_bytes if kind == "clip" else settings.maximum_image_bytes
    if body.bytes > maximum:
        raise too_large(maximum)
    camera_id = await speaking_for(body.camera_id, principal, request.app.state.store)
    captured_at = body.captured_at or clock()
    check_clock(captured_at, clock(), tolerance_seconds=settings.clock_tolerance_seconds)
    check_workflow(kind, body.workflow, await request.app.state.store.workflow_tasks())
    key = object_key(kind, camera_id, captured_at, body.sha256, body.content_type, body.workflow)
    lifetime = timedelta(seconds=settings.upload_link_seconds)
    uri, url = await objects.presigned_put(key, expires=lifetime)
    return UploadLink(uri=uri, url=url, headers={"Content-Type": body.content_type}, expires_at=clock() + lifetime)
