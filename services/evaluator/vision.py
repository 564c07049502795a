"""Runs shipped detectors over the pictures of a split, and counts what they found for resampling."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.common.errors import Permanent
from libs.vision.detection_metrics import EvaluatedImage
from libs.vision.inference import Detector, SignatureError
from libs.vision.matching import match_image
from libs.vision.quality import Image, UndecodableImage, decode_image
from services.evaluator.domain.assignment import Contender, Picture
from services.evaluator.domain.bootstrap import Tally, tally_classes


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector said about each picture, and the seconds it took (resizing and inference)."""

    images: tuple[EvaluatedImage, ...]
    seconds: tuple[float, ...]


def load_detector(contender: Contender, *, threads: int) -> Detector:
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


def _counts(values: Sequence[int]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
