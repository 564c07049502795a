"""Pictures of the worst errors: what a person marked and what the model said, drawn and made small enough to inline."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from libs.vision.boxes import Box
from libs.vision.confusion import Judged, judge_image
from libs.vision.drawing import DrawnBox, Role, draw_boxes, encode_jpeg
from libs.vision.matching import EvaluatedImage, match_image
from libs.vision.quality import Image
from services.evaluator.report.detection.content import ReportedMistake

LONGER_SIDE = 720
JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One picture with its errors, ready for the page."""

    data_uri: str
    camera_id: str
    mistakes: tuple[ReportedMistake, ...]


def gallery(
    mistakes: Sequence[ReportedMistake],
    images: Mapping[str, EvaluatedImage],
    operating_confidence: Mapping[str, float],
    pixels_of: Callable[[str], Image],
    limit: int,
) -> tuple[GalleryPicture, ...]:
    """The pictures with the worst errors, worst first, each once with all it shows."""
    chosen = list(dict.fromkeys(each.mistake.image_id for each in mistakes))[:limit]
    return tuple(
        GalleryPicture(
            data_uri=_data_uri(pixels_of(name), judge_image(match_image(images[name]), operating_confidence)),
            camera_id=images[name].camera_id,
            mistakes=tuple(each for each in mistakes if each.mistake.image_id == name),
        )
        for name in chosen
    )


def _data_uri(pixels: Image, judged: Judged) -> str:
    scale = LONGER_SIDE / max(pixels.shape[:2])
    drawn = draw_boxes(_scaled(pixels, scale), [_moved(each, scale) for each in drawn_boxes(judged)])
    return "data:image/jpeg;base64," + b64encode(encode_jpeg(drawn, JPEG_QUALITY)).decode()


def _scaled(pixels: Image, scale: float) -> Image:
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, interpolation=kind).astype(np.uint8, copy=False)


def _moved(drawn: DrawnBox, scale: float) -> DrawnBox:
    x1, y1, x2, y2 = drawn.box
    return DrawnBox((x1 * scale, y1 * scale, x2 * scale, y2 * scale), drawn.text, drawn.role)


def drawn_boxes(judged: Judged) -> list[DrawnBox]:
    """Right ones first, so that errors lie on top."""
    boxes = [each for pair in judged.pairs for each in _pair_boxes(judged, *pair)]
    order: dict[Role, int] = {"truth": 0, "right": 1}
    return sorted(boxes, key=lambda each: order.get(each.role, 2))


def _pair_boxes(judged: Judged, detection: int | None, truth: int | None) -> Iterable[DrawnBox]:
    image = judged.matches.image
    if detection is None:
        if truth is not None:
            yield DrawnBox(image.truth[truth].box, f"missed {image.truth[truth].label}", "missed")
        return
    said = image.detections[detection]
    words = f"{said.label} {said.confidence:.2f}"
    if truth is None:
        yield DrawnBox(said.box, words, "false")
        return
    marked = image.truth[truth]
    right = marked.label == said.label
    yield DrawnBox(marked.box, "" if right else f"is {marked.label}", "truth")
    yield DrawnBox(_inside(said.box), words, "right" if right else "confused")


def _inside(box: Box) -> Box:
    """A pixel smaller: a detection that lies exactly on the annotation must not hide it."""
    x1, y1, x2, y2 = box
    return (x1 + 1, y1 + 1, x2 - 1, y2 - 1) if x2 - x1 > 4 and y2 - y1 > 4 else box
