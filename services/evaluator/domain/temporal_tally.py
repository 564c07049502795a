"""The measures of drawn sets of clips, from what was counted in each clip once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from libs.vision.temporal_metrics import (
    OVERLAPS,
    LabelledClip,
    SegmentCounts,
    edit_score,
    frame_confusion,
    segment_counts,
)
from services.evaluator.domain.bootstrap import FloatArray
from services.evaluator.domain.ratios import Ratio


@dataclass(frozen=True, slots=True, eq=False)
class TemporalTally:
    """Of one model over N clips: its sums by metric, and the frames by truth and prediction, float [N, L, L]."""

    ratios: Mapping[str, Ratio]
    confusion: FloatArray

    def replicates(self, metric: str, weights: FloatArray) -> FloatArray:
        """A metric of each redrawn set of clips: float [R] from the weights [R, N]."""
        if metric == "macro_f1":
            return _macro_f1(np.tensordot(weights, self.confusion, axes=1))
        return self.ratios[metric].replicates(weights)


def f1_name(overlap: float) -> str:
    """The metric's name in events: f1_50 for an overlap of 0.5."""
    return f"f1_{round(100 * overlap)}"


def temporal_tally(
    clips: Sequence[LabelledClip], labels: Sequence[str], background: str, verdicts: Mapping[str, Ratio]
) -> TemporalTally:
    """Count every clip once; `verdicts` are the ratios of the same clips' verdicts."""
    confusion = np.array([frame_confusion([clip], labels) for clip in clips], dtype=np.float64)
    right = np.array([np.trace(each) for each in confusion])
    edits = np.array([edit_score(clip.truth, clip.said, {background}) for clip in clips])
    ratios = {
        "frame_accuracy": Ratio(right, confusion.sum(axis=(1, 2)), scale=100.0, empty=100.0),
        "edit": Ratio(edits, np.ones(len(clips))),
    }
    for overlap in OVERLAPS:
        ratios[f1_name(overlap)] = _f1([segment_counts(clip, overlap, {background}) for clip in clips])
    return TemporalTally({**ratios, **verdicts}, confusion)


def _f1(counts: Sequence[SegmentCounts]) -> Ratio:
    hits = np.array([2.0 * each.hit for each in counts])
    return Ratio(hits, hits + np.array([each.false + each.missed for each in counts]), scale=100.0, empty=100.0)


def _macro_f1(confusion: FloatArray) -> FloatArray:
    """Mean over the labels that occur, in per cent: float [R] from frames [R, L, L]; 100 without any frame."""
    total = confusion.sum(axis=1) + confusion.sum(axis=2)
    right = 2 * np.diagonal(confusion, axis1=1, axis2=2)
    scores = np.divide(right, total, out=np.zeros_like(total), where=total > 0)
    known = (total > 0).sum(axis=1)
    return np.divide(100 * scores.sum(axis=1), known, out=np.full(len(known), 100.0), where=known > 0)
