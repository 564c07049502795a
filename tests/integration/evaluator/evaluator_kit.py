"""A detector without torch whose answers are known, and pictures to show it: coloured rectangles on grey."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from libs.vision.boxes import Annotation
from services.evaluator.domain.assignment import Lineage
from services.evaluator.domain.detection_assignment import DetectionAssignment, Picture, ShippedDetector
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.words import Words

CLASSES = ("red", "blue")
RUN = UUID("11111111-2222-3333-4444-555555555555")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Boxes = dict[str, tuple[int, int, int, int]]
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


def picture(folder: Path, number: int, drawn: Boxes, marked: Boxes, *, camera: str = "line-1") -> Picture:
    path = folder / f"{number}.png"
    path.write_bytes(drawn_picture(drawn))
    truth = tuple(Annotation(label, tuple(map(float, box))) for label, box in marked.items())
    return Picture(UUID(int=number), camera, NOON, path, f"s3://camloop/snapshots/{number}.png", truth)


def four_pictures(folder: Path, *, start: int = 0) -> tuple[Picture, ...]:
    """Camera line-1 is easy; on line-2 one red is missed (not drawn) and one blue is a false alarm (not marked)."""
    red, blue = (10, 10, 40, 50), (50, 20, 90, 60)
    return (
        picture(folder, start, {"red": red}, {"red": red}),
        picture(folder, start + 1, {"red": red, "blue": blue}, {"red": red, "blue": blue}),
        picture(folder, start + 2, {"blue": blue}, {"blue": blue, "red": red}, camera="line-2"),
        picture(folder, start + 3, {"red": red, "blue": blue}, {"red": red}, camera="line-2"),
    )


def lineage() -> Lineage:
    return Lineage(
        evaluation_id=RUN,
        training_run_id=RUN,
        dataset_version_id=RUN,
        dataset_version=3,
        split_counts={"train": 10, "val": 4, "test": 4},
        backend="ultralytics",
        licence="AGPL-3.0",
        base_weights=None,
        device="cpu",
        training_seconds=120.0,
        seed=0,
        hyperparameters={"epochs": 3},
        requested_by="rule:automatic",
        reason="a model was trained",
    )


def four_picture_assignment(folder: Path) -> DetectionAssignment:
    """A detector of red and blue, the four pictures as test and again as val, no champion, no rules."""
    model = colour_detector(folder / "best.onnx", CLASSES)
    return DetectionAssignment(
        workflow="colours",
        title=Words("Colours", "颜色"),
        class_titles={"red": Words("Red", "红色"), "blue": Words("Blue", "蓝色")},
        classes=CLASSES,
        rules=Rules(),
        model=ShippedDetector("run", model, "a" * 64, CLASSES),
        champion=None,
        pictures={"test": four_pictures(folder), "val": four_pictures(folder, start=10)},
        dropped_annotations=0,
        lineage=lineage(),
        folder=folder,
        threads=1,
        language="en",
        gallery=12,
        evaluated_at=NOON,
    )


def quiet(stage: str, done: int, total: int) -> None:
    pass
