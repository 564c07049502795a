"""A video file as a camera: the snapshots it would have sent."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from libs.common.children import ChildDied, ChildTooSlow, Limits, stream_from_child
from libs.common.objects import file_sha256
from libs.local.recordings import Camera
from libs.local.sending import Outgoing, stable_snapshot_id
from libs.vision.change import ChangeRules
from libs.vision.kept_frames import KeptFrame, Told, kept_frames
from libs.vision.video import UnreadableVideo

__all__ = ["DECODER", "ChangeRules", "UnreadableVideo", "snapshots_of_video"]

DECODER = Limits(memory_bytes=4 * 1024**3, seconds=60)
"""Of the child that decodes: enough for 8K; a file that makes it take more, or brood, is no video anybody recorded."""


def snapshots_of_video(
    path: Path,
    camera: Camera,
    *,
    rules: ChangeRules,
    look_every_seconds: float,
    started_at: datetime | None = None,
    on_damage: Callable[[str], None] | None = None,
    limits: Limits = DECODER,
) -> Iterator[Outgoing]:
    """The frames of a video in which something came or moved, in order, as JPEG. Raises UnreadableVideo.

    `look_every_seconds` apart at least are the frames looked at; `started_at` is the time of the first one, by default
    the file's own: the same whenever it is ingested again. A child process within `limits` decodes; what it gave before
    it failed is kept.
    """
    digest, start = file_sha256(path), started_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for frame in _frames_from_child(path, rules, look_every_seconds, on_damage or (lambda _: None), limits):
        facts: dict[str, JsonValue] = {
            "snapshot_id": stable_snapshot_id(camera.camera_id, camera.workflow, digest, frame.index),
            "captured_at": (start + timedelta(seconds=frame.seconds)).isoformat(),
        }
        yield Outgoing(f"{path.stem}-{frame.seconds:08.2f}s.jpg", _loader(frame.jpeg), facts | camera.facts())


def _frames_from_child(
    path: Path, rules: ChangeRules, every: float, on_damage: Callable[[str], None], limits: Limits
) -> Iterator[KeptFrame]:
    try:
        for each in stream_from_child(limits, kept_frames, path, rules, every):
            if isinstance(each, KeptFrame):
                yield each
            elif isinstance(each, Told) and each.fatal:
                raise UnreadableVideo(each.text)
            elif isinstance(each, Told):
                on_damage(each.text)
    except (ChildDied, ChildTooSlow) as error:
        raise UnreadableVideo(f"{path} can't be decoded: {error}") from error


def _loader(jpeg: bytes) -> Callable[[], bytes]:
    return lambda: jpeg
