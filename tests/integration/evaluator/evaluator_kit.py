"""A detector without torch whose answers are known, and pictures to show it: coloured rectangles on grey."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 96
COLOURS = {"red": (0, 0, 255), "blue": (255, 0, 0), "green": (0, 255, 0)}  # BGR, as OpenCV draws
_WEIGHTS = {"red": (1, -1, -1), "blue": (-1, -1, 1), "green": (-1, 1, -1)}  # of R, G, B


def colour_detector(
    path: Path,
    classes: Sequence[str],
    *,
    confidence: float = 0.9,
    blind_to: Sequence[str] = (),
    shift: float = 0.0,
    side: int = SIDE,
    last_index: int | None = None,
) -> Path:
    """Write an ONNX file with the signature detector/1 that finds the extent of each colour, one box per class.

    `shift` moves its boxes by pixels; `blind_to` names colours it never finds; `last_index` renumbers the last class.
    """
    count = len(classes)
    weights = np.array([_WEIGHTS[name] for name in classes], np.float32).reshape(count, 3, 1, 1)
    sure = np.array([[[0.0 if name in blind_to else confidence] for name in classes]], np.float32)
    index = np.arange(count, dtype=np.float32).reshape(1, count, 1)
    if last_index is not None:
        index[0, -1, 0] = last_index
    constants = {
        "weights": weights,
        "threshold": np.array(0.6, np.float32),
        "sure": sure,
        "index": index,
        "past": np.array(1 + shift, np.float32),
        "shift": np.array(shift, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["colour"]),
        helper.make_node("Greater", ["colour", "threshold"], ["painted"]),
        helper.make_node("Cast", ["painted"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["mask"], ["columns"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["mask"], ["rows"], axes=[3], keepdims=0),
        helper.make_node("ReduceMax", ["columns"], ["present"], axes=[2], keepdims=1),
        helper.make_node("Mul", ["present", "sure"], ["confidence"]),
        *_edge("columns", "x1", last=0, offset="shift"),
        *_edge("rows", "y1", last=0, offset="shift"),
        *_edge("columns", "x2", last=1, offset="past"),
        *_edge("rows", "y2", last=1, offset="past"),
        helper.make_node("Concat", ["x1", "y1", "x2", "y2", "confidence", "index"], ["detections"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("detections", TensorProto.FLOAT, [1, count, 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _edge(source: str, name: str, *, last: int, offset: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("ArgMax", [source], [f"{name}_at"], axis=2, keepdims=1, select_last_index=last),
        helper.make_node("Cast", [f"{name}_at"], [f"{name}_float"], to=TensorProto.FLOAT),
        helper.make_node("Add", [f"{name}_float", offset], [name]),
    ]


def drawn_picture(boxes: dict[str, tuple[int, int, int, int]], *, side: int = SIDE) -> bytes:
    """A PNG (no artefacts at edges) with one rectangle per colour, `[x1, y1, x2, y2)` in pixels."""
    canvas = np.full((side, side, 3), 128, np.uint8)
    for colour, (x1, y1, x2, y2) in boxes.items():
        canvas[y1:y2, x1:x2] = COLOURS[colour]
    done, data = cv2.imencode(".png", canvas)
    assert done
    return data.tobytes()
