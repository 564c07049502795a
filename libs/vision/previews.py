"""What a reviewer sees of a clip before opening it: a strip of thumbnails, and a small video that every browser plays."""

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from libs.vision.clip_files import MAXIMUM_PIXELS, clip_pictures, expected_rate, packet_seconds
from libs.vision.drawing import encode_jpeg
from libs.vision.mp4 import Mp4Writer, even_size
from libs.vision.quality import Image
from libs.vision.video import Picture, UnreadableVideo
from libs.vision.visits import Written

_LONGEST_STRIP = 16_000
_LEAST_RATE, _MOST_RATE = 10.0, 30.0
# Of a frame: times rounded to milliseconds must not move a picture to the next one.
_EARLY = 0.25
_BORDER = 2


def thumbnail_strip(
    path: Path | str, *, count: int = 10, height: int = 90, maximum_pixels: int = MAXIMUM_PIXELS
) -> bytes:
    """JPEG of up to `count` upright pictures in one row, evenly spread over the clip by time; fewer if it has fewer.

    Raises UnreadableVideo, and ValueError for a strip that would be too long or is empty.
    """
    if count < 1 or height < 8:
        raise ValueError(f"A strip of {count} pictures, {height} pixels high, shows nothing")
    step = packet_seconds(path) / count
    thumbnails: list[Image] = []
    for picture in clip_pictures(path, maximum_pixels=maximum_pixels):
        # What is cut off or stands still in time may leave the strip shorter, never with one picture twice.
        if (
            len(thumbnails) < count
            and picture.seconds + 1e-6 >= (len(thumbnails) + 0.5) * step - (picture.lasts or 0.0) / 2
        ):
            thumbnails.append(_thumbnail(picture, height))
            if len(thumbnails) * (thumbnails[0].shape[1] + _BORDER) > _LONGEST_STRIP:
                raise ValueError(f"A strip of {count} pictures, {height} pixels high, is too long: ask for fewer")
    return encode_jpeg(_in_a_row(thumbnails))


def _thumbnail(picture: Picture, height: int) -> Image:
    width, high = picture.size
    return picture.upright((max(1, round(width * height / high)), height))


def _in_a_row(thumbnails: list[Image]) -> Image:
    """All as wide as the first one, whatever became of the video's size, with a thin white line between."""
    height, width = thumbnails[0].shape[:2]
    line = np.full((height, _BORDER, 3), 255, np.uint8)
    parts: list[Image] = []
    for thumbnail in thumbnails:
        parts += [line, cv2.resize(thumbnail, (width, height)).astype(np.uint8, copy=False)]
    return np.ascontiguousarray(np.concatenate(parts[1:], axis=1))


def preview(
    path: Path | str,
    out: Path | str,
    *,
    height: int = 360,
    maximum_seconds: float = 3600.0,
    maximum_pixels: int = MAXIMUM_PIXELS,
) -> Written:
    """Write a small H.264 MP4 (main profile, yuv420p, index first, no sound), upright, at a constant rate of 10 to 30 a second.

    No picture is enlarged. Raises UnreadableVideo, also for more than `maximum_seconds`.
    """
    rate = min(_MOST_RATE, max(_LEAST_RATE, expected_rate(path)))
    found = clip_pictures(path, maximum_pixels=maximum_pixels)
    first = next(found)
    size, count = even_size(first.size, height=min(height, first.size[1])), 0
    with Mp4Writer(out, size=size, frames_per_second=rate, quality=26) as writer:
        for picture, times in _at_constant_rate(first, found, rate):
            if picture.seconds > maximum_seconds or (count + times) / rate > maximum_seconds + 1:
                raise UnreadableVideo(f"{path} is longer than the {maximum_seconds:g} s allowed: cut it into parts")
            if not times:
                continue
            image = picture.upright(size)
            for _ in range(times):
                writer.write(image, count / rate)
                count += 1
    return Written(count, count / rate)


def _at_constant_rate(first: Picture, rest: Iterator[Picture], rate: float) -> Iterator[tuple[Picture, int]]:
    """Each picture and how often it is shown: 0 times where the source is faster."""
    before, shown = first, 0
    for picture in rest:
        until = ceil(picture.seconds * rate - _EARLY)
        yield before, max(0, until - shown)
        before, shown = picture, max(shown, until)
    end = before.seconds + min(before.lasts or 1 / rate, 1.0)
    yield before, max(1, round(end * rate) - shown)
