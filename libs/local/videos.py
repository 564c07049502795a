"""A video file as a camera: the snapshots it would have sent."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from libs.common.objects import file_sha256
from libs.local.recordings import Camera
from libs.local.sending import Outgoing, stable_snapshot_id
from libs.vision.change import ChangeRules, ChangeSampler
from libs.vision.video import UnreadableVideo, frames

__all__ = ["ChangeRules", "UnreadableVideo", "snapshots_of_video"]

_JPEG_QUALITY = 92


def snapshots_of_video(
    path: Path,
    camera: Camera,
    *,
    rules: ChangeRules,
    look_every_seconds: float,
    started_at: datetime | None = None,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Outgoing]:
    """The frames of a video in which something came or moved, in order, as JPEG. Raises UnreadableVideo.

    `look_every_seconds` apart at least are the frames looked at; `started_at` is the time of the first one, by default
    the file's own: the same whenever it is ingested again.
    """
    sampler, digest = ChangeSampler(rules), file_sha256(path)
    start = started_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for frame in frames(path, every_seconds=look_every_seconds, on_damage=on_damage):
        if not sampler.keep(frame.image, frame.seconds):
            continue
        facts: dict[str, JsonValue] = {
            "snapshot_id": stable_snapshot_id(camera.camera_id, camera.workflow, digest, frame.index),
            "captured_at": (start + timedelta(seconds=frame.seconds)).isoformat(),
        }
        yield Outgoing(f"{path.stem}-{frame.seconds:08.2f}s.jpg", partial(_jpeg, frame.image), facts | camera.facts())


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
