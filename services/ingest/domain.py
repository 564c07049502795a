"""What an upload is and where it goes: ids, object keys and clocks, as pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from libs.common.envelope import stable_id
from libs.common.errors import Conflict, Permanent, UnknownWorkflow
from libs.common.events import Media

EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mp2t": "ts",
}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
ALLOWED = "JPEG, PNG, WebP or BMP"
ALLOWED_VIDEO = "MP4, MOV, WebM, MKV, AVI or MPEG-TS"
Kind = Literal["snapshot", "clip"]
TASKS: Mapping[Kind, str] = {"snapshot": "detection", "clip": "temporal"}


@dataclass(frozen=True)
class Picture:
    """What the bytes of an upload say of themselves; width and height are upright."""

    sha256: str
    content_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True)
class Receipt:
    """A snapshot or clip as it was first received. `announced`: its event is on its way."""

    kind: Kind
    capture_id: str
    camera_id: str
    captured_at: datetime
    workflow: str | None
    media: Media
    announced: bool = False


@dataclass(frozen=True)
class Camera:
    """A source of snapshots."""

    camera_id: str
    title: str | None
    registered_at: datetime
    last_snapshot_at: datetime | None = None


def capture_id_of(kind: Kind, camera_id: str, captured_at: datetime, sha256: str) -> str:
    """The id of a snapshot or clip whose camera gives it none: the same bytes sent again are the same one."""
    return str(stable_id(kind, camera_id, captured_at.timestamp(), sha256))


def object_key(
    kind: Kind, camera_id: str, captured_at: datetime, name: str, content_type: str, workflow: str | None
) -> str:
    """`snapshots/<workflow|_>/<camera>/<yyyy>/<mm>/<dd>/<name>.<ext>`, the day in UTC; `clips/...` alike."""
    day = captured_at.astimezone(UTC)
    return f"{kind}s/{workflow or '_'}/{camera_id}/{day:%Y/%m/%d}/{name}.{EXTENSIONS[content_type]}"


def camera_of(key: str) -> str:
    """The camera whose object this is. Raises `Permanent` for a key that `object_key` does not make."""
    parts = key.split("/")
    if len(parts) != 7 or parts[0] not in {f"{kind}s" for kind in TASKS}:
        raise Permanent(f"{key[:200]!r} is no place of an upload: use the `uri` that the upload began with")
    return parts[2]


def check_clock(captured_at: datetime, now: datetime, *, tolerance_seconds: float) -> None:
    """Raises `Permanent` for a time that has not come yet, or of a clock that was never set."""
    if captured_at > now + timedelta(seconds=tolerance_seconds):
        raise Permanent(
            f"captured_at {captured_at.isoformat()} lies in the future (here it is {now.isoformat()}):"
            " set the camera's clock, or leave captured_at out"
        )
    if captured_at < EARLIEST:
        raise Permanent(
            f"captured_at {captured_at.isoformat()} is of a clock that was never set:"
            " set the camera's clock, or leave captured_at out"
        )


def check_same(first: Receipt, sent: Receipt) -> None:
    """Raises `Conflict` when an id stands for another picture, or for one of another camera."""
    if first.media.sha256 != sent.media.sha256:
        raise Conflict(
            f"{sent.kind.capitalize()} {sent.capture_id!r} exists with other content (sha256 {first.media.sha256}):"
            f" give each {sent.kind} an id of its own, or none"
        )
    if first.camera_id != sent.camera_id:
        raise Conflict(
            f"{sent.kind.capitalize()} {sent.capture_id!r} exists as one of another camera: give it an id of its own"
        )


def check_workflow(kind: Kind, name: str | None, tasks: Mapping[str, str]) -> None:
    """Raises `UnknownWorkflow` for a name no workflow has, `Permanent` for a clip of a workflow about snapshots or the other
    way round. `tasks`: those of the known workflows by name; while none is known yet, the cleaner will tell.
    """
    if name is None or not tasks:
        return
    if name not in tasks:
        raise UnknownWorkflow(
            f"Workflow {name!r} does not exist; known are {', '.join(sorted(tasks))}. Correct the name"
        )
    wanted = TASKS[kind]
    if tasks[name] != wanted:
        fitting = ", ".join(sorted(each for each, task in tasks.items() if task == wanted)) or "none yet"
        raise Permanent(f"Workflow {name!r} takes no {kind}s; those that do: {fitting}")
