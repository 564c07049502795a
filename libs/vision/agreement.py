"""How far two people who labelled the same clips agree, frame by frame, and what most of several people say.

Kappa: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from libs.vision.segments import TimedSegment, labels_at, segments_of

FRAMES_PER_SECOND = 25.0
COLLAR_SECONDS = 0.5
BoolArray = NDArray[np.bool_]
Pairs = Counter[tuple[str, str]]
"""Frames by what the first and the second person call them; add up those of several clips."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Shares of 0..1, None where there is nothing to take a share of.

    `share`: of all frames. `steps`: of the frames that at least one of both gives this label, those that both do. `kappa`: 1
    is full agreement, 0 what chance would give; None where chance alone would agree everywhere.
    """

    frames: int
    share: float | None
    kappa: float | None
    steps: Mapping[str, float]


def frame_pairs(first: Sequence[str], second: Sequence[str], *, collar: int = 0) -> Pairs:
    """Count the frames of one clip by both people's labels. Raises ValueError for sequences of different lengths.

    Without the frames that are less than `collar` frames from a change in either one's labels: nobody hits it exactly.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} frames are not those of one clip")
    kept = ~(_near_changes(first, collar) | _near_changes(second, collar))
    return Counter((first[at], second[at]) for at in np.flatnonzero(kept).tolist())


def _near_changes(labels: Sequence[str], collar: int) -> BoolArray:
    near = np.zeros(len(labels), np.bool_)
    for segment in segments_of(labels)[1:]:
        near[max(0, segment.start - collar) : segment.start + collar] = True
    return near


def segment_pairs(
    first: Sequence[TimedSegment],
    second: Sequence[TimedSegment],
    *,
    background: str,
    collar_seconds: float = 0.0,
    seconds: float | None = None,
    frames_per_second: float = FRAMES_PER_SECOND,
) -> Pairs:
    """`frame_pairs` of segments, by the middles of frames up to `seconds` (by default the last end either one gives)."""
    end = max((each.end for each in (*first, *second)), default=0.0) if seconds is None else seconds
    middles = ((np.arange(round(end * frames_per_second)) + 0.5) / frames_per_second).tolist()
    labels = [labels_at(each, middles, background=background) for each in (first, second)]
    return frame_pairs(labels[0], labels[1], collar=round(collar_seconds * frames_per_second))


def agreement_of(pairs: Mapping[tuple[str, str], int]) -> Agreement:
    """The measures of counted frames."""
    frames = sum(pairs.values())
    if frames == 0:
        return Agreement(0, None, None, {})
    alike, firsts, seconds = Counter[str](), Counter[str](), Counter[str]()
    for (one, other), count in pairs.items():
        firsts[one] += count
        seconds[other] += count
        alike[one] += count if one == other else 0
    observed = alike.total() / frames
    by_chance = sum(firsts[label] * seconds[label] for label in firsts) / frames**2
    kappa = None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
    steps = {label: alike[label] / (firsts[label] + seconds[label] - alike[label]) for label in firsts | seconds}
    return Agreement(frames, observed, kappa, dict(sorted(steps.items())))


def majority(said: Sequence[Sequence[TimedSegment]], *, background: str) -> tuple[TimedSegment, ...]:
    """What most people say at each moment, exact to the borders of their segments; the background where votes are equal."""
    borders = sorted({moment for segments in said for each in segments for moment in (each.start, each.end)})
    middles = [(low + high) / 2 for low, high in pairwise(borders)]
    votes = zip(*(labels_at(segments, middles, background=background) for segments in said), strict=True)
    runs = segments_of([_winner(each, background) for each in votes])
    return tuple(
        TimedSegment(run.label, borders[run.start], borders[run.end]) for run in runs if run.label != background
    )


def _winner(votes: Sequence[str], background: str) -> str:
    (label, most), *others = Counter(votes).most_common(2)
    return background if others and others[0][1] == most else label
