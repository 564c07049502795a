"""Precision and recall over all confidence thresholds of one class, and the threshold to work at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 200
DEFAULT_CONFIDENCE = 0.5

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """One point per confidence threshold, highest first; detections of that confidence or more are taken as said."""

    confidence: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]


def precision_recall(confidences: FloatArray, hits: NDArray[np.bool_], truths: int) -> Curve:
    """From each detection's confidence and whether it found an annotation, and the number of annotations (> 0)."""
    order = np.argsort(-confidences, kind="stable")
    scores, right = confidences[order], np.cumsum(hits[order])
    # Equal confidences can't be told apart by a threshold: only the last of them is a point.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.array([], dtype=int)
    precision, recall = right[ends] / (ends + 1), right[ends] / truths
    f1 = 2 * right[ends] / (ends + 1 + truths)
    return Curve(*(tuple(values.tolist()) for values in (scores[ends], precision, recall, f1)))


def operating_confidence(curve: Curve) -> float:
    """The threshold of best F1, halfway to the next confidence below it: rounding on a camera then changes nothing.

    `DEFAULT_CONFIDENCE` where no detection is right.
    """
    if not curve.f1 or max(curve.f1) == 0:
        return DEFAULT_CONFIDENCE
    best = int(np.argmax(curve.f1))
    below = curve.confidence[best + 1] if best + 1 < len(curve.confidence) else 0.0
    return (curve.confidence[best] + below) / 2


def thinned(curve: Curve) -> Curve:
    """At most `CURVE_POINTS` points, evenly chosen, with both ends and the point of best F1: for reports."""
    count = len(curve.confidence)
    if count <= CURVE_POINTS:
        return curve
    even = np.linspace(0, count - 1, CURVE_POINTS - 1).round().astype(int)
    chosen = sorted({*even.tolist(), int(np.argmax(curve.f1))})
    fields = (curve.confidence, curve.precision, curve.recall, curve.f1)
    return Curve(*(tuple(values[at] for at in chosen) for values in fields))
