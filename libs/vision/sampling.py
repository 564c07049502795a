"""Frames of a video at a constant rate, whatever its own: what an extractor of features is fed."""

from collections.abc import Callable, Iterator
from pathlib import Path

from libs.vision.clip_files import MAXIMUM_PIXELS, clip_pictures
from libs.vision.clip_types import UnreadableVideo
from libs.vision.video import Frame, Picture

LONGEST_SECONDS = 3600.0
CLOCK_SECONDS = 0.0025
"""How far a container's clock is off: some count whole milliseconds, so that frame 6 of 30 a second is not at 0.2 s."""


def frames_at(
    path: Path | str,
    frames_per_second: float,
    *,
    longest_seconds: float = LONGEST_SECONDS,
    maximum_pixels: int = MAXIMUM_PIXELS,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """A frame for every moment `t / frames_per_second` from the first frame to the last, whatever the video's own rate.

    It is the last one at or before the moment, with its own time; where the video pauses, the same one again. Damage as
    in `libs.vision.video.frames`. Raises UnreadableVideo, also for a video whose clock runs past `longest_seconds`.
    """
    if not frames_per_second > 0:
        raise ValueError(f"{frames_per_second} frames a second is no rate")
    found = clip_pictures(path, on_damage=on_damage, maximum_pixels=maximum_pixels)
    yield from _at_moments(_no_longer_than(found, longest_seconds, path), frames_per_second)


def _no_longer_than(found: Iterator[Picture], seconds: float, path: Path | str) -> Iterator[Picture]:
    for each in found:
        if each.seconds > seconds:
            raise UnreadableVideo(f"{path} lasts more than {seconds:g} s by its clock: cut it into shorter clips")
        yield each


def _at_moments(found: Iterator[Picture], rate: float) -> Iterator[Frame]:
    moment, latest = 0, None
    shown: Frame | None = None
    for each in found:
        while latest is not None and moment / rate < each.seconds - CLOCK_SECONDS:
            shown = shown if shown is not None and shown.index == latest.index else _shown(latest)
            yield shown
            moment += 1
        latest = each
    while latest is not None and moment / rate <= latest.seconds + CLOCK_SECONDS:
        yield _shown(latest)
        moment += 1


def _shown(picture: Picture) -> Frame:
    return Frame(index=picture.index, seconds=picture.seconds, image=picture.upright())
