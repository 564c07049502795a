"""From the long recording of a fixed camera to one clip per visit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, dropwhile, takewhile
from pathlib import Path

from libs.vision.clip_files import MAXIMUM_PIXELS, clip_pictures, expected_rate
from libs.vision.mp4 import Mp4Writer, even_size
from libs.vision.presence import Visit, VisitRules, Zone, presence, visits_of, zone_mask
from libs.vision.quality import Image
from libs.vision.video import Picture

__all__ = ["Visit", "VisitRules", "Written", "Zone", "cut", "find_visits", "looks"]

_VIEW_SIDE = 96


def find_visits(
    path: Path | str,
    *,
    zone: Zone | None = None,
    rules: VisitRules | None = None,
    on_damage: Callable[[str], None] | None = None,
    maximum_pixels: int = MAXIMUM_PIXELS,
) -> tuple[Visit, ...]:
    """The whole visits to `zone` (the whole picture for None) in the recording of a fixed camera, in time order.

    A visit that is under way when the recording begins or ends is there too, from its first or to its last moment. Raises
    UnreadableVideo, and ValueError for a zone that is none.
    """
    rules = rules or VisitRules()
    return visits_of(looks(path, zone=zone, rules=rules, on_damage=on_damage, maximum_pixels=maximum_pixels), rules)


def looks(
    path: Path | str,
    *,
    zone: Zone | None,
    rules: VisitRules,
    on_damage: Callable[[str], None] | None = None,
    maximum_pixels: int = MAXIMUM_PIXELS,
) -> Iterator[tuple[float, bool]]:
    """What `find_visits` decides from: moments (seconds) with whether somebody is in the zone. Raises as it does."""
    zone_mask(zone, (_VIEW_SIDE, _VIEW_SIDE))  # a wrong zone is told before an hour of decoding
    found = clip_pictures(path, on_damage=on_damage, maximum_pixels=maximum_pixels)
    yield from presence(_views(found, rules.look_every_seconds), rules, zone=zone)


def _views(found: Iterator[Picture], every: float) -> Iterator[tuple[float, Image]]:
    """Small grey pictures `every` seconds, and the last one again at the end of the recording."""
    due, size, end = 0.0, (0, 0), 0.0
    view: Image | None = None
    for picture in found:
        end = picture.seconds + min(picture.lasts or 0.0, 1.0)
        if picture.seconds + 1e-6 >= due:
            due = picture.seconds + every
            size = size if view is not None else _view_size(picture.size)
            view = picture.upright(size, pixels="gray8")
            yield picture.seconds, view
    if view is not None:
        yield end, view


def _view_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _VIEW_SIDE / max(size))
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many pictures, and the length in seconds."""

    frames: int
    seconds: float


def cut(
    path: Path | str,
    start_seconds: float,
    end_seconds: float,
    out: Path | str,
    *,
    quality: int = 20,
    maximum_pixels: int = MAXIMUM_PIXELS,
) -> Written:
    """Write the part of a video from `start_seconds` to `end_seconds` as H.264 MP4: exact, upright, without sound.

    Encoded anew, for exact cuts begin between key frames. Pictures keep their times to one another, also at a varying rate;
    the first is at 0. Raises UnreadableVideo, and ValueError for a part in which there is no picture.
    """
    if not 0 <= start_seconds < end_seconds:
        raise ValueError(f"A part from {start_seconds} s to {end_seconds} s is none")
    found = clip_pictures(path, maximum_pixels=maximum_pixels, from_seconds=start_seconds)
    part = _between(found, start_seconds - 1e-6, end_seconds - 1e-6)
    first = next(part, None)
    if first is None:
        raise ValueError(f"{path} has no picture between {start_seconds} s and {end_seconds} s")
    size, rate = even_size(first.size), expected_rate(path)
    count, length = 0, 0.0
    with Mp4Writer(out, size=size, frames_per_second=rate, quality=quality) as writer:
        for picture in chain([first], part):
            lasts = min(picture.lasts or 1 / rate, end_seconds - picture.seconds)
            writer.write(picture.upright(size), picture.seconds - first.seconds, lasts=lasts)
            count, length = count + 1, picture.seconds - first.seconds + lasts
    return Written(count, length)


def _between(found: Iterator[Picture], start: float, end: float) -> Iterator[Picture]:
    late_enough = dropwhile(lambda picture: picture.seconds < start, found)
    return takewhile(lambda picture: picture.seconds < end, late_enough)
