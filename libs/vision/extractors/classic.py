"""Plan B, without a model: where skin moves, what its gradients look like and how the picture flows there.

Works on pictures of 160 pixels (80 for the flow, which takes most of the time): hands are large on the cameras over a
sink. Sources: skin as `libs.vision.skin` says, histograms of gradients after Dalal and Triggs (2005), flow after Farneback
(2003).
Skin-coloured things that never move are no hands; gloves of another colour are followed by their movement, but `visible`
speaks of skin alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog

from libs.vision.features import Features, SingleArray
from libs.vision.quality import Image
from libs.vision.skin import LONG_SIDE, BoolArray, living_parts, moved_pixels, shrunk, skin_pixels
from libs.vision.video import Frame

Region = tuple[int, int, int, int]

_FRAMES_PER_SECOND = 10.0
_MEMORY = 20  # moments: hands that wash rest for less than two seconds
_PATCH, _CELL, _DIRECTIONS = 32, 8, 8
_GRID = 4

_PLACE_NAMES = (
    "x",
    "y",
    "width",
    "height",
    "area",
    "spread_x",
    "spread_y",
    "slant",
    "vx",
    "vy",
    "parts",
    "seen",
    "moved",
)
_HOG_NAMES = tuple(f"hog{n}" for n in range((_PATCH // _CELL) ** 2 * _DIRECTIONS))
_FLOW_NAMES = tuple(
    f"flow.{row}{column}.{measure}"
    for measure in ("x", "y", "speed")
    for row in range(_GRID)
    for column in range(_GRID)
)
_TURN_NAMES = tuple(f"flow.direction{n}" for n in range(_DIRECTIONS))


class ClassicExtractor:
    """Place and shape of the region of skin, its gradients and its flow; `visible` is 1 where there is such a region."""

    name = "classic"
    version = "1"
    frames_per_second = _FRAMES_PER_SECOND

    def __init__(self, weights: Path | None = None) -> None:
        """There are no weights to give."""

    def extract(self, moments: Iterable[Frame]) -> Features:
        """Features of frames at 10 a second."""
        names = (*(f"region.{each}" for each in _PLACE_NAMES), *_HOG_NAMES, *_FLOW_NAMES, *_TURN_NAMES)
        watcher = _Watcher()
        rows = [watcher.row(frame.image) for frame in moments]
        values = np.array(rows, dtype=np.float32).reshape(-1, len(names))
        return Features(
            values=values,
            visible=values[:, _PLACE_NAMES.index("seen")].copy(),
            frames_per_second=_FRAMES_PER_SECOND,
            extractor=self.name,
            extractor_version=self.version,
            names=names,
        )


@dataclass(slots=True)
class _Watcher:
    """Follows one clip: the picture before, where things moved lately, and the region of the moment before."""

    before: Image | None = None
    moved_ago: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    region: Region | None = None
    centre: tuple[float, float] | None = None

    def row(self, image: Image) -> SingleArray:
        """The columns of one moment."""
        small = shrunk(image, smallest=_PATCH)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        before = self.before
        if before is None or before.shape != grey.shape:  # the first moment, or a stream that changed its size
            before, self.moved_ago = grey, np.full(grey.shape, _MEMORY, np.uint8)
            self.region = self.centre = None
        moves = moved_pixels(before, grey)
        self.moved_ago = np.where(moves, 0, np.minimum(self.moved_ago + 1, _MEMORY)).astype(np.uint8)
        hands, parts = living_parts(skin_pixels(small), self.moved_ago < _MEMORY)
        seen = parts > 0
        if not seen:  # no skin: gloves, or no hands
            hands, parts = living_parts(moves.astype(np.uint8), moves)
        place = self._place(hands, parts, seen=seen, moved=float(moves.mean()))
        flow = _flow(before, grey, self.region or (0, 0, grey.shape[1], grey.shape[0]))
        self.before = grey
        return np.concatenate([place, _gradients(grey, self.region), flow]).astype(np.float32)

    def _place(self, hands: BoolArray, parts: int, *, seen: bool, moved: float) -> SingleArray:
        """Of the region's pixels, in shares of the picture; without any the region stays where it was, and stands still."""
        height, width = hands.shape
        rows, columns = np.nonzero(hands)
        numbers = np.zeros(len(_PLACE_NAMES), np.float32)
        if len(rows):
            x, y = float(columns.mean()) / width, float(rows.mean()) / height
            left, top = int(columns.min()), int(rows.min())
            self.region = (left, top, int(columns.max()) + 1, int(rows.max()) + 1)
            was = self.centre or (x, y)
            numbers[4:8] = len(rows) / hands.size, *_spread(columns / width, rows / height)
            numbers[8:10] = (x - was[0]) * _FRAMES_PER_SECOND, (y - was[1]) * _FRAMES_PER_SECOND
            self.centre = (x, y)
        if self.region is not None and self.centre is not None:
            left, top, right, bottom = self.region
            numbers[0:4] = *self.centre, (right - left) / width, (bottom - top) / height
        numbers[10:13] = parts, seen, moved
        return numbers


def _spread(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Standard deviations across and down, and their correlation: length and slant of the region."""
    across, down = float(x.std()), float(y.std())
    together = float(((x - x.mean()) * (y - y.mean())).mean())
    return across, down, together / (across * down) if across * down > 1e-9 else 0.0


def _gradients(grey: Image, region: Region | None) -> SingleArray:
    """Histograms of gradients of the region, made square: float32 [128]; zero before there is a region."""
    if region is None:
        return np.zeros(len(_HOG_NAMES), np.float32)
    left, top, right, bottom = region
    patch = cv2.resize(grey[top:bottom, left:right], (_PATCH, _PATCH), interpolation=cv2.INTER_AREA)
    cells = _PATCH // _CELL
    found = hog(
        patch,
        orientations=_DIRECTIONS,
        pixels_per_cell=(_CELL, _CELL),
        cells_per_block=(cells, cells),
        block_norm="L2-Hys",
    )
    return cast("SingleArray", found).astype(np.float32)


def _flow(before: Image, grey: Image, region: Region) -> SingleArray:
    """Flow in the region: means on a 4x4 grid (across, down, length; picture lengths a second), then its directions."""
    size = (grey.shape[1] // 2, grey.shape[0] // 2)
    one, other = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (before, grey))
    start = np.zeros((*one.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(one, other, start, 0.5, 2, 9, 2, 5, 1.1, 0)
    flow *= np.float32(2 * _FRAMES_PER_SECOND / LONG_SIDE)
    left, top = min(region[0] // 2, size[0] - 1), min(region[1] // 2, size[1] - 1)
    inside = flow[top : max(region[3] // 2, top + 1), left : max(region[2] // 2, left + 1)]
    speed = np.hypot(inside[..., 0], inside[..., 1])
    planes = (inside[..., 0], inside[..., 1], speed)
    grids = [cv2.resize(each, (_GRID, _GRID), interpolation=cv2.INTER_AREA).ravel() for each in planes]
    angles = np.arctan2(inside[..., 1], inside[..., 0]) % (2 * np.pi)
    turn = np.minimum((angles / (2 * np.pi) * _DIRECTIONS).astype(np.int64), _DIRECTIONS - 1)
    directions = np.bincount(turn.ravel(), weights=speed.ravel(), minlength=_DIRECTIONS) / max(speed.size, 1)
    return np.concatenate([*grids, directions]).astype(np.float32)
