"""How well a detector does: COCO's averages, and the errors it makes at the confidence it should work at."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from libs.vision.boxes import Box, xyxy_to_xywh
from libs.vision.coco_metrics import CocoScores, coco_scores, coco_summary
from libs.vision.confusion import ConfusionMatrix, Judged, Mistake, confusion_matrix, judge_image, worst_mistakes
from libs.vision.curves import DEFAULT_CONFIDENCE, Curve, operating_confidence, precision_recall, thinned
from libs.vision.matching import EvaluatedImage, ImageMatches, match_image

__all__ = [
    "CameraMetrics",
    "ClassMetrics",
    "ConfusionMatrix",
    "Curve",
    "DetectionMetrics",
    "EvaluatedImage",
    "Mistake",
    "coco_summary",
    "evaluate_detections",
]


@dataclass(frozen=True, slots=True)
class Rates:
    """Precision, recall and F1 of counted boxes; None where they ask about nothing (no truth and nothing said)."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Of one class; precision, recall and F1 at its operating confidence. None where the truth has no box of it."""

    ap50: float | None
    ap50_95: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    operating_confidence: float
    n_truth: int
    n_detections: int


@dataclass(frozen=True, slots=True)
class CameraMetrics:
    """Of one camera's images, at the operating confidences found on all images."""

    map50: float | None
    map50_95: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    n_images: int
    n_truth: int


@dataclass(frozen=True, slots=True)
class DetectionMetrics:
    """Everything an evaluation says. Shares are 0..1; None means that there was nothing to judge.

    map50, map50_95: mean over the classes with truth of the average precision by the COCO protocol (101 recall points,
    at most 100 detections per class and image) at IoU 0.5, and over IoU 0.5 to 0.95.
    precision, recall, f1: of all boxes together (not a mean over classes), each class at its operating confidence,
    matched at IoU 0.5, greedy by confidence.
    """

    map50: float | None
    map50_95: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    n_images: int
    n_truth: int
    coco: dict[str, float | None]
    operating_confidence: dict[str, float]
    per_class: dict[str, ClassMetrics]
    per_camera: dict[str, CameraMetrics]
    curves: dict[str, Curve]
    confusion: ConfusionMatrix
    worst: tuple[Mistake, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries and sequences, for JSON."""
        return asdict(self)

    def headline(self) -> dict[str, float | None]:
        """The five numbers that events carry."""
        return {name: getattr(self, name) for name in ("map50", "map50_95", "precision", "recall", "f1")}


def evaluate_detections(
    images: Sequence[EvaluatedImage],
    classes: Sequence[str],
    *,
    operating: Mapping[str, float] | None = None,
    worst: int = 50,
) -> DetectionMetrics:
    """Judge detections by annotations; `operating` gives confidences to work at instead of those of best F1.

    Images without truth or detections, and classes without either, are fine. Raises ValueError for a label that is not
    among `classes`.
    """
    _check_labels(images, set(classes))
    # Equal confidences rank by image: a fixed order (that of numbers, where ids are numbers) makes results repeatable.
    images = sorted(images, key=lambda each: (len(each.image_id), each.image_id))
    matches = [match_image(each) for each in images]
    curves = {label: _curve(matches, label) for label in classes}
    confidences = {label: _confidence(label, curve, operating) for label, curve in curves.items()}
    judged = [judge_image(each, confidences) for each in matches]
    scores = coco_of(images, classes)
    overall = _rates(judged, None)
    return DetectionMetrics(
        map50=scores.summary["AP50"],
        map50_95=scores.summary["AP"],
        precision=overall.precision,
        recall=overall.recall,
        f1=overall.f1,
        n_images=len(images),
        n_truth=sum(len(each.truth) for each in images),
        coco=scores.summary,
        operating_confidence=confidences,
        per_class=_per_class(judged, scores, classes, confidences),
        per_camera=_per_camera(judged, classes),
        curves={label: thinned(curve) for label, curve in curves.items() if curve is not None},
        confusion=confusion_matrix(judged, classes),
        worst=worst_mistakes(judged, worst),
    )


def _check_labels(images: Sequence[EvaluatedImage], known: set[str]) -> None:
    for image in images:
        for each in (*image.truth, *image.detections):
            if each.label not in known:
                raise ValueError(
                    f"Image {image.image_id} has a box of {each.label!r}, which is none of {sorted(known)}"
                )


def _curve(matches: Sequence[ImageMatches], label: str) -> Curve | None:
    """None for a class without truth."""
    truths = sum(each.label == label for match in matches for each in match.image.truth)
    said = [
        (match.image.detections[index].confidence, index in match.found)
        for match in matches
        for index in match.order
        if match.image.detections[index].label == label
    ]
    confidences, hits = np.array([each[0] for each in said]), np.array([each[1] for each in said], dtype=bool)
    return precision_recall(confidences, hits, truths) if truths else None


def _confidence(label: str, curve: Curve | None, operating: Mapping[str, float] | None) -> float:
    if operating is not None and label in operating:
        return operating[label]
    return DEFAULT_CONFIDENCE if curve is None else operating_confidence(curve)


def _rates(judged: Sequence[Judged], label: str | None) -> Rates:
    """Of one label, or of all together."""
    hits, said, truths = 0, 0, 0
    for each in judged:
        image = each.matches.image
        for detection, truth in each.pairs:
            one = None if detection is None else image.detections[detection].label
            other = None if truth is None else image.truth[truth].label
            said += one is not None and label in (None, one)
            truths += other is not None and label in (None, other)
            hits += one is not None and one == other and label in (None, one)
    return _shares(hits, said, truths)


def _shares(hits: int, said: int, truths: int) -> Rates:
    """Nothing said of something there is precision 0, so that a silent model never passes a gate by having none."""
    if truths == 0:
        return Rates(precision=0.0 if said else None, recall=None, f1=None)
    return Rates(precision=hits / said if said else 0.0, recall=hits / truths, f1=2 * hits / (said + truths))


def _per_class(
    judged: Sequence[Judged], scores: CocoScores, classes: Sequence[str], confidences: Mapping[str, float]
) -> dict[str, ClassMetrics]:
    images = [each.matches.image for each in judged]
    found: dict[str, ClassMetrics] = {}
    for number, label in enumerate(classes, start=1):
        rates, average = _rates(judged, label), scores.per_category[number]
        found[label] = ClassMetrics(
            ap50=average.ap50,
            ap50_95=average.ap50_95,
            precision=rates.precision,
            recall=rates.recall,
            f1=rates.f1,
            operating_confidence=confidences[label],
            n_truth=sum(each.label == label for image in images for each in image.truth),
            n_detections=sum(each.label == label for image in images for each in image.detections),
        )
    return found


def _per_camera(judged: Sequence[Judged], classes: Sequence[str]) -> dict[str, CameraMetrics]:
    found: dict[str, CameraMetrics] = {}
    for camera in sorted({each.matches.image.camera_id for each in judged}):
        own = [each for each in judged if each.matches.image.camera_id == camera]
        images = [each.matches.image for each in own]
        rates, summary = _rates(own, None), coco_of(images, classes).summary
        found[camera] = CameraMetrics(
            map50=summary["AP50"],
            map50_95=summary["AP"],
            precision=rates.precision,
            recall=rates.recall,
            f1=rates.f1,
            n_images=len(images),
            n_truth=sum(len(image.truth) for image in images),
        )
    return found


def coco_of(images: Sequence[EvaluatedImage], classes: Sequence[str]) -> CocoScores:
    """The COCO protocol on our values; category ids count the classes from 1."""
    category = {label: number for number, label in enumerate(classes, start=1)}
    truth: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        truth += [_record(number, category[each.label], each.box) for each in image.truth]
        said += [
            {**_record(number, category[each.label], each.box), "score": each.confidence} for each in image.detections
        ]
    ground_truth = {
        "images": [{"id": number} for number in range(1, len(images) + 1)],
        "categories": [{"id": number, "name": label} for label, number in category.items()],
        "annotations": truth,
    }
    return coco_scores(ground_truth, said)


def _record(image: int, category: int, box: Box) -> dict[str, Any]:
    # To a millionth of a pixel: x2 - x1 carries rounding noise, which tips overlaps that lie exactly on a threshold.
    return {"image_id": image, "category_id": category, "bbox": [round(value, 6) for value in xyxy_to_xywh(box)]}
