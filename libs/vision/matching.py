"""Which detection found which annotation in one image, by the COCO rule: best first, each annotation found once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.vision.boxes import Annotation, Detection, iou_matrix

MATCHING_IOU = 0.5
DETECTIONS_PER_CLASS = 100  # per image, as in the COCO protocol

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EvaluatedImage:
    """One image of an evaluation: what is there and what the model said, boxes in pixels of the image."""

    image_id: str
    camera_id: str
    truth: tuple[Annotation, ...]
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class ImageMatches:
    """`order`: indices of the detections that count, best first. `found`: detection index -> truth index, same label.

    `overlaps` is the IoU of every detection with every annotation, float64 [D, T].
    """

    image: EvaluatedImage
    order: tuple[int, ...]
    found: dict[int, int]
    overlaps: FloatArray


def match_image(image: EvaluatedImage) -> ImageMatches:
    """Greedy by confidence: a detection takes the free annotation of its label with the highest IoU, if at least 0.5.

    A lower confidence never changes what a higher one took, so the result holds for every confidence threshold.
    """
    overlaps = iou_matrix([each.box for each in image.detections], [each.box for each in image.truth])
    order = _counted(image.detections)
    said, true = (np.array([each.label for each in side], dtype=str) for side in (image.detections, image.truth))
    allowed = np.where(said[:, None] == true[None, :], overlaps, 0.0)
    return ImageMatches(image=image, order=order, found=take_best(allowed, order), overlaps=overlaps)


def take_best(overlaps: FloatArray, order: tuple[int, ...] | list[int]) -> dict[int, int]:
    """Row -> column, rows in the given order, each taking the free column of highest overlap, if at least 0.5."""
    reachable = overlaps >= MATCHING_IOU
    taken: dict[int, int] = {}
    used: set[int] = set()
    for row in [each for each in order if reachable[each].any()]:
        free = [column for column in np.flatnonzero(reachable[row]).tolist() if column not in used]
        if free:
            # of equal overlaps the last, as the reference implementation of the protocol does
            taken[row] = max(free, key=lambda column: (overlaps[row, column], column))
            used.add(taken[row])
    return taken


def _counted(detections: tuple[Detection, ...]) -> tuple[int, ...]:
    seen: dict[str, int] = {}
    order: list[int] = []
    for index in sorted(range(len(detections)), key=lambda each: -detections[each].confidence):
        label = detections[index].label
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= DETECTIONS_PER_CLASS:
            order.append(index)
    return tuple(order)
