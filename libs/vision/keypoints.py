"""From tracked points of a person to what a temporal model reads: where the hands are, how fast, how that changes.

Missing points are a mask, never a zero: a hand at (0, 0) would be a place. The measures are those that tell gesture phases
apart best on little data (Madeo, Peres and Lima, "Gesture phase segmentation using support vector machines", Expert Systems
with Applications 56, 2016): positions relative to the spine, velocity and acceleration, and their lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.vision.segments import smooth

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LONGEST_GAP_SECONDS = 0.3
SMOOTHING_FRAMES = 5


@dataclass(frozen=True, slots=True)
class Track:
    """Points over time: `points` float [T, K, D], `visible` bool [T, K]. What is not visible is not finite, or not read."""

    points: FloatArray
    visible: BoolArray
    frames_per_second: float

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.visible.shape != self.points.shape[:2]:
            raise ValueError(
                f"points {self.points.shape} and visible {self.visible.shape} are not [T, K, D] and [T, K]"
            )
        if self.points.shape[1] == 0:
            raise ValueError("a track without a point has nothing to say")
        if not self.frames_per_second > 0:
            raise ValueError(f"{self.frames_per_second} frames a second is no rate")

    @property
    def visible_share(self) -> float:
        """Share of the points in sight, over all frames; 0 without any."""
        return float(self.visible.mean()) if self.visible.size else 0.0


def fill_gaps(track: Track, longest_seconds: float = LONGEST_GAP_SECONDS) -> Track:
    """Bridge gaps of at most `longest_seconds` by straight lines; what is filled counts as visible. Ends are no gaps."""
    points, visible = track.points.copy(), track.visible.copy()
    longest = round(longest_seconds * track.frames_per_second)
    for number in range(points.shape[1]):
        for begin, end in _gaps(visible[:, number], longest):
            weights = (np.arange(begin, end) - (begin - 1)) / (end - begin + 1)
            before, after = points[begin - 1, number], points[end, number]
            points[begin:end, number] = before + weights[:, None] * (after - before)
            visible[begin:end, number] = True
    return Track(points, visible, track.frames_per_second)


def _gaps(visible: BoolArray, longest: int) -> list[tuple[int, int]]:
    """Runs of invisible frames, visible on both sides, of at most `longest` frames: (begin, end exclusive)."""
    edges = np.diff(np.concatenate([[1], visible.astype(np.int8), [1]]))
    begins, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
    inner = [(int(b), int(e)) for b, e in zip(begins, ends, strict=True) if b > 0 and e < len(visible)]
    return [(b, e) for b, e in inner if e - b <= longest]


def relative(track: Track, origin: int, far_end: int) -> Track:
    """Points relative to point `origin` of the same frame, in lengths between `origin` and `far_end`.

    The length is the median over the clip: a person does not grow, an estimate trembles. Where the origin is out of sight
    nothing is. Raises ValueError if the two were never seen together.
    """
    lengths = lengths_between(track, origin, far_end)
    if len(lengths) == 0:
        raise ValueError(f"points {origin} and {far_end} are never seen in one frame: there is no measure of size")
    scale = float(np.median(lengths))
    if not scale > 0:
        raise ValueError(f"points {origin} and {far_end} lie on one another: there is no measure of size")
    return placed(track, Track(track.points[:, [origin]], track.visible[:, [origin]], track.frames_per_second), scale)


def lengths_between(track: Track, one: int, other: int) -> FloatArray:
    """The lengths between two points in the frames that show both, float [frames <= T]."""
    both = track.visible[:, one] & track.visible[:, other]
    return np.linalg.norm(track.points[both, other] - track.points[both, one], axis=1)


def placed(track: Track, origin: Track, scale: float) -> Track:
    """Points relative to the one point of `origin` at the same moment, in lengths of `scale`; where it is out of sight
    nothing is seen."""
    moved = (track.points - origin.points) / scale
    return Track(moved, track.visible & origin.visible, track.frames_per_second)


def point(track: Track, numbers: Sequence[int]) -> Track:
    """The mean of some points as a track of one; in sight where all of them are."""
    members = list(numbers)
    seen = np.all(track.visible[:, members], axis=1)[:, None]
    return Track(track.points[:, members].mean(axis=1, keepdims=True), seen, track.frames_per_second)


def chosen(track: Track, numbers: Sequence[int]) -> Track:
    """Only the points of these numbers, in their order."""
    return Track(track.points[:, list(numbers)], track.visible[:, list(numbers)], track.frames_per_second)


def kinematics(track: Track, smoothing_frames: int = SMOOTHING_FRAMES) -> tuple[FloatArray, FloatArray]:
    """Features float [T, K * (3 D + 2)] and what is visible of them, float [T]: the share of the frame's points.

    For every point: place, velocity (per second), acceleration (per second, tenths), and the lengths of both. Invisible
    points stand at their last known place with no velocity, so that nothing jumps.
    """
    frames, count, _ = track.points.shape
    if frames == 0:
        return np.zeros((0, count * (3 * track.points.shape[2] + 2))), np.zeros(0)
    known = held(track)
    places = smooth(known.reshape(frames, -1), smoothing_frames).reshape(known.shape)
    velocity = _slope(places) * track.frames_per_second
    acceleration = _slope(velocity) * track.frames_per_second / 10
    speeds = [np.linalg.norm(each, axis=2) for each in (velocity, acceleration)]
    flat = [each.reshape(frames, -1) for each in (places, velocity, acceleration, *speeds)]
    return np.concatenate(flat, axis=1), track.visible.mean(axis=1)


def kinematics_names(points: Sequence[str], axes: Sequence[str] = ("x", "y")) -> tuple[str, ...]:
    """The names of the columns of `kinematics`, in their order."""
    per_axis = [f"{point}.{measure}{axis}" for measure in ("", "v", "a") for point in points for axis in axes]
    return (*per_axis, *(f"{point}.{measure}" for measure in ("speed", "acceleration") for point in points))


def _slope(values: FloatArray) -> FloatArray:
    return np.gradient(values, axis=0) if len(values) > 1 else np.zeros_like(values)


def held(track: Track) -> FloatArray:
    """Every invisible point where it was last seen; before its first sight where it is seen first; at the origin if never."""
    points = np.where(track.visible[:, :, None], track.points, 0.0)
    for number in range(points.shape[1]):
        seen = np.flatnonzero(track.visible[:, number])
        if len(seen) == 0:
            continue
        latest = seen[np.maximum(np.searchsorted(seen, np.arange(len(points)), side="right") - 1, 0)]
        points[:, number] = points[latest, number]
    return points
