"""The frames of a video worth keeping, as JPEG: the work of a child process, for a video is strangers' bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from libs.vision.change import ChangeRules, ChangeSampler
from libs.vision.quality import Image
from libs.vision.video import UnreadableVideo, frames

_JPEG_QUALITY = 92
_SIGN_OF_LIFE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame in which something came or moved: its number and time in the video, and its pixels as JPEG."""

    index: int
    seconds: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """Words about the video: some damage, or (`fatal`) why it can't be read any further."""

    text: str
    fatal: bool = False


def kept_frames(path: Path, rules: ChangeRules, look_every_seconds: float) -> Iterator[KeptFrame | Told | None]:
    """Kept frames in order, what is said on the way, and None as a sign of life.

    Frames are looked at `look_every_seconds` apart at least. Nothing is raised for a bad video: its last word is fatal.
    """
    told: list[str] = []
    try:
        for frame in _looked_at(path, rules, look_every_seconds, told):
            yield from _said(told)
            yield frame
    except UnreadableVideo as error:
        yield Told(str(error), fatal=True)
    except MemoryError:
        yield Told(f"{path} takes more memory than a decoder may have", fatal=True)
    yield from _said(told)


def _looked_at(path: Path, rules: ChangeRules, every: float, told: list[str]) -> Iterator[KeptFrame | None]:
    sampler, due = ChangeSampler(rules), 0.0
    for frame in frames(path, every_seconds=min(every, _SIGN_OF_LIFE_SECONDS), on_damage=told.append):
        looked_at = frame.seconds + 1e-6 >= due
        due = frame.seconds + every if looked_at else due
        kept = looked_at and sampler.keep(frame.image, frame.seconds)
        yield KeptFrame(frame.index, frame.seconds, _jpeg(frame.image)) if kept else None


def _said(told: list[str]) -> Iterator[Told]:
    yield from map(Told, told)
    told.clear()


def _jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
