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
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors  # pyright: ignore[reportAttributeAccessIssue] compiled

from libs.vision.boxes import Detection, Letterbox, box_area, clip_box, letterbox_geometry
from libs.vision.quality import Image

PADDING = 114
_INPUT, _OUTPUT = "images", "detections"

SingleArray = NDArray[np.float32]

# ONNX Runtime's errors have no common base below Exception.
_LOAD_ERRORS = (
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NoModel,
    onnx_errors.NoSuchFile,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


class SignatureError(ValueError):
    """The artifact can't be loaded, or has not the signature `detector/1`."""


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
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [each.name for each in inputs] != [_INPUT] or [each.name for each in outputs] != [_OUTPUT]:
        names = f"{[each.name for each in inputs]} -> {[each.name for each in outputs]}"
        raise SignatureError(f"detector/1 needs ['{_INPUT}'] -> ['{_OUTPUT}'], the model has {names}")
    _check_tensor(inputs[0], (1, 3, None, None))
    _check_tensor(outputs[0], (1, None, 6))
    height, width = inputs[0].shape[2:]
    if not (isinstance(height, int) and isinstance(width, int)):
        raise SignatureError(f"detector/1 needs a fixed input size, the model has {inputs[0].shape}: export it again")
    return width, height


def _check_tensor(node: onnxruntime.NodeArg, shape: tuple[int | None, ...]) -> None:
    fits = len(node.shape) == len(shape) and all(
        wanted is None or wanted == given for wanted, given in zip(shape, node.shape, strict=True)
    )
    if node.type != "tensor(float)" or not fits:
        wanted = ["any" if side is None else side for side in shape]
        raise SignatureError(
            f"detector/1 needs '{node.name}' as float32 {wanted}, the model has {node.type} {node.shape}"
        )


def open_session(
    path: Path | str | bytes, *, threads: int | None, providers: Sequence[str]
) -> onnxruntime.InferenceSession:
    """A session whose waiting threads do not spin; `threads` None for all cores. Raises SignatureError."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while they wait take the other processes' cores on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    source = path if isinstance(path, bytes) else str(path)
    try:
        return onnxruntime.InferenceSession(source, options, providers=list(providers))
    except _LOAD_ERRORS as error:
        name = "The model" if isinstance(path, bytes) else f"The model {path}"
        raise SignatureError(f"{name} can't be loaded as ONNX: {error}") from error


def _threshold(minimum: float | Mapping[str, float], label: str) -> float:
    return minimum.get(label, math.inf) if isinstance(minimum, Mapping) else minimum
