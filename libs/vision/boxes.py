"""What a box is and how boxes meet: the vocabulary that domain modules may import (standard library and numpy only).

A box is `(x1, y1, x2, y2)` in pixels of the upright image: left, top, right, bottom, as real numbers, so that the width
is `x2 - x1`. Other orders (COCO's xywh, YOLO's normalised cxcywh) exist only at file borders and are converted here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label and a box, given or confirmed by a person."""

    label: str
    box: Box


@dataclass(frozen=True, slots=True)
class Detection:
    """A label and a box, predicted by a model with a confidence of 0..1."""

    label: str
    box: Box
    confidence: float


def boxes_array(boxes: Sequence[Box] | FloatArray) -> FloatArray:
    """Float64 [N, 4], also for N = 0."""
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def box_area(box: Box) -> float:
    """Square pixels; 0 for a box that is empty or inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou_matrix(a: Sequence[Box] | FloatArray, b: Sequence[Box] | FloatArray) -> FloatArray:
    """Intersection over union of each box of `a` with each of `b`: float64 [N, M], 0 where both are empty."""
    left, right = boxes_array(a), boxes_array(b)
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    union = _areas(left)[:, None] + _areas(right)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _areas(boxes: FloatArray) -> FloatArray:
    return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None), axis=1)


def clip_box(box: Box, width: float, height: float) -> Box:
    """The part of the box inside the image; of zero area if there is none."""
    x1, y1, x2, y2 = box
    return (
        min(max(x1, 0.0), float(width)),
        min(max(y1, 0.0), float(height)),
        min(max(x2, 0.0), float(width)),
        min(max(y2, 0.0), float(height)),
    )


def valid_box(box: Box, width: float, height: float) -> bool:
    """All four numbers finite, and some area left inside the image."""
    return all(math.isfinite(value) for value in box) and box_area(clip_box(box, width, height)) > 0


def xywh_to_xyxy(xywh: Box) -> Box:
    """COCO's left, top, width, height to a box."""
    x, y, width, height = xywh
    return (x, y, x + width, y + height)


def xyxy_to_xywh(box: Box) -> Box:
    """A box to COCO's left, top, width, height."""
    x1, y1, x2, y2 = box
    return (x1, y1, x2 - x1, y2 - y1)


def cxcywh_to_xyxy(cxcywh: Box, width: float, height: float) -> Box:
    """YOLO's centre and size, as shares of the image, to a box in pixels."""
    cx, cy, w, h = cxcywh
    return ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)


def xyxy_to_cxcywh(box: Box, width: float, height: float) -> Box:
    """A box in pixels to YOLO's centre and size as shares of the image."""
    x1, y1, x2, y2 = box
    return ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image sits in a model's input: scaled by one ratio to `width` x `height`, then moved by the padding."""

    scale: float
    width: int
    height: int
    left: int
    top: int

    def to_model(self, box: Box) -> Box:
        """Pixels of the image to pixels of the model's input."""
        x1, y1, x2, y2 = (value * self.scale for value in box)
        return (x1 + self.left, y1 + self.top, x2 + self.left, y2 + self.top)

    def to_image(self, box: Box) -> Box:
        """Pixels of the model's input to pixels of the image; not clipped."""
        x1, y1, x2, y2 = box
        moved = (x1 - self.left, y1 - self.top, x2 - self.left, y2 - self.top)
        return (moved[0] / self.scale, moved[1] / self.scale, moved[2] / self.scale, moved[3] / self.scale)


def letterbox_geometry(width: int, height: int, target_width: int, target_height: int) -> Letterbox:
    """The largest copy with the same ratio that fits the target, centred; an odd pixel of padding goes right or below.

    The same rounding as the training back-ends use, so that a shipped model sees what it was trained on.
    """
    scale = min(target_width / width, target_height / height)
    inner_width = min(target_width, max(1, round(width * scale)))
    inner_height = min(target_height, max(1, round(height * scale)))
    left, top = (target_width - inner_width) // 2, (target_height - inner_height) // 2
    return Letterbox(scale=scale, width=inner_width, height=inner_height, left=left, top=top)
