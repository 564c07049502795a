"""Whether somebody stands in the zone of a fixed camera, however still, and which visits that makes: pure decisions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.quality import Image

Zone = tuple[float, float, float, float] | Sequence[tuple[float, float]]
"""A box (left, top, right, bottom) or the corners (x, y) of a polygon, in shares 0..1 of width and height."""

SingleArray = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody is in the zone from `start_seconds` to `end_seconds` of the recording."""

    start_seconds: float
    end_seconds: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class VisitRules:
    """What counts as somebody, and how moments become visits.

    look_every_seconds: how often the picture is looked at.
    changed_share: share of the zone (0..1) that has to differ from the background.
    grey_levels: by how much of 255 a pixel has to differ, the overall change of light taken off.
    learn_seconds: the background is first what was seen most often in this time while nothing moved.
    settle_seconds: time constant with which the background follows the light where nothing stands.
    absorb_seconds: what stands in the zone without the least movement for so long is a thing, not a person.
    merge_gap_seconds: a shorter absence interrupts no visit. minimum_seconds: what is shorter is none (a passer-by).
    padding_seconds: added before and after, as far as the neighbour and the recording allow.
    """

    look_every_seconds: float = 0.2
    changed_share: float = 0.02
    grey_levels: float = 20.0
    learn_seconds: float = 300.0
    settle_seconds: float = 20.0
    absorb_seconds: float = 180.0
    merge_gap_seconds: float = 1.5
    minimum_seconds: float = 3.0
    padding_seconds: float = 0.0

    def __post_init__(self) -> None:
        positive = (self.look_every_seconds, self.changed_share, self.settle_seconds, self.absorb_seconds)
        if min(positive) <= 0 or min(self.merge_gap_seconds, self.minimum_seconds, self.padding_seconds) < 0:
            raise ValueError(f"Times and shares of these rules must be positive: {self}")


def visits_of(
    presence: Iterable[tuple[float, bool]], rules: VisitRules, *, end_seconds: float | None = None
) -> tuple[Visit, ...]:
    """Visits from moments (seconds, somebody there?) in time order; a moment stands for the time until the next one.

    `end_seconds` is the end of the recording, by default the last moment. Gaps are merged first, then short visits dropped,
    then the rest padded; two paddings that meet share the time between them.
    """
    runs: list[Visit] = []
    last, there = 0.0, False
    for seconds, somebody in presence:
        last = seconds
        goes_on = somebody and bool(runs) and seconds - runs[-1].end_seconds < rules.merge_gap_seconds
        if there or goes_on:
            runs[-1] = replace(runs[-1], end_seconds=seconds)
        elif somebody:
            runs.append(Visit(seconds, seconds))
        there = somebody
    end = max(last, end_seconds or 0.0)
    if there and runs:
        runs[-1] = replace(runs[-1], end_seconds=end)
    return _padded([run for run in runs if run.seconds >= rules.minimum_seconds], rules.padding_seconds, end)


def _padded(runs: Sequence[Visit], padding: float, end: float) -> tuple[Visit, ...]:
    if not runs:
        return ()
    middles = [(a.end_seconds + b.start_seconds) / 2 for a, b in pairwise(runs)]
    return tuple(
        Visit(max(low, run.start_seconds - padding), min(high, run.end_seconds + padding))
        for run, low, high in zip(runs, [0.0, *middles], [*middles, end], strict=True)
    )


def zone_mask(zone: Zone | None, size: tuple[int, int]) -> Mask:
    """Bool [H, W] of a view of `size` (width, height), true inside; all of it for None. Raises ValueError for an empty zone."""
    width, height = size
    if zone is None:
        return np.ones((height, width), np.bool_)
    corners = _corners(zone)
    if len(corners) < 3 or not all(0 <= value <= 1 for corner in corners for value in corner):
        raise ValueError(f"A zone is a box or three corners and more in shares of 0 to 1 of the picture, not {zone}")
    points = np.round(np.array(corners) * (width - 1, height - 1)).astype(np.int32)
    mask = cv2.fillPoly(np.zeros((height, width), np.uint8), [points], (1,)).astype(np.bool_)
    if np.ptp(points[:, 0]) < 2 or np.ptp(points[:, 1]) < 2:
        raise ValueError(f"The zone {zone} is too small to see anything in it")
    return mask


def _corners(zone: Zone) -> list[tuple[float, float]]:
    first = zone[0]
    if isinstance(first, float | int):
        left, top, right, bottom = (float(value) for value in zone if isinstance(value, float | int))
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    return [(float(corner[0]), float(corner[1])) for corner in zone if not isinstance(corner, float | int)]


def presence(
    views: Iterable[tuple[float, Image]], rules: VisitRules, *, zone: Zone | None = None
) -> Iterator[tuple[float, bool]]:
    """For each view (seconds, small grey uint8 [H, W]) whether somebody is in the zone.

    Views of the first `learn_seconds` are kept until the background is known, a few kilobytes each; then one at a time.
    """
    coming, first = iter(views), list[tuple[float, Image]]()
    for seconds, view in coming:
        first.append((seconds, view))
        if seconds >= rules.learn_seconds:
            break
    if not first:
        return
    mask = zone_mask(zone, (first[0][1].shape[1], first[0][1].shape[0]))
    watching = _Watching(rules, mask, background=_first_background(first))
    yield from ((seconds, watching.somebody(view, seconds)) for seconds, view in chain(first, coming))


_AT_MOST_VIEWS = 400
_STILLEST_SHARE = 0.2
_MOVED_OVER_SECONDS = 1.0


def _first_background(views: Sequence[tuple[float, Image]]) -> SingleArray:
    """What is seen most often while nothing moves: people stand in one place for most of the time, but never quite still."""
    step = max(1, len(views) // _AT_MOST_VIEWS)
    thinned = [(seconds, _blurred(view)) for seconds, view in views[::step]]
    movement = _movement(thinned)
    order = np.argsort(movement, kind="stable")[: max(5, round(_STILLEST_SHARE * len(thinned)))]
    return _most_frequent(np.stack([thinned[index][1] for index in order.tolist()]))


def _movement(views: Sequence[tuple[float, SingleArray]]) -> SingleArray:
    """For each view how much the half per cent that changes most does so, to about a second before and after."""
    seconds = np.array([each for each, _ in views])
    later = np.minimum(np.searchsorted(seconds, seconds + _MOVED_OVER_SECONDS), len(views) - 1)
    moved = np.zeros(len(views), np.float32)
    for index, other in enumerate(later.tolist()):
        changed = float(np.quantile(np.abs(views[other][1] - views[index][1]), 0.995))
        moved[index], moved[other] = max(moved[index], changed), max(moved[other], changed)
    return moved


def _most_frequent(views: SingleArray) -> SingleArray:
    """Of float32 [N, H, W] the value of each pixel round which most lie: the half-sample mode.

    Bickel and Fruehwirth, "On a fast, robust estimator of the mode", Computational Statistics & Data Analysis 50, 2006.
    """
    values = np.sort(views, axis=0)
    while len(values) > 3:
        half = (len(values) + 1) // 2
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        start = widths.argmin(axis=0)
        values = np.take_along_axis(values, start[None] + np.arange(half)[:, None, None], axis=0)
    return values.mean(axis=0, dtype=np.float32)


def _blurred(view: Image) -> SingleArray:
    return cv2.GaussianBlur(view, (3, 3), 0).astype(np.float32)


_LARGEST_LIGHT_CHANGE = 24.0
_MOVING_SHARE = 0.002


@dataclass(slots=True)
class _Watching:
    """The background so far, and since when nothing has moved. What is foreground never flows into it."""

    rules: VisitRules
    mask: Mask
    background: SingleArray
    there: bool = False
    _seen_at: float = 0.0
    _moved_at: float = 0.0
    _before: SingleArray | None = None
    _before_at: float = 0.0

    def somebody(self, view: Image, seconds: float) -> bool:
        now = _blurred(view)
        difference = now - self.background
        light = float(np.clip(np.median(difference), -_LARGEST_LIGHT_CHANGE, _LARGEST_LIGHT_CHANGE))
        changed = np.abs(difference - light) > self.rules.grey_levels
        share = float(changed[self.mask].mean())
        self.there = share > self.rules.changed_share
        self._notice_movement(now, seconds)
        if self.there and seconds - self._moved_at >= self.rules.absorb_seconds:
            self.background, self.there = now, False
        else:
            self._learn(now, changed, light, seconds)
        return self.there

    def _notice_movement(self, now: SingleArray, seconds: float) -> None:
        """Over about a second, so that slow movements count."""
        if self._before is None or not self.there:
            self._moved_at = seconds
        if self._before is None or seconds - self._before_at >= _MOVED_OVER_SECONDS:
            if self._before is not None:
                moving = np.abs(now - self._before) > self.rules.grey_levels / 2
                if float(moving[self.mask].mean()) > _MOVING_SHARE:
                    self._moved_at = seconds
            self._before, self._before_at = now, seconds

    def _learn(self, now: SingleArray, changed: Mask, light: float, seconds: float) -> None:
        """What is hidden cannot be seen to change, but the light changes there, too."""
        share = 1 - np.exp(-max(0.0, seconds - self._seen_at) / self.rules.settle_seconds)
        towards = np.where(changed, np.float32(light), now - self.background)
        self.background = self.background + np.float32(share) * towards
        self._seen_at = seconds
