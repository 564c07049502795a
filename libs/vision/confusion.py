"""What was taken for what at the operating confidence, and the single worst errors to look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from libs.vision.boxes import Box
from libs.vision.matching import ImageMatches, take_best

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """`counts[truth][said]`; the last label is the background: missed annotations say it, false detections are it."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error: an annotation `missed`, a `false` detection, or one label `confused` with another.

    `box` is the annotation's, or the detection's where it is false. `score` of 0..1 says how bad: the confidence of a
    wrong detection; for a missed annotation 1 minus the highest confidence with which it was seen after all.
    """

    kind: Literal["missed", "false", "confused"]
    image_id: str
    camera_id: str
    label: str | None
    said: str | None
    box: Box
    confidence: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Index pairs (detection, truth) of one image at the operating confidence; None for the background."""

    matches: ImageMatches
    pairs: tuple[tuple[int | None, int | None], ...]


def judge_image(matches: ImageMatches, operating_confidence: Mapping[str, float]) -> Judged:
    """Pair what counts: same labels first (the true positives), then any labels that lie on each other (IoU >= 0.5)."""
    image = matches.image
    taken = [
        each
        for each in matches.order
        if image.detections[each].confidence >= operating_confidence[image.detections[each].label]
    ]
    right = {each: matches.found[each] for each in taken if each in matches.found}
    rest = [each for each in taken if each not in right]
    left = [each for each in range(len(image.truth)) if each not in set(right.values())]
    open_overlaps = np.zeros_like(matches.overlaps)
    open_overlaps[:, left] = matches.overlaps[:, left]
    wrong = take_best(open_overlaps, rest)
    pairs: list[tuple[int | None, int | None]] = [*right.items(), *wrong.items()]
    pairs += [(each, None) for each in rest if each not in wrong]
    pairs += [(None, each) for each in left if each not in set(wrong.values())]
    return Judged(matches=matches, pairs=tuple(pairs))


def confusion_matrix(judged: Iterable[Judged], classes: Sequence[str]) -> ConfusionMatrix:
    """Count pairs by label."""
    labels = (*classes, BACKGROUND)
    place: dict[str | None, int] = {**{label: at for at, label in enumerate(classes)}, None: len(classes)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for each in judged:
        for truth, said in _labels(each):
            counts[place[truth], place[said]] += 1
    return ConfusionMatrix(labels=labels, counts=tuple(tuple(row) for row in counts.tolist()))


def _labels(judged: Judged) -> list[tuple[str | None, str | None]]:
    image = judged.matches.image
    return [
        (
            None if truth is None else image.truth[truth].label,
            None if detection is None else image.detections[detection].label,
        )
        for detection, truth in judged.pairs
    ]


def worst_mistakes(judged: Iterable[Judged], limit: int) -> tuple[Mistake, ...]:
    """The `limit` errors of highest score, of all kinds."""
    found = [mistake for each in judged for mistake in _mistakes(each)]
    found.sort(key=lambda each: (-each.score, each.image_id, each.box))
    return tuple(found[:limit])


def _mistakes(judged: Judged) -> list[Mistake]:
    labels = _labels(judged)
    return [
        _mistake(judged.matches, pair, truth=truth, said=said)
        for pair, (truth, said) in zip(judged.pairs, labels, strict=True)
        if truth != said
    ]


def _mistake(
    matches: ImageMatches, pair: tuple[int | None, int | None], *, truth: str | None, said: str | None
) -> Mistake:
    image = matches.image
    detection = None if pair[0] is None else image.detections[pair[0]]
    if pair[1] is not None:
        box = image.truth[pair[1]].box
    else:
        assert detection is not None
        box = detection.box
    return Mistake(
        kind="missed" if detection is None else "false" if truth is None else "confused",
        image_id=image.image_id,
        camera_id=image.camera_id,
        label=truth,
        said=said,
        box=box,
        confidence=None if detection is None else detection.confidence,
        score=detection.confidence if detection is not None else 1 - _faint_confidence(matches, pair[1]),
    )


def _faint_confidence(matches: ImageMatches, truth: int | None) -> float:
    """With what confidence, below the operating one, a missed annotation was found."""
    found = (each for each, index in matches.found.items() if index == truth)
    return max((matches.image.detections[each].confidence for each in found), default=0.0)
