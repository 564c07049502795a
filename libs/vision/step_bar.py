"""A clip with what was recognised in it: under the picture the steps along time, where we are, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from libs.vision.clip_files import MAXIMUM_PIXELS, clip_pictures, expected_rate, packet_seconds
from libs.vision.lettering import Colour, Font, can_write, chinese_font_file, fitted, font, wrapped
from libs.vision.mp4 import Mp4Writer, even_size
from libs.vision.quality import Image
from libs.vision.segments import TimedSegment

Tone = Literal["good", "bad", "neutral"]

# RGB, told apart by the colour-blind (Okabe and Ito, and Paul Tol's muted set); the name stands beside it in words.
STEP_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (136, 204, 238), (153, 153, 51), (170, 68, 153), (221, 204, 119), (68, 170, 153),
)  # fmt: skip
_TONES: dict[Tone, Colour] = {"good": (46, 160, 97), "bad": (200, 72, 52), "neutral": (120, 126, 136)}
_GROUND, _TRACK, _WORDS, _QUIET = (24, 26, 31), (52, 56, 64), (240, 242, 245), (160, 166, 176)


@dataclass(frozen=True, slots=True)
class BurnedIn:
    """What was written. `unwritable` are the titles and words no font here could write: names or nothing stand in their place."""

    frames: int
    seconds: float
    width: int
    height: int
    unwritable: tuple[str, ...]


def burn_in(
    path: Path | str,
    out: Path | str,
    segments: Sequence[TimedSegment],
    *,
    titles: Mapping[str, str],
    verdict_words: str | None = None,
    tone: Tone = "neutral",
    height: int | None = None,
    font_file: Path | None = None,
    maximum_pixels: int = MAXIMUM_PIXELS,
) -> BurnedIn:
    """Write the clip with its step bar as H.264 MP4, upright, without sound, pictures at their own times.

    `titles` names steps for people and gives colours in its order; a step without one shows its own name. `height` scales
    the picture without its bar. A font with Chinese is looked for on the machine unless `font_file` names one; what it
    can't write is told in `unwritable`. Raises UnreadableVideo.
    """
    found = clip_pictures(path, maximum_pixels=maximum_pixels)
    first = next(found)
    size, rate = even_size(first.size, height=height), expected_rate(path)
    bar = StepBar(
        segments, titles=titles, verdict_words=verdict_words, tone=tone, width=size[0],
        seconds=packet_seconds(path), font_file=font_file or chinese_font_file(),
    )  # fmt: skip
    whole, count, length = (size[0], size[1] + bar.height), 0, 0.0
    with Mp4Writer(out, size=whole, frames_per_second=rate) as writer:
        for picture in chain([first], found):
            image = np.concatenate([picture.upright(size), bar.at(picture.seconds)])
            lasts = min(picture.lasts or 1 / rate, 1.0)
            writer.write(image, picture.seconds, lasts=lasts)
            count, length = count + 1, picture.seconds + lasts
    return BurnedIn(count, length, *whole, bar.unwritable)


@dataclass(slots=True)
class StepBar:
    """The bar of one clip: all that stays is drawn once, per picture only the cursor, the step and its seconds."""

    segments: Sequence[TimedSegment]
    titles: Mapping[str, str]
    verdict_words: str | None
    tone: Tone
    width: int
    seconds: float
    font_file: Path | None
    height: int = 0
    unwritable: tuple[str, ...] = ()
    _em: int = 0
    _still: Image = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _colours: dict[str, Colour] = field(default_factory=dict[str, Colour])
    _track: tuple[int, int, int, int] = (0, 0, 0, 0)
    _written: tuple[str, Image] | None = None

    def __post_init__(self) -> None:
        self.segments = sorted(self.segments, key=lambda each: (each.start, each.end))
        self.seconds = max([self.seconds, 0.001])
        self._em = max(11, min(34, round(self.width / 44)))
        face = self._face
        steps = dict.fromkeys([*self.titles, *(each.step for each in self.segments)])
        self._colours = {step: STEP_COLOURS[at % len(STEP_COLOURS)] for at, step in enumerate(steps)}
        self._names = {step: _first_writable([self.titles.get(step, step), step], face) for step in steps}
        asked = [
            *(self.titles.get(step, step) for step in steps),
            *([self.verdict_words] if self.verdict_words else []),
        ]
        self.unwritable = tuple(words for words in dict.fromkeys(asked) if not can_write(words, face))
        self._draw_still(face)

    @property
    def _face(self) -> Font:
        return font(self._em, self.font_file)

    def _draw_still(self, face: Font) -> None:
        """Ground, track, segments with their names, and the verdict."""
        em, pad = self._em, round(self._em * 0.6)
        verdict = self.verdict_words if self.verdict_words and can_write(self.verdict_words, face) else ""
        lines = wrapped(verdict, face, self.width - 4 * pad, lines=2) if verdict else []
        top = pad + round(1.5 * em) + pad // 2
        bottom = top + round(1.5 * em)
        self.height = bottom + pad + (round(1.4 * em) * len(lines) + pad // 2 if lines else 0)
        self.height += self.height % 2
        self._track = (pad, top, self.width - pad, bottom)
        canvas = Pillow.new("RGB", (self.width, self.height), _GROUND)
        draw = ImageDraw.Draw(canvas)
        draw.rounded_rectangle(self._track, radius=em // 3, fill=_TRACK)
        for segment in self.segments:
            self._draw_segment(draw, segment, face)
        for at, line in enumerate(lines):
            y = bottom + pad + round(1.4 * em) * at
            if at == 0:
                draw.rectangle(
                    (pad, y, pad + max(3, em // 4), y + round(1.4 * em) * len(lines) - em // 4), fill=_TONES[self.tone]
                )
            draw.text((2 * pad + em // 4, y + 0.6 * em), line, font=face, fill=_WORDS, anchor="lm")
        self._still = _bgr(canvas)

    def _draw_segment(self, draw: ImageDraw.ImageDraw, segment: TimedSegment, face: Font) -> None:
        left, right = self._x(segment.start), self._x(segment.end)
        if right <= left:
            return
        _, top, _, bottom = self._track
        colour = self._colours[segment.step]
        draw.rectangle((left, top, max(left, right - 1), bottom), fill=colour)
        name = fitted(self._names[segment.step], face, right - left - self._em * 0.5)
        draw.text(((left + right) / 2, (top + bottom) / 2), name, font=face, fill=_on(colour), anchor="mm")

    def _x(self, seconds: float) -> int:
        left, _, right, _ = self._track
        return round(left + (right - left) * min(1.0, max(0.0, seconds / self.seconds)))

    def at(self, seconds: float) -> Image:
        """The bar at this moment, uint8 BGR [height, width, 3]."""
        image = self._still.copy()
        _, top, _, bottom = self._track
        x, wide = self._x(seconds), max(1, self._em // 7)
        head = self._head(seconds)
        image[: head.shape[0]] = head
        cv2.rectangle(image, (x - wide, top - wide * 2), (x + wide, bottom + wide * 2), (0, 0, 0), cv2.FILLED)
        cv2.rectangle(
            image, (x - wide // 2, top - wide * 2), (x + wide // 2, bottom + wide * 2), (255, 255, 255), cv2.FILLED
        )
        return image

    def _head(self, seconds: float) -> Image:
        """The row above the track: a chip and the name of the current step, its seconds so far, and the time."""
        segment = self._current(seconds)
        clock = f"{seconds:.1f} / {self.seconds:.1f} s"
        so_far = f"{self._so_far(segment.step, seconds):.1f} s" if segment else ""
        key = f"{segment.step if segment else ''}|{so_far}|{clock}"
        if self._written is None or self._written[0] != key:
            self._written = (key, self._draw_head(segment, so_far, clock))
        return self._written[1]

    def _draw_head(self, segment: TimedSegment | None, so_far: str, clock: str) -> Image:
        em, pad, face = self._em, round(self._em * 0.6), self._face
        canvas = Pillow.new("RGB", (self.width, round(1.5 * em) + pad - 1), _GROUND)
        draw, middle = ImageDraw.Draw(canvas), pad + round(0.7 * em)
        draw.text((self.width - pad, middle), clock, font=face, fill=_QUIET, anchor="rm")
        if segment is not None:
            room = self.width - 4 * pad - 2 * em - face.getlength(clock) - face.getlength(so_far)
            name = fitted(self._names[segment.step], face, room)
            box = (pad, middle - em // 2, pad + em, middle + em // 2)
            draw.rounded_rectangle(box, radius=em // 4, fill=self._colours[segment.step])
            draw.text((pad + 1.5 * em, middle), name, font=face, fill=_WORDS, anchor="lm")
            draw.text((pad + 2 * em + face.getlength(name), middle), so_far, font=face, fill=_QUIET, anchor="lm")
        return _bgr(canvas)

    def _current(self, seconds: float) -> TimedSegment | None:
        """Of overlapping ones the later start, as in `labels_at`."""
        return next((each for each in reversed(self.segments) if each.start <= seconds < each.end), None)

    def _so_far(self, step: str, seconds: float) -> float:
        return sum(max(0.0, min(each.end, seconds) - each.start) for each in self.segments if each.step == step)


def _first_writable(names: Sequence[str], face: Font) -> str:
    """The first the font can write; else the last with question marks."""
    found = next((name for name in names if can_write(name, face)), None)
    return found if found is not None else names[-1].encode("ascii", "replace").decode("ascii")


def _on(colour: Colour) -> Colour:
    """Black or white, what reads better on it."""
    red, green, blue = colour
    return (16, 18, 22) if 0.299 * red + 0.587 * green + 0.114 * blue > 125 else (255, 255, 255)


def _bgr(canvas: Pillow.Image) -> Image:
    return np.ascontiguousarray(np.asarray(canvas, dtype=np.uint8)[:, :, ::-1])
