from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libs.vision.boxes import Detection
from libs.vision.inference import Detector, SignatureError, letterbox

onnx = pytest.importorskip("onnx", reason="the onnx package builds the test models: install the trainer's extra")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT

Rows = list[tuple[float, float, float, float, float, float]]


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "detector", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def fixed_model(path: Path, rows: Rows, *, height: int = 320, width: int = 320, **changes: Any) -> Path:
    """A detector that says the same of every picture: rows + 0 * mean(images)."""
    name, output = changes.get("input_name", "images"), changes.get("output_name", "detections")
    shape = changes.get("shape", [1, 3, height, width])
    constants = [
        numpy_helper.from_array(np.array([rows], np.float32), "rows"),
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
    ]
    nodes = [
        helper.make_node("ReduceMean", [name], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], [output]),
    ]
    inputs = [helper.make_tensor_value_info(name, changes.get("type", FLOAT), shape)]
    outputs = [helper.make_tensor_value_info(output, FLOAT, [1, len(rows), len(rows[0])])]
    return save(path, nodes, inputs, outputs, constants)


def bright_spot_model(path: Path, side: int = 64) -> Path:
    """A detector that finds the brightest red pixel: its box is one pixel around it, its confidence the value there."""
    constants = [
        numpy_helper.from_array(np.array([0], np.int64), "red"),
        numpy_helper.from_array(np.array([-1], np.int64), "flat"),
        numpy_helper.from_array(np.array([side], np.float32), "side"),
        numpy_helper.from_array(np.array([1], np.float32), "one"),
        numpy_helper.from_array(np.array([0], np.float32), "class"),
        numpy_helper.from_array(np.array([1, 1, 6], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Gather", ["images", "red"], ["plane"], axis=1),
        helper.make_node("Reshape", ["plane", "flat"], ["pixels"]),
        helper.make_node("ArgMax", ["pixels"], ["best"], axis=0),
        helper.make_node("ReduceMax", ["pixels"], ["confidence"]),
        helper.make_node("Cast", ["best"], ["at"], to=FLOAT),
        helper.make_node("Div", ["at", "side"], ["row_and_more"]),
        helper.make_node("Floor", ["row_and_more"], ["y1"]),
        helper.make_node("Mul", ["y1", "side"], ["before"]),
        helper.make_node("Sub", ["at", "before"], ["x1"]),
        helper.make_node("Add", ["x1", "one"], ["x2"]),
        helper.make_node("Add", ["y1", "one"], ["y2"]),
        helper.make_node("Concat", ["x1", "y1", "x2", "y2", "confidence", "class"], ["row"], axis=0),
        helper.make_node("Reshape", ["row", "shape"], ["detections"]),
    ]
    inputs = [helper.make_tensor_value_info("images", FLOAT, [1, 3, side, side])]
    outputs = [helper.make_tensor_value_info("detections", FLOAT, [1, 1, 6])]
    return save(path, nodes, inputs, outputs, constants)


ROWS: Rows = [
    (0, 80, 160, 240, 0.5, 1),
    (100, 100, 200, 200, 0.9, 0),
    (-10, 70, 50, 130, 0.3, 0),  # passes the border: clipped
    (0, 0, 320, 70, 0.8, 0),  # lies in the padding only: nothing in the image
    (10, 100, 20, 110, 0.0, 0),  # padding row
    (float("nan"), 0, 1, 1, 0.9, 0),
]


def test_boxes_come_back_in_pixels_of_the_image_best_first(tmp_path: Path):
    detector = Detector(fixed_model(tmp_path / "best.onnx", ROWS), ["hairnet", "no_hairnet"])
    # 640x320 into 320x320: halved, 80 pixels of padding above and below.
    found = detector.detect(np.zeros((320, 640, 3), np.uint8))
    expected = [
        ("hairnet", (200, 40, 400, 240), 0.9),
        ("no_hairnet", (0, 0, 320, 320), 0.5),
        ("hairnet", (0, 0, 100, 100), 0.3),
    ]
    assert [(each.label, each.box) for each in found] == [(label, box) for label, box, _ in expected]
    assert [each.confidence for each in found] == pytest.approx([confidence for *_, confidence in expected])


def test_the_least_confidence_is_one_for_all_or_one_per_label(tmp_path: Path):
    detector = Detector(fixed_model(tmp_path / "best.onnx", ROWS), ["hairnet", "no_hairnet"], threads=1)
    picture = np.zeros((320, 640, 3), np.uint8)
    assert len(detector.detect(picture, 0.4)) == 2
    assert [each.label for each in detector.detect(picture, {"hairnet": 0.95, "no_hairnet": 0.2})] == ["no_hairnet"]
    assert [each.confidence for each in detector.detect(picture, {"hairnet": 0.5})] == pytest.approx([0.9])


def test_the_picture_reaches_the_model_as_rgb_of_zero_to_one(tmp_path: Path):
    detector = Detector(bright_spot_model(tmp_path / "best.onnx"), ["spot"])
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[:, :, 0] = 255  # blue everywhere says nothing
    picture[7, 33, 2] = 204
    (found,) = detector.detect(picture)
    assert found == Detection("spot", (33, 7, 34, 8), pytest.approx(0.8))


def test_the_letterbox_keeps_the_ratio_and_pads_with_114():
    picture = np.full((100, 200, 3), (10, 20, 30), np.uint8)
    planes = letterbox(picture, 64, 48)
    assert planes.shape == (1, 3, 48, 64)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[0, :, 24, 32] * 255, (30, 20, 10), rtol=1e-6)
    rows = np.nonzero(np.abs(planes[0, 0, :, 5] * 255 - 114) > 1)[0]
    assert (rows.min(), rows.max()) == (8, 39)


def test_a_model_is_loaded_from_bytes_too(tmp_path: Path):
    data = fixed_model(tmp_path / "best.onnx", ROWS, height=64, width=96).read_bytes()
    detector = Detector(data, ["a", "b"])
    assert (detector.width, detector.height, detector.classes) == (96, 64, ("a", "b"))


def test_a_class_without_a_name_is_said(tmp_path: Path):
    detector = Detector(fixed_model(tmp_path / "best.onnx", ROWS), ["only_one"])
    with pytest.raises(SignatureError, match="class 1"):
        detector.detect(np.zeros((320, 640, 3), np.uint8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_name": "input"}, "input"),
        ({"output_name": "output0"}, "output0"),
        ({"shape": [1, 3, "height", "width"]}, "fixed input size"),
        ({"shape": [2, 3, 320, 320]}, r"images.*\[1, 3"),
        ({"shape": [1, 1, 320, 320]}, r"images.*\[1, 3"),
    ],
)
def test_another_signature_is_refused_with_what_differs(tmp_path: Path, changes: dict[str, Any], words: str):
    path = fixed_model(tmp_path / "best.onnx", ROWS, **changes)
    with pytest.raises(SignatureError, match=words):
        Detector(path, ["a", "b"])


def test_another_number_of_columns_is_refused(tmp_path: Path):
    path = fixed_model(tmp_path / "best.onnx", [(0, 0, 1, 1, 0.5)])  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(SignatureError, match="detections"):
        Detector(path, ["a"])


def test_half_precision_is_refused(tmp_path: Path):
    inputs = [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT16, [1, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("detections", FLOAT, [1, 1, 6])]
    rows = numpy_helper.from_array(np.zeros((1, 1, 6), np.float32), "rows")
    path = save(
        tmp_path / "half.onnx", [helper.make_node("Identity", ["rows"], ["detections"])], inputs, outputs, [rows]
    )
    with pytest.raises(SignatureError, match="float16"):
        Detector(path, ["a"])


def test_what_is_no_model_is_refused(tmp_path: Path):
    path = tmp_path / "best.onnx"
    with pytest.raises(SignatureError, match=r"best\.onnx"):
        Detector(path, ["a"])
    path.write_bytes(b"no model")
    with pytest.raises(SignatureError, match=r"best\.onnx"):
        Detector(path, ["a"])
    with pytest.raises(SignatureError, match="can't be loaded"):
        Detector(b"no model", ["a"])
