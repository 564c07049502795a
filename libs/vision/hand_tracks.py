"""Which hand is which, from moment to moment: by where each was heading, never by a detector's left and right.

Detectors swap both labels whenever hands cross, touch or turn. A hand keeps its track here because it is found near where
its movement leads, in the size and shape it had.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HANDS = 2
PALM = (0, 5, 9, 13, 17)
"""Of the 21 points of a hand: the wrist and where the four fingers begin, which move as one."""

_NEW_TRACK_COST = 5.0  # how unlikely a hand's step must be for it to be the other hand: five palm lengths in 0.1 s
_SURE, _UNSURE_PER_SECOND = 0.3, 7.0  # palm lengths a hand is off where it was expected, growing while it is hidden
_SAME_HAND = 0.3  # palm lengths between two detections of one hand
_HEADING_SECONDS = 0.5  # how long a hidden hand is thought to move on
_NEWEST_SHARE = 0.6  # of a hand's velocity that its last step decides


@dataclass(frozen=True, slots=True)
class HandTracks:
    """`points` float [T, 2, K, 2], NaN where not found; `found` bool [T, 2]. Hand 0 is the one further left, by median."""

    points: FloatArray
    found: BoolArray


@dataclass(slots=True)
class _Hand:
    """What is known of one hand: its last points, where its palm was, the velocity per moment, and when it was seen."""

    points: FloatArray
    velocity: FloatArray
    seen_at: int
    times_seen: int = 1

    def palm_at(self, moment: int, longest: int) -> FloatArray:
        return palm_centre(self.points) + self.velocity * min(moment - self.seen_at, longest)

    def see(self, points: FloatArray, moment: int) -> None:
        step = (palm_centre(points) - palm_centre(self.points)) / (moment - self.seen_at)
        newest = 1.0 if self.times_seen == 1 else _NEWEST_SHARE
        self.velocity = newest * step + (1 - newest) * self.velocity
        self.points, self.seen_at, self.times_seen = points, moment, self.times_seen + 1


@dataclass(frozen=True, slots=True)
class _Horizon:
    """How far ahead a movement is followed: `moments` at this rate."""

    frames_per_second: float
    moments: int


def palm_centre(points: FloatArray) -> FloatArray:
    """Mean of the palm's points; `points` float [..., 21, D]."""
    return points[..., PALM, :].mean(axis=-2)


def palm_length(points: FloatArray) -> float:
    """A hand's size that a tilt changes little: twice the root mean square distance of the palm's points to their centre."""
    offsets = points[..., PALM, :] - palm_centre(points)[..., None, :]
    return max(2.0 * float(np.sqrt((offsets**2).sum(axis=-1).mean())), 1e-6)


def track_hands(moments: Sequence[FloatArray], frames_per_second: float) -> HandTracks:
    """Two tracks of what was found at each moment: float [n, K >= 18, 2] in pixels, of n detections in any order.

    Detections on top of one another are one hand; of more than two hands those that fit the tracks least are nobody's.
    """
    horizon = _Horizon(frames_per_second, max(1, round(_HEADING_SECONDS * frames_per_second)))
    hands: list[_Hand | None] = [None] * HANDS
    count = max((each.shape[1] for each in moments), default=21)
    points, found = np.full((len(moments), HANDS, count, 2), np.nan), np.zeros((len(moments), HANDS), dtype=np.bool_)
    for moment, detections in enumerate(moments):
        kept = _distinct(detections)
        scale = float(np.mean([palm_length(each) for each in kept])) if kept else 1.0
        costs = [[_cost(hand, each, moment, horizon, scale) for hand in hands] for each in kept]
        for number, slot in _cheapest(costs):
            points[moment, slot], found[moment, slot] = kept[number], True
            hands[slot] = _seen(hands[slot], kept[number], moment)
    return _left_first(points, found)


def _distinct(detections: FloatArray) -> list[FloatArray]:
    """One of each hand, from left to right: the result must not depend on the order in which they were found."""
    kept: list[FloatArray] = []
    for each in sorted(detections, key=lambda points: tuple(palm_centre(points))):
        limit = _SAME_HAND * palm_length(each)
        if all(float(np.linalg.norm(each - other, axis=1).mean()) >= limit for other in kept):
            kept.append(each)
    return kept


def _cheapest(costs: list[list[float]]) -> list[tuple[int, int]]:
    """(detection, track) pairs of least cost in all, as many as can be; so few that all ways are tried."""
    if len(costs) < HANDS:
        return [(number, row.index(min(row))) for number, row in enumerate(costs)]
    ways = [list(zip(chosen, range(HANDS), strict=True)) for chosen in permutations(range(len(costs)), HANDS)]
    return min(ways, key=lambda way: sum(costs[number][slot] for number, slot in way))


def _seen(hand: _Hand | None, points: FloatArray, moment: int) -> _Hand:
    if hand is None:
        return _Hand(points, np.zeros(2), moment)
    hand.see(points, moment)
    return hand


def _cost(hand: _Hand | None, detection: FloatArray, moment: int, horizon: _Horizon, scale: float) -> float:
    """How unlikely a detection is for a hand: by place, size and shape; `scale` is a palm length of this moment.

    The place is as a Cauchy distribution has it, wider the longer a hand was out of sight: it may come back anywhere, one
    that was seen a moment ago may not.
    """
    if hand is None:
        return _NEW_TRACK_COST
    centre, palm = palm_centre(detection), palm_length(hand.points)
    off = float(np.linalg.norm(centre - hand.palm_at(moment, horizon.moments))) / scale
    width = _SURE + _UNSURE_PER_SECOND * (moment - hand.seen_at) / horizon.frames_per_second
    shape = (detection - centre) - (hand.points - palm_centre(hand.points))
    growth = abs(float(np.log(palm_length(detection) / palm)))
    unlikely = 1.5 * np.log1p((off / width) ** 2) + 2 * np.log(width)
    return float(unlikely) + growth + float(np.linalg.norm(shape, axis=1).mean()) / scale


def _left_first(points: FloatArray, found: BoolArray) -> HandTracks:
    """The tracks in the order that both have in the picture when both are seen, or when each is; the unseen one last."""
    both = found.all(axis=1)
    across = palm_centre(points)[..., 0]
    compared = [across[both if both.any() else found[:, slot], slot] for slot in range(HANDS)]
    first, second = (float(np.median(each)) if len(each) else np.inf for each in compared)
    order = [1, 0] if first > second else [0, 1]
    return HandTracks(points[:, order], found[:, order])
