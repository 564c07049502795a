"""A video file as a camera: the snapshots or the clips of visits it would have sent."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from libs.common.children import ChildDied, ChildTooSlow, Limits, stream_from_child
from libs.common.objects import file_sha256
from libs.local.recordings import Camera
from libs.local.sending import Outgoing, stable_snapshot_id
from libs.vision.change import ChangeRules
from libs.vision.cut_visits import cut_visits
from libs.vision.kept_frames import KeptFrame, Told, kept_frames
from libs.vision.video import UnreadableVideo
from libs.vision.visits import VisitRules, Zone

__all__ = ["DECODER", "ChangeRules", "UnreadableVideo", "VisitRules", "clips_of_video", "snapshots_of_video"]

T = TypeVar("T")
DECODER = Limits(memory_bytes=4 * 1024**3, seconds=60)
"""Of the child that decodes: enough for 8K; a file that makes it take more, or brood, is no video anybody recorded."""

CUTTER = Limits(memory_bytes=4 * 1024**3, seconds=600)
"""Of the child that finds and cuts visits: it is silent while it learns the background and while it writes a visit."""


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
    digest, start = file_sha256(path), started_at or _file_time(path)
    for frame in _frames_from_child(path, rules, look_every_seconds, on_damage or (lambda _: None), limits):
        facts: dict[str, JsonValue] = {
            "snapshot_id": stable_snapshot_id(camera.camera_id, camera.workflow, digest, frame.index),
            "captured_at": (start + timedelta(seconds=frame.seconds)).isoformat(),
        }
        yield Outgoing(f"{path.stem}-{frame.seconds:08.2f}s.jpg", _loader(frame.jpeg), facts | camera.facts())


def clips_of_video(
    path: Path,
    camera: Camera,
    folder: Path,
    *,
    zone: Zone | None = None,
    rules: VisitRules | None = None,
    started_at: datetime | None = None,
    on_damage: Callable[[str], None] | None = None,
    limits: Limits = CUTTER,
) -> Iterator[Outgoing]:
    """The visits to `zone` in a recording of a fixed camera, in order, each as a clip. Raises UnreadableVideo.

    Clips of one recording share their source group, its digest. They are written to `folder`, which must last until they are
    sent. A child process within `limits` decodes; what it gave before it failed is kept.
    """
    digest, start = file_sha256(path), started_at or _file_time(path)
    coming = stream_from_child(limits, cut_visits, path, zone, rules or VisitRules(), folder)
    for visit in _results(path, coming, on_damage or (lambda _: None)):
        begin, end = visit.start_seconds, visit.end_seconds
        facts: dict[str, JsonValue] = {
            "clip_id": stable_snapshot_id(camera.camera_id, camera.workflow, digest, begin, end),
            "captured_at": (start + timedelta(seconds=begin)).isoformat(),
            "source_group": digest,
        }
        name = f"{path.stem}-{begin:08.2f}s.mp4"
        yield Outgoing(name, visit.path.read_bytes, facts | camera.facts(), kind="clip")


def _file_time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _frames_from_child(
    path: Path, rules: ChangeRules, every: float, on_damage: Callable[[str], None], limits: Limits
) -> Iterator[KeptFrame]:
    yield from _results(path, stream_from_child(limits, kept_frames, path, rules, every), on_damage)


def _results(path: Path, coming: Iterator[T | Told | None], on_damage: Callable[[str], None]) -> Iterator[T]:
    """What comes without words and signs of life. Raises UnreadableVideo for words that are fatal, and a dead child."""
    try:
        for each in coming:
            if isinstance(each, Told):
                if each.fatal:
                    raise UnreadableVideo(each.text)
                on_damage(each.text)
            elif each is not None:
                yield each
    except (ChildDied, ChildTooSlow) as error:
        raise UnreadableVideo(f"{path} can't be decoded: {error}") from error


def _loader(jpeg: bytes) -> Callable[[], bytes]:
    return lambda: jpeg
