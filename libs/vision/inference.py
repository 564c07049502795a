"""Runs a shipped detector, whatever back-end trained it: an ONNX file with the signature `detector/1`.

Input `images`: float32 [1, 3, H, W], RGB, 0..1, letterboxed with 114/255. Output `detections`: float32 [1, K, 6], rows
of x1, y1, x2, y2 in pixels of that input, confidence, class index, best first; rows of confidence 0 are padding.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from libs.vision.boxes import Detection, Letterbox, box_area, clip_box, letterbox_geometry
from libs.vision.onnx_sessions import SignatureError, check_names, check_tensor, open_session
from libs.vision.quality import Image

PADDING = 114
_ABI, _INPUT, _OUTPUT = "detector/1", "images", "detections"

SingleArray = NDArray[np.float32]


class Detector:
    """One loaded detector; `detect` is safe to call from several threads."""

    def __init__(
        self,
        path: Path | str | bytes,
        classes: Sequence[str],
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        """Load an ONNX file (or its bytes); `classes` in the order of the class index, `threads` None for all cores.

        Raises SignatureError where the file is no ONNX model or has another signature.
        """
        self._session = open_session(path, threads=threads, providers=providers)
        self.width, self.height = check_signature(self._session)
        self.classes = tuple(classes)

    def detect(self, image: Image, minimum_confidence: float | Mapping[str, float] = 0.001) -> list[Detection]:
        """Detections in a BGR image uint8 [H, W, 3], in its pixels, clipped to it, best first.

        `minimum_confidence` is one number for all labels, or one per label (labels it does not name are left out).
        Raises SignatureError where the model answers with a class index it has no name for.
        """
        height, width = image.shape[:2]
        geometry = letterbox_geometry(width, height, self.width, self.height)
        (rows,) = self._session.run([_OUTPUT], {_INPUT: letterbox(image, self.width, self.height)})
        found = self._detections(cast("SingleArray", rows)[0], geometry, width=width, height=height)
        return [each for each in found if each.confidence >= _threshold(minimum_confidence, each.label)]

    def _detections(self, rows: SingleArray, geometry: Letterbox, *, width: int, height: int) -> list[Detection]:
        kept = rows[np.isfinite(rows).all(axis=1) & (rows[:, 4] > 0)].astype(np.float64)
        kept = kept[np.argsort(-kept[:, 4], kind="stable")]
        found: list[Detection] = []
        for x1, y1, x2, y2, confidence, index in kept.tolist():
            box = clip_box(geometry.to_image((x1, y1, x2, y2)), width, height)
            if box_area(box) > 0:
                found.append(Detection(self._label(index), box, confidence))
        return found

    def _label(self, index: float) -> str:
        number = round(index)
        if not 0 <= number < len(self.classes):
            raise SignatureError(
                f"The model answers with class {number}, but its metadata names {len(self.classes)} classes"
            )
        return self.classes[number]


def letterbox(image: Image, width: int, height: int) -> SingleArray:
    """A BGR image as a detector's input: float32 [1, 3, height, width], RGB, 0..1, ratio kept, padded with 114/255."""
    geometry = letterbox_geometry(image.shape[1], image.shape[0], width, height)
    inner = cv2.resize(image, (geometry.width, geometry.height), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((height, width, 3), PADDING, np.uint8)
    canvas[geometry.top : geometry.top + geometry.height, geometry.left : geometry.left + geometry.width] = inner
    planes = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1))
    return planes[None].astype(np.float32) / np.float32(255)


def check_signature(session: onnxruntime.InferenceSession) -> tuple[int, int]:
    """Width and height of the model's input. Raises SignatureError naming what differs from `detector/1`."""
    check_names(session, _ABI, [_INPUT], [_OUTPUT])
    check_tensor(session.get_inputs()[0], _ABI, (1, 3, None, None))
    check_tensor(session.get_outputs()[0], _ABI, (1, None, 6))
    height, width = session.get_inputs()[0].shape[2:]
    if not (isinstance(height, int) and isinstance(width, int)):
        raise SignatureError(f"{_ABI} needs a fixed input size, the model has {[1, 3, height, width]}: export it again")
    return width, height


def _threshold(minimum: float | Mapping[str, float], label: str) -> float:
    return minimum.get(label, math.inf) if isinstance(minimum, Mapping) else minimum
