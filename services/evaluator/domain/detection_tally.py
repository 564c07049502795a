"""The average precision and F1 of drawn image sets, from what a detector found in each image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.evaluator.domain.bootstrap import FloatArray

RECALL_POINTS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True, eq=False)
class ClassHits:
    """Detections of one class over N images, highest confidence first.

    image: int [D], index of the image; hit: bool [D], whether it found an annotation; truths: float [N], annotations
    per image.
    """

    image: NDArray[np.int64]
    hit: NDArray[np.bool_]
    truths: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Of one model: hits per class, and per image the boxes said, found and annotated at the operating confidence."""

    classes: tuple[ClassHits, ...]
    said: FloatArray
    found: FloatArray
    annotated: FloatArray


def map50_of(tally: Tally, weights: FloatArray) -> FloatArray:
    """Mean average precision at IoU 0.5 of each replicate: float [R]; NaN where no class has an annotation."""
    per_class = np.stack([average_precision(each, weights) for each in tally.classes])
    known = np.isfinite(per_class)
    total: FloatArray = np.where(known, per_class, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))


def f1_of(tally: Tally, weights: FloatArray) -> FloatArray:
    """F1 over all boxes of each replicate: float [R]; NaN where nothing is annotated."""
    annotated = weights @ tally.annotated
    boxes = weights @ tally.said + annotated
    return np.divide(2 * (weights @ tally.found), boxes, out=np.full(boxes.shape, np.nan), where=annotated > 0)


def average_precision(hits: ClassHits, weights: FloatArray) -> FloatArray:
    """COCO's 101-point average precision of each replicate: float [R]; NaN where the class has no annotation.

    Only the places of hits matter: between them precision falls and recall stands still.
    """
    truths = weights @ hits.truths
    found, wrong = _counts_at_hits(hits)
    right = weights @ found
    said = right + weights @ wrong
    precision = np.divide(right, said, out=np.zeros_like(right), where=said > 0)
    ceiling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = np.divide(right, truths[:, None], out=np.zeros_like(right), where=truths[:, None] > 0)
    return np.where(truths > 0, _area(recall, ceiling), np.nan)


def _counts_at_hits(hits: ClassHits) -> tuple[FloatArray, FloatArray]:
    """Per image, how many detections were right and how many wrong by the time of each hit: two float [N, H]."""
    places = np.cumsum(hits.hit) - hits.hit  # hits before this detection = the first hit that counts it
    shape = (len(hits.truths), int(hits.hit.sum()))
    counted = places < shape[1]
    right, wrong = np.zeros(shape), np.zeros(shape)
    for target, chosen in ((right, hits.hit), (wrong, ~hits.hit & counted)):
        np.add.at(target, (hits.image[chosen], places[chosen]), 1.0)
    return np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)


def _area(recall: FloatArray, ceiling: FloatArray) -> FloatArray:
    """Mean over the recall points of the precision at the first hit that reaches each: float [R] from two [R, H]."""
    reached = np.searchsorted(RECALL_POINTS, recall, side="right")
    newly = np.diff(reached, axis=1, prepend=0)
    return (ceiling * newly).sum(axis=1) / len(RECALL_POINTS)


def tally_classes(
    hits_by_image: Sequence[Sequence[tuple[str, float, bool]]],
    labels_by_image: Sequence[Sequence[str]],
    classes: Sequence[str],
) -> tuple[ClassHits, ...]:
    """From each image's (label, confidence, hit) and the labels annotated in it. Equal confidences keep image order."""
    rows = [(label, -confidence, at, hit) for at, each in enumerate(hits_by_image) for label, confidence, hit in each]
    rows.sort(key=lambda row: row[1])
    return tuple(_hits_of(label, [row for row in rows if row[0] == label], labels_by_image) for label in classes)


def _hits_of(
    label: str, rows: Sequence[tuple[str, float, int, bool]], labels_by_image: Sequence[Sequence[str]]
) -> ClassHits:
    return ClassHits(
        image=np.array([row[2] for row in rows], dtype=np.int64),
        hit=np.array([row[3] for row in rows], dtype=bool),
        truths=np.array([sum(each == label for each in labels) for labels in labels_by_image], dtype=np.float64),
    )
