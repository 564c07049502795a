"""Pictures for reports: boxes with their labels, coloured by what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from libs.vision.boxes import Box
from libs.vision.quality import Image

Role = Literal["truth", "right", "missed", "false", "confused"]

# BGR, told apart by the colour-blind (after Okabe and Ito): the text beside each box says it again in words.
COLOURS: dict[Role, tuple[int, int, int]] = {
    "truth": (178, 114, 0),
    "right": (115, 158, 0),
    "missed": (0, 159, 230),
    "false": (0, 94, 213),
    "confused": (167, 121, 204),
}


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """One box to draw and the words above it."""

    box: Box
    text: str
    role: Role


def draw_boxes(image: Image, boxes: Sequence[DrawnBox]) -> Image:
    """A copy of a BGR image uint8 [H, W, 3] with the boxes drawn; line and text grow with the image."""
    canvas = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    for each in boxes:
        left, top, right, bottom = (round(value) for value in each.box)
        cv2.rectangle(canvas, (left, top), (right, bottom), COLOURS[each.role], thickness)
        if each.text:
            _write(canvas, each, left, top, thickness)
    return canvas


def _write(canvas: Image, drawn: DrawnBox, left: int, top: int, thickness: int) -> None:
    """White on the box's colour, above the box, or inside where there is no room."""
    words, scale = _drawable(drawn.text), 0.4 * max(1.0, thickness * 0.75)
    (width, height), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = int(np.clip(left, 0, max(0, canvas.shape[1] - width)))
    y = top - below if top - below - height >= 0 else top + height + below
    cv2.rectangle(canvas, (x, y - height - below // 2), (x + width, y + below), COLOURS[drawn.role], cv2.FILLED)
    cv2.putText(canvas, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _drawable(text: str) -> str:
    """OpenCV's strokes know ASCII only; label ids are ASCII, titles stand in the report's own text."""
    return text.encode("ascii", errors="replace").decode("ascii")


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """A BGR image as JPEG bytes."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"An image of shape {image.shape} can't be written as JPEG")
    return data.tobytes()
