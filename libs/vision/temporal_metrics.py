"""How well frames of a clip were told apart: the measures of temporal action segmentation, to their letter.

Definitions: Farha and Gall, "MS-TCN: Multi-Stage Temporal Convolutional Network for Action Segmentation", CVPR 2019, and the
evaluation published with it; Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection", CVPR 2017
(edit score, F1@k). All are percentages, as they are published.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from libs.vision.segments import FrameSegment, segments_of

IntArray = NDArray[np.int64]
OVERLAPS = (0.10, 0.25, 0.50)


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """Truth and prediction of one clip, a label for each frame."""

    clip_id: str
    truth: Sequence[str]
    said: Sequence[str]
    frames_per_second: float

    def __post_init__(self) -> None:
        if len(self.truth) != len(self.said):
            raise ValueError(f"{self.clip_id}: {len(self.truth)} true labels and {len(self.said)} predicted ones")


@dataclass(frozen=True, slots=True)
class StepMeasures:
    """One step over all clips. Shares are of 0..1, None where there is nothing to take a share of; errors are seconds.

    `seconds_error`: mean over clips of |predicted - true duration|. `onset_error`: mean |predicted - true begin| over the clips
    in which both have the step.
    """

    recall: float | None
    precision: float | None
    f1: float | None
    seconds_error: float
    onset_error: float | None


@dataclass(frozen=True, slots=True)
class TemporalMeasures:
    """Everything of one evaluation. `confusion[truth][said]` counts frames, in the order of `labels`."""

    frame_accuracy: float
    macro_f1: float
    edit: float
    f1: Mapping[float, float]
    over_segmentation: float | None
    steps: Mapping[str, StepMeasures]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    frames: int


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """Segments that were found, claimed in vain, and missed."""

    hit: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: "SegmentCounts") -> "SegmentCounts":
        """Of both together."""
        return SegmentCounts(self.hit + other.hit, self.false + other.false, self.missed + other.missed)

    @property
    def f1(self) -> float:
        """In per cent; 100 where there is nothing to find and nothing was claimed."""
        total = 2 * self.hit + self.false + self.missed
        return 100.0 * 2 * self.hit / total if total else 100.0


def frame_accuracy(clips: Iterable[LabelledClip]) -> float:
    """Share of right frames in per cent, pooled over all frames of all clips. 100 without any frame."""
    right = total = 0
    for clip in clips:
        right += sum(a == b for a, b in zip(clip.truth, clip.said, strict=True))
        total += len(clip.truth)
    return 100.0 * right / total if total else 100.0


def edit_score(truth: Sequence[str], said: Sequence[str], background: Collection[str] = ()) -> float:
    """100 * (1 - Levenshtein distance of the segments' labels / the longer count), background left out.

    Order and number count, time does not. 100 when neither side has a segment.
    """
    left, right = ([s.label for s in _seen(labels, background)] for labels in (said, truth))
    longest = max(len(left), len(right))
    return 100.0 * (1 - levenshtein(left, right) / longest) if longest else 100.0


def levenshtein(left: Sequence[str], right: Sequence[str]) -> int:
    """The fewest insertions, deletions and replacements that make one sequence the other."""
    row = list(range(len(right) + 1))
    for i, mine in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, theirs in enumerate(right, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (mine != theirs))
    return row[-1]


def segment_f1(clips: Iterable[LabelledClip], overlap: float, background: Collection[str] = ()) -> float:
    """F1@overlap in per cent: counts are summed over the clips, then F1."""
    counts = (segment_counts(clip, overlap, background) for clip in clips)
    return sum(counts, start=SegmentCounts()).f1


def segment_counts(clip: LabelledClip, overlap: float, background: Collection[str] = ()) -> SegmentCounts:
    """Each predicted segment, in time order, takes the true one of best IoU; a true one is hit once."""
    truth, said = _seen(clip.truth, background), _seen(clip.said, background)
    hit: set[int] = set()
    for segment in said:
        ious = [_iou(segment, other) for other in truth]
        best = int(np.argmax(ious)) if ious else -1  # of equal ones the first
        if best >= 0 and ious[best] >= overlap and best not in hit:
            hit.add(best)
    return SegmentCounts(hit=len(hit), false=len(said) - len(hit), missed=len(truth) - len(hit))


def _iou(said: FrameSegment, true: FrameSegment) -> float:
    """What both cover of what they span together; 0 for another label. Negative where they do not meet."""
    if said.label != true.label:
        return 0.0
    return (min(said.end, true.end) - max(said.start, true.start)) / (
        max(said.end, true.end) - min(said.start, true.start)
    )


def _seen(labels: Sequence[str], background: Collection[str]) -> list[FrameSegment]:
    return [segment for segment in segments_of(labels) if segment.label not in background]


@dataclass(slots=True)
class _Durations:
    """Of one step: errors of its seconds by clip, errors of its begin where both sides have it."""

    seconds: list[float] = field(default_factory=list[float])
    onsets: list[float] = field(default_factory=list[float])


def temporal_measures(
    clips: Sequence[LabelledClip],
    labels: Sequence[str],
    *,
    background: Collection[str] = (),
    collar_seconds: float = 0.0,
) -> TemporalMeasures:
    """Every measure of these clips.

    `labels` are all labels in the order of the confusion matrix; one that a clip has and `labels` has not raises `ValueError`.
    With a collar, frames within `collar_seconds` of a true change count nowhere in accuracy, confusion, recall and precision:
    two people do not agree on them either. Edit and F1@k know no collar.
    """
    unknown = {each for clip in clips for side in (clip.truth, clip.said) for each in side} - set(labels)
    if unknown:
        raise ValueError(f"labels without a place in the matrix: {', '.join(sorted(unknown))}")
    confusion = frame_confusion(clips, labels, collar_seconds)
    steps = _steps(clips, labels, confusion)
    counted = int(confusion.sum())
    scores = [steps[name].f1 for name in labels if steps[name].f1 is not None]
    return TemporalMeasures(
        frame_accuracy=100.0 * float(np.trace(confusion)) / counted if counted else 100.0,
        macro_f1=100.0 * float(np.mean([each or 0.0 for each in scores])) if scores else 100.0,
        edit=float(np.mean([edit_score(c.truth, c.said, background) for c in clips])) if clips else 100.0,
        f1={overlap: segment_f1(clips, overlap, background) for overlap in OVERLAPS},
        over_segmentation=_over_segmentation(clips, background),
        steps={name: measured for name, measured in steps.items() if name not in background},
        labels=tuple(labels),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        frames=counted,
    )


def frame_confusion(clips: Sequence[LabelledClip], labels: Sequence[str], collar_seconds: float = 0.0) -> IntArray:
    """Frames by truth (row) and prediction (column), int [L, L] in the order of `labels`, which must hold every label."""
    index = {name: number for number, name in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for clip in clips:
        counted = _outside_collar(clip, collar_seconds)
        pairs = Counter((t, s) for t, s, kept in zip(clip.truth, clip.said, counted, strict=True) if kept)
        for (true, said), number in pairs.items():
            counts[index[true], index[said]] += number
    return counts


def _outside_collar(clip: LabelledClip, seconds: float) -> list[bool]:
    """Which frames count: all but those whose middle is nearer than `seconds` to a true change."""
    changes = [segment.start for segment in segments_of(clip.truth)][1:]
    reach = seconds * clip.frames_per_second
    counted = np.ones(len(clip.truth), dtype=bool)
    middles = np.arange(len(clip.truth)) + 0.5
    for change in changes:
        counted &= np.abs(middles - change) >= reach
    return counted.tolist()


def _steps(clips: Sequence[LabelledClip], labels: Sequence[str], confusion: IntArray) -> dict[str, StepMeasures]:
    durations = {name: _Durations() for name in labels}
    for clip in clips:
        truth, said = Counter(clip.truth), Counter(clip.said)
        for name in labels:
            rate = clip.frames_per_second
            durations[name].seconds.append(abs(truth[name] - said[name]) / rate)
            if truth[name] and said[name]:
                durations[name].onsets.append(abs(_onset(clip.truth, name) - _onset(clip.said, name)) / rate)
    return {name: _step(durations[name], confusion, number) for number, name in enumerate(labels)}


def _onset(labels: Sequence[str], name: str) -> int:
    return next(index for index, each in enumerate(labels) if each == name)


def _step(durations: _Durations, confusion: IntArray, number: int) -> StepMeasures:
    right = int(confusion[number, number])
    true, said = int(confusion[number].sum()), int(confusion[:, number].sum())
    return StepMeasures(
        recall=right / true if true else None,
        precision=right / said if said else None,
        f1=2 * right / (true + said) if true + said else None,
        seconds_error=float(np.mean(durations.seconds)) if durations.seconds else 0.0,
        onset_error=float(np.mean(durations.onsets)) if durations.onsets else None,
    )


def _over_segmentation(clips: Sequence[LabelledClip], background: Collection[str]) -> float | None:
    """Predicted segments per true one; None when there is none to be true."""
    truth = sum(len(_seen(clip.truth, background)) for clip in clips)
    said = sum(len(_seen(clip.said, background)) for clip in clips)
    return said / truth if truth else None
