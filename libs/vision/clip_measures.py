"""What a clip really is and looks like, in one pass over its pictures: the numbers by which a cleaner judges it.

A clip is strangers' bytes: call `measure_or_tell` in a child process with memory limits. One small grey picture is kept
at a time, whatever the length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.clip_files import MAXIMUM_PIXELS, clip_pictures, clip_type
from libs.vision.clip_fingerprints import ClipFingerprint, FingerprintMaker
from libs.vision.kept_frames import Told
from libs.vision.quality import Image, measure
from libs.vision.skin import living_parts, moved_pixels, skin_pixels
from libs.vision.video import Picture, UnreadableVideo, probe

MAXIMUM_RATE = 250.0
FROZEN_FROM_SECONDS = 1.0
SAMPLE_SECONDS = 0.5

_VIEW_SIDE = 160
# Of 255, on the blurred view: sensor noise stays below 4, compression's pumping below 6; a finger changes 20 and more.
_STILL_LEVELS = 8
_UNSTEADY_SHARE = 0.02

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClipLook:
    """A clip in numbers; none of them is the header's word but those that `claimed` begins.

    content_type: by the first bytes. codec: as FFmpeg names it. width, height: upright.
    frames: how many decode. seconds: from the first to the end of the last, by their times.
    frames_per_second: mean. rate_varies: more than 2 % of the intervals differ from the usual one by more than a tenth.
    longest_gap_seconds: longest time between two pictures.
    damaged: packets and frames that don't decode, and 1 where the file ends in damage.
    claimed_frames, claimed_seconds: the header's; None where it says nothing.
    brightness, sharpness: medians over pictures half a second apart, defined in `libs.vision.quality.Measures`.
    skin_share: share of looks half a second apart in which something of the colour of skin has moved since the last, 0..1.
    frozen_seconds: longest stretch in which no picture differs from its first beyond sensor noise; gaps do not count.
    frozen_share: share of the clip within such stretches of a second and more, 0..1.
    """

    content_type: str
    codec: str
    width: int
    height: int
    frames: int
    seconds: float
    frames_per_second: float
    rate_varies: bool
    longest_gap_seconds: float
    damaged: int
    claimed_frames: int | None
    claimed_seconds: float | None
    brightness: float
    sharpness: float
    skin_share: float
    frozen_seconds: float
    frozen_share: float
    fingerprint: ClipFingerprint


def measure_clip(path: Path | str, *, maximum_seconds: float = 600.0, maximum_pixels: int = MAXIMUM_PIXELS) -> ClipLook:
    """Look at a whole clip once. Raises UnreadableVideo, in words that say what to do, also for one that is too long or large."""
    kind = clip_type(path)
    looking, damage = _Looking(), list[str]()
    for picture in _within(
        clip_pictures(path, on_damage=damage.append, maximum_pixels=maximum_pixels), path, maximum_seconds
    ):
        looking.at(picture)
    header = probe(path, demuxer=kind.demuxer)
    seconds, usual = _length(looking.times, looking.last_lasts)
    gaps = np.diff(looking.times)
    return ClipLook(
        content_type=kind.content_type,
        codec=header.codec,
        width=looking.size[0],
        height=looking.size[1],
        frames=len(looking.times),
        seconds=seconds,
        frames_per_second=len(looking.times) / seconds if seconds > 0 else 0.0,
        rate_varies=_varies(gaps, usual),
        longest_gap_seconds=float(gaps.max(initial=0.0)),
        damaged=len(damage),
        claimed_frames=header.claimed_frames,
        claimed_seconds=header.claimed_seconds,
        brightness=median(looking.brightness),
        sharpness=median(looking.sharpness),
        skin_share=looking.skin.share,
        **_frozen(looking.stretches, seconds=seconds, usual=usual),
        fingerprint=looking.maker.fingerprint(),
    )


def measure_or_tell(path: Path, maximum_seconds: float, maximum_pixels: int = MAXIMUM_PIXELS) -> ClipLook | Told:
    """`measure_clip` for a child process: what is wrong with the clip comes back as words, never as an error."""
    try:
        return measure_clip(path, maximum_seconds=maximum_seconds, maximum_pixels=maximum_pixels)
    except UnreadableVideo as error:
        return Told(str(error), fatal=True)
    except MemoryError:
        return Told(f"{path} takes more memory than a decoder may have: record or convert it smaller", fatal=True)


def _within(found: Iterator[Picture], path: Path | str, maximum_seconds: float) -> Iterator[Picture]:
    """Those pictures; raises UnreadableVideo once they are too late or too many."""
    for picture in found:
        if picture.seconds > maximum_seconds:
            raise UnreadableVideo(f"{path} is longer than the {maximum_seconds:g} s allowed: cut it into single visits")
        if picture.index > maximum_seconds * MAXIMUM_RATE:
            raise UnreadableVideo(f"{path} holds more than {MAXIMUM_RATE:g} frames a second: convert it to 30")
        yield picture


@dataclass(slots=True)
class _SkinLook:
    """In how many looks bare hands may have moved."""

    before: Image | None = None
    looks: int = 0
    found: int = 0

    @property
    def share(self) -> float:
        return self.found / self.looks if self.looks else 0.0

    def at(self, view: Image) -> None:
        grey = cv2.cvtColor(view, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        if self.before is not None and self.before.shape == grey.shape:
            _, parts = living_parts(skin_pixels(view), moved_pixels(self.before, grey))
            self.looks += 1
            self.found += parts > 0
        self.before = grey


@dataclass(slots=True)
class _Looking:
    """What is remembered of the pictures so far: numbers, one small view, never a picture."""

    size: tuple[int, int] = (0, 0)
    view_size: tuple[int, int] = (0, 0)
    times: list[float] = field(default_factory=list[float])
    last_lasts: float | None = None
    brightness: list[float] = field(default_factory=list[float])
    sharpness: list[float] = field(default_factory=list[float])
    stretches: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    maker: FingerprintMaker = field(default_factory=FingerprintMaker)
    skin: _SkinLook = field(default_factory=_SkinLook)
    _still: Image | None = None
    _due: float = 0.0

    def at(self, picture: Picture) -> None:
        if not self.times:
            self.size, self.view_size = picture.size, _view_size(picture.size)
        self.times.append(picture.seconds)
        self.last_lasts = picture.lasts
        view = picture.upright(self.view_size, pixels="gray8")
        self.maker.add(view, picture.seconds)
        self._compare(cv2.GaussianBlur(view, (5, 5), 0).astype(np.uint8, copy=False), picture.seconds)
        if picture.seconds + 1e-6 >= self._due:
            self._due = picture.seconds + SAMPLE_SECONDS
            measures = measure(picture.upright(pixels="gray8"))
            self.brightness.append(measures.brightness)
            self.sharpness.append(measures.sharpness)
            self.skin.at(picture.upright(self.view_size))

    def _compare(self, view: Image, seconds: float) -> None:
        """With the first picture of the stretch, not the one before: what creeps is not frozen."""
        if self._still is not None and cv2.norm(view, self._still, cv2.NORM_INF) <= _STILL_LEVELS:
            self.stretches[-1] = (self.stretches[-1][0], seconds)
        else:
            self._still = view
            self.stretches.append((seconds, seconds))


def _view_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _VIEW_SIDE / max(size))
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))


def _length(times: list[float], last_lasts: float | None) -> tuple[float, float]:
    """Seconds of the whole, and of the usual interval. The last frame's own claim is believed up to a second."""
    usual = float(np.median(np.diff(times))) if len(times) > 1 else (last_lasts or 0.0)
    believed = last_lasts is not None and last_lasts <= max(1.0, 2 * usual)
    return times[-1] + (last_lasts if last_lasts is not None and believed else usual), usual


def _varies(gaps: FloatArray, usual: float) -> bool:
    # Matroska rounds times to milliseconds.
    unusual = np.abs(gaps - usual) > max(0.1 * usual, 0.002)
    return bool(len(gaps)) and float(unusual.mean()) > _UNSTEADY_SHARE


def _frozen(stretches: list[tuple[float, float]], *, seconds: float, usual: float) -> dict[str, float]:
    lengths = [end - start + usual for start, end in stretches if end > start]
    long_ones = sum(length for length in lengths if length >= FROZEN_FROM_SECONDS)
    return {
        "frozen_seconds": min(seconds, max(lengths, default=0.0)),
        "frozen_share": min(1.0, long_ones / seconds) if seconds > 0 else 0.0,
    }
