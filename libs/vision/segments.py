"""Segments of a clip: what happens from which frame to which, and how frames become segments and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameSegment:
    """Frames `start` (inclusive) to `end` (exclusive) show the step `label`."""

    label: str
    start: int
    end: int

    @property
    def frames(self) -> int:
        """Its length in frames."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class TimedSegment:
    """A step from `start` to `end`, in seconds of the clip; `confidence` of 0..1 when a model says so."""

    step: str
    start: float
    end: float
    confidence: float | None = None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def segments_of(labels: Sequence[str]) -> tuple[FrameSegment, ...]:
    """The maximal runs of one label, in time order; together they cover every frame once."""
    changes = [index for index in range(1, len(labels)) if labels[index] != labels[index - 1]]
    borders = [0, *changes, len(labels)] if labels else []
    return tuple(FrameSegment(labels[a], a, b) for a, b in pairwise(borders))


def timed(segments: Iterable[FrameSegment], *, frames_per_second: float, background: str) -> tuple[TimedSegment, ...]:
    """Frame segments in seconds, without the background. Raises `ValueError` for a rate that is not positive."""
    if not frames_per_second > 0:
        raise ValueError(f"{frames_per_second} frames a second is no rate")
    rate = frames_per_second
    return tuple(TimedSegment(s.label, s.start / rate, s.end / rate) for s in segments if s.label != background)


def labels_at(segments: Iterable[TimedSegment], moments: Sequence[float], *, background: str) -> list[str]:
    """The step at each moment (seconds); the background where there is none. Of overlapping segments the later start wins."""
    labels = [background] * len(moments)
    at = np.asarray(moments, dtype=np.float64)
    for segment in sorted(segments, key=lambda s: s.start):
        for index in np.flatnonzero((at >= segment.start) & (at < segment.end)).tolist():
            labels[index] = segment.step
    return labels


def merge_short(segments: Sequence[FrameSegment], shortest: int) -> tuple[FrameSegment, ...]:
    """Without runs of fewer than `shortest` frames: each goes to its longer neighbour, the shortest run first.

    A step takes tens of frames; a run of a few is a model's flicker. A lone segment stays whatever its length.
    """
    kept = list(segments)
    while len(kept) > 1:
        index = min(range(len(kept)), key=lambda i: (kept[i].frames, i))
        if kept[index].frames >= shortest:
            break
        _give_away(kept, index)
    return tuple(kept)


def _give_away(kept: list[FrameSegment], index: int) -> None:
    """Give the frames of one segment to its longer neighbour, and join neighbours that are now alike."""
    before, after = (kept[i] if 0 <= i < len(kept) else None for i in (index - 1, index + 1))
    to_before = before is not None and (after is None or before.frames >= after.frames)
    heir = before if to_before else after
    assert heir is not None
    gone = kept[index]
    grown = replace(heir, start=min(heir.start, gone.start), end=max(heir.end, gone.end))
    low, high = (index - 1, index + 1) if to_before else (index, index + 2)
    kept[low:high] = [grown]
    if low > 0 and kept[low - 1].label == grown.label:
        kept[low - 1 : low + 1] = [replace(grown, start=kept[low - 1].start)]
        low -= 1
    if low + 1 < len(kept) and kept[low + 1].label == kept[low].label:
        kept[low : low + 2] = [replace(kept[low], end=kept[low + 1].end)]


def smooth(posteriors: FloatArray, window: int) -> FloatArray:
    """Mean over `window` frames round each frame, shorter at both ends; `posteriors` is float [T, classes]."""
    if window <= 1 or len(posteriors) == 0:
        return posteriors
    sums = np.concatenate([np.zeros((1, posteriors.shape[1])), np.cumsum(posteriors, axis=0, dtype=np.float64)])
    frames = np.arange(len(posteriors))
    low = np.maximum(frames - window // 2, 0)
    high = np.minimum(frames + (window + 1) // 2, len(posteriors))
    return (sums[high] - sums[low]) / (high - low)[:, None]
