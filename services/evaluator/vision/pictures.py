"""Runs shipped detectors over the pictures of a split, and counts what they found for resampling."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.common.errors import Permanent
from libs.vision.curves import operating_confidence, precision_recall
from libs.vision.detection_metrics import EvaluatedImage
from libs.vision.inference import Detector, SignatureError
from libs.vision.matching import ImageMatches, match_image
from libs.vision.quality import Image, UndecodableImage, decode_image
from services.evaluator.domain.detection_assignment import Picture, ShippedDetector
from services.evaluator.domain.detection_tally import Tally, tally_classes


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector said about each picture, and the seconds it took (resizing and inference)."""

    images: tuple[EvaluatedImage, ...]
    seconds: tuple[float, ...]


def load_detector(contender: ShippedDetector, *, threads: int) -> Detector:
    """Raises `Permanent` where the file has not the signature detector/1: cameras could not run it either."""
    try:
        return Detector(contender.path, contender.classes, threads=threads)
    except SignatureError as error:
        raise Permanent(f"{contender.name} can't be run: {error}") from error


def look(detector: Detector, pictures: Sequence[Picture], tell: Callable[[int], None]) -> Seen:
    """Show each picture to the detector. `tell` hears how many are done."""
    images: list[EvaluatedImage] = []
    seconds: list[float] = []
    for picture in pictures:
        pixels = read_picture(picture)
        if not images:
            _detect(detector, pixels, picture)  # the first inference also allocates: not what a camera sees
        started = time.perf_counter()
        images.append(_detect(detector, pixels, picture))
        seconds.append(time.perf_counter() - started)
        tell(len(images))
    return Seen(tuple(images), tuple(seconds))


def read_picture(picture: Picture) -> Image:
    """Upright BGR pixels. Raises `Permanent` naming the sample where the file can't be decoded."""
    try:
        return decode_image(picture.path.read_bytes()).image
    except UndecodableImage as error:
        raise Permanent(f"Sample {picture.sample_id} ({picture.uri}) can't be decoded: {error}") from error


def _detect(detector: Detector, pixels: Image, picture: Picture) -> EvaluatedImage:
    try:
        detections = detector.detect(pixels)
    except SignatureError as error:
        raise Permanent(f"The model fails on sample {picture.sample_id}: {error}") from error
    return EvaluatedImage(str(picture.sample_id), picture.camera_id, picture.truth, tuple(detections))


def operating_points(images: Sequence[EvaluatedImage], classes: Sequence[str]) -> dict[str, float]:
    """The confidence of best F1 of each class the images show; a class without any annotation is left out."""
    matches = [match_image(each) for each in images]
    return {label: _operating_point(matches, label) for label in classes if _truths(matches, label)}


def _operating_point(matches: Sequence[ImageMatches], label: str) -> float:
    said = [
        (match.image.detections[at].confidence, at in match.found)
        for match in matches
        for at in match.order
        if match.image.detections[at].label == label
    ]
    confidences, hits = _counts([each[0] for each in said]), np.array([each[1] for each in said], dtype=bool)
    return operating_confidence(precision_recall(confidences, hits, _truths(matches, label)))


def _truths(matches: Sequence[ImageMatches], label: str) -> int:
    return sum(each.label == label for match in matches for each in match.image.truth)


def tally_of(images: Sequence[EvaluatedImage], classes: Sequence[str], operating: dict[str, float]) -> Tally:
    """What resampling needs, in the order of the images."""
    matches = [match_image(each) for each in images]
    hits = [
        [
            (match.image.detections[at].label, match.image.detections[at].confidence, at in match.found)
            for at in match.order
        ]
        for match in matches
    ]
    counted = [[hit for label, confidence, hit in each if confidence >= operating[label]] for each in hits]
    labels = [[each.label for each in image.truth] for image in images]
    return Tally(
        classes=tally_classes(hits, labels, classes),
        said=_counts([len(each) for each in counted]),
        found=_counts([sum(each) for each in counted]),
        annotated=_counts([len(each) for each in labels]),
    )


def _counts(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
