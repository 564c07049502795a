"""What an upload is and where it goes: ids, object keys and clocks, as pure functions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from libs.common.envelope import stable_id
from libs.common.errors import Conflict, Permanent, UnknownWorkflow
from libs.common.events import Media

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp"}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
ALLOWED = "JPEG, PNG, WebP or BMP"


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
    """A snapshot as it was first received. `announced`: its event is on its way."""

    snapshot_id: str
    camera_id: str
    captured_at: datetime
    workflow: str | None
    image: Media
    announced: bool = False


@dataclass(frozen=True)
class Camera:
    """A source of snapshots."""

    camera_id: str
    title: str | None
    registered_at: datetime
    last_snapshot_at: datetime | None = None


def snapshot_id_of(camera_id: str, captured_at: datetime, sha256: str) -> str:
    """The id of a snapshot whose camera gives it none: the same picture sent again is the same snapshot."""
    return str(stable_id("snapshot", camera_id, captured_at.timestamp(), sha256))


def object_key(camera_id: str, captured_at: datetime, name: str, content_type: str, workflow: str | None) -> str:
    """`snapshots/<workflow|_>/<camera>/<yyyy>/<mm>/<dd>/<name>.<ext>`, the day in UTC."""
    day = captured_at.astimezone(UTC)
    return f"snapshots/{workflow or '_'}/{camera_id}/{day:%Y/%m/%d}/{name}.{EXTENSIONS[content_type]}"


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
    if first.image.sha256 != sent.image.sha256:
        raise Conflict(
            f"Snapshot {sent.snapshot_id!r} exists with other content (sha256 {first.image.sha256}):"
            " give each snapshot an id of its own, or none"
        )
    if first.camera_id != sent.camera_id:
        raise Conflict(f"Snapshot {sent.snapshot_id!r} exists as one of another camera: give it an id of its own")


def check_workflow(name: str | None, known: list[str]) -> None:
    """Raises `UnknownWorkflow` for a name no workflow has. While none is known yet, the cleaner will tell."""
    if name is not None and known and name not in known:
        raise UnknownWorkflow(f"Workflow {name!r} does not exist; known are {', '.join(known)}. Correct the name")
