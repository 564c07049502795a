from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from libs.vision.boxes import Annotation
from libs.vision.formats.items import ExportItem, FormatError
from libs.vision.formats.yolo import read_yolo, write_yolo


def put_image(path: Path, width: int = 100, height: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, np.zeros((height, width, 3), np.uint8))
    path.write_bytes(data.tobytes())
    return path


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("image", "label", "split"),
    [
        ("images/a.png", "labels/a.txt", None),
        ("images/train/a.png", "labels/train/a.txt", "train"),
        ("valid/images/a.png", "valid/labels/a.txt", "val"),
        ("day/images/test/a.png", "day/labels/test/a.txt", "test"),
        ("a.png", "a.txt", None),
        ("a.png", "labels/a.txt", None),
        ("images/a.png", "images/a.txt", None),
    ],
)
def test_labels_are_found_in_every_usual_layout(tmp_path: Path, image: str, label: str, split: str | None):
    put_image(tmp_path / image)
    put(tmp_path / label, "1 0.5 0.5 0.2 0.4\n")
    put(tmp_path / "classes.txt", "hairnet\nno_hairnet\n")
    (found,) = read_yolo(tmp_path)
    assert found.annotations == (Annotation("no_hairnet", (40, 15, 60, 35)),)
    assert found.split == split


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.yaml", "names: [发网, other]\nnc: 2\n"),
        ("data.yaml", "\ufeffnames:\n  0: 发网\n  1: other\n"),
        ("dataset.yml", "names: {1: other, 0: 发网}\n"),
        ("classes.txt", "\ufeff发网\r\nother\r\n"),
        ("classes_english.txt", "发网\nother"),
        ("obj.names", "发网\nother\n"),
    ],
)
def test_class_names_are_found_wherever_they_usually_are(tmp_path: Path, name: str, content: str):
    put_image(tmp_path / "images/a.png")
    put(tmp_path / "labels/a.txt", "0 .5 .5 .2 .4")
    put(tmp_path / name, content)
    (found,) = read_yolo(tmp_path)
    assert [each.label for each in found.annotations] == ["发网"]


def test_given_classes_come_first_and_english_ones_before_others(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", "0 .5 .5 .2 .4")
    put(tmp_path / "classes.txt", "capacete")
    put(tmp_path / "classes_english.txt", "helmet")
    assert next(read_yolo(tmp_path)).annotations[0].label == "helmet"
    assert next(read_yolo(tmp_path, ["hat"])).annotations[0].label == "hat"


@pytest.mark.parametrize("content", ["names: {0: a, 2: b}", "names: [", "nc: 2"])
def test_missing_or_broken_class_names_are_said_at_once(tmp_path: Path, content: str):
    put_image(tmp_path / "a.png")
    put(tmp_path / "data.yaml", content)
    with pytest.raises(FormatError, match=r"class|YAML"):
        read_yolo(tmp_path)


BAD_LINES = {
    "0 nan 0.5 0.1 0.1": "not finite",
    "0 0.5 0.5 inf 0.1": "not finite",
    "0 0.5 0.5 0.0 0.1": "no area",
    "0 0.5 0.5 -0.2 0.1": "no area",
    "7 0.5 0.5 0.1 0.1": "class 7 is unknown",
    "-1 0.5 0.5 0.1 0.1": "class -1 is unknown",
    "0.5 0.5 0.5 0.1 0.1": "class 0.5 is unknown",
    "nan 0.5 0.5 0.1 0.1": "class nan is unknown",
    "0 1.5 0.5 0.1 0.1": "outside",
    "helmet 0.5 0.5 0.1 0.1": "not a row of numbers",
    "0 0.5 0.5 0.1": "columns",
    "0 0.5 0.5 0.1 0.1 0.9": "columns",
}


@pytest.mark.parametrize(("line", "words"), BAD_LINES.items())
def test_a_bad_line_is_said_and_left_out(tmp_path: Path, line: str, words: str):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", f"0 0.5 0.5 0.2 0.4\n\n{line}\n0 0.5 0.5 0.1 0.2\n")
    (found,) = read_yolo(tmp_path, ["hairnet"])
    assert len(found.annotations) == 2
    assert len(found.problems) == 1
    assert words in found.problems[0]
    assert "line 3" in found.problems[0]


def test_a_box_over_the_border_is_cut_off_there(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", "0 0.9 0.5 0.4 0.4\n0 0.9000001 0.5 0.2 0.4\n")
    (found,) = read_yolo(tmp_path, ["hairnet"])
    assert [each.box[2] for each in found.annotations] == [100, 100]
    assert len(found.problems) == 1  # a rounding error is not worth a word
    assert "cut off" in found.problems[0]


def test_polygons_become_the_boxes_around_them(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", "0 0.1 0.2 0.5 0.1 0.3 0.8\n")
    (found,) = read_yolo(tmp_path, ["hairnet"])
    assert found.annotations[0].box == pytest.approx((10, 5, 50, 40))


def test_an_empty_label_file_is_a_label_and_none_is_not(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", "")
    put_image(tmp_path / "b.png")
    assert [(each.path.name, each.labelled) for each in read_yolo(tmp_path, ["x"])] == [
        ("a.png", True),
        ("b.png", False),
    ]


def test_an_unreadable_label_file_never_stops_the_rest(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.txt", bytes(range(128, 256)) * 3)
    put_image(tmp_path / "b.png")
    put(tmp_path / "b.txt", "0 .5 .5 .2 .2")
    first, second = read_yolo(tmp_path, ["x"])
    assert first.problems
    assert len(second.annotations) == 1


def test_the_export_names_its_splits_and_classes_for_ultralytics(tmp_path: Path):
    _, data = cv2.imencode(".png", np.zeros((50, 100, 3), np.uint8))
    item = ExportItem("a.png", data.tobytes(), 100, 50, (Annotation("发网", (40, 15, 60, 35)),), "train")
    write_yolo([item], tmp_path / "out", ["发网"])
    content = yaml.safe_load((tmp_path / "out/data.yaml").read_text(encoding="utf-8"))
    assert content == {"train": "images/train", "val": "images/val", "names": {0: "发网"}}
    assert (tmp_path / "out/images/val").is_dir()
    line = (tmp_path / "out/labels/train/a.txt").read_text().split()
    assert [float(each) for each in line] == pytest.approx([0, 0.5, 0.5, 0.2, 0.4])
