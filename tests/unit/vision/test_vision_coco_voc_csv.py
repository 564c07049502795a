import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from libs.vision.boxes import Annotation
from libs.vision.formats.coco import read_coco
from libs.vision.formats.csv_file import read_csv
from libs.vision.formats.items import FormatError
from libs.vision.formats.voc import read_voc


def put_image(path: Path, width: int = 100, height: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix, np.zeros((height, width, 3), np.uint8))
    path.write_bytes(data.tobytes())
    return path


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def coco(name: str = "a.png", **changes: Any) -> dict[str, Any]:
    image = {"id": 7, "file_name": name, "width": 100, "height": 50}
    annotation = {"id": 0, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 30]}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 3, "name": "发网"}]}
    return content | changes


@pytest.mark.parametrize(
    ("file", "image", "split"),
    [
        ("annotations/instances_val2017.json", "val2017/a.png", None),
        ("annotations/instances_val.json", "val2017/a.png", "val"),
        ("annotations/instances_train.json", "images/train/a.png", "train"),
        ("annotations/all.json", "images/a.png", None),
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("result.json", "images/a.png", None),
    ],
)
def test_coco_images_are_found_in_every_usual_layout(tmp_path: Path, file: str, image: str, split: str | None):
    put_image(tmp_path / image)
    put(tmp_path / file, json.dumps(coco(image if split is None and "val2017" in image else "a.png")))
    put(tmp_path / "package.json", '{"name": "not coco"}')
    (found,) = read_coco(tmp_path)
    assert found.annotations == (Annotation("发网", (10, 5, 30, 35)),)
    assert found.split == split
    (alone,) = read_coco(tmp_path / file)
    assert alone.annotations == found.annotations


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bbox": [10, 5, float("nan"), 30]}, "not finite"),
        ({"bbox": [10, 5, 0, 30]}, "no area"),
        ({"bbox": [10, 5, 20]}, "not a box"),
        ({"bbox": "10 5 20 30"}, "not a box"),
        ({"bbox": [10, 5, 20, None]}, "not a box"),
        ({"bbox": None}, "not a box"),
        ({"bbox": [200, 5, 20, 30]}, "outside"),
        ({"category_id": 99}, "category 99 is unknown"),
        ({"iscrowd": 1}, "crowd"),
    ],
)
def test_a_bad_coco_annotation_is_said_and_left_out(tmp_path: Path, change: dict[str, Any], words: str):
    good = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 5, 20, 30]}
    put_image(tmp_path / "a.png")
    file = put(tmp_path / "all.json", json.dumps(coco(annotations=[{**good, "id": 2, **change}, good])))
    (found,) = read_coco(file)
    assert len(found.annotations) == 1
    assert [words in each and "annotation 2" in each for each in found.problems] == [True]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "C:\\secret.png", "..\\secret.png", ""])
def test_coco_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str):
    put_image(tmp_path / "secret.png")
    file = put(tmp_path / "data/all.json", json.dumps(coco(name)))
    (found,) = read_coco(file)
    assert not found.usable
    assert "refused" in found.problems[0]
    assert found.path == file


def test_coco_entries_that_fit_nothing_are_said(tmp_path: Path):
    content = coco("absent.png", annotations=[{"id": 1, "image_id": 8, "category_id": 3, "bbox": [0, 0, 1, 1]}])
    absent, orphan = read_coco(put(tmp_path / "all.json", json.dumps(content)))
    assert "'absent.png' is not in the data set" in absent.problems[0]
    assert "image 8, which is not listed" in orphan.problems[0]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"images": []}', '{"images": {}, "annotations": [], "categories": []}']
)
def test_what_is_no_coco_file_is_said_at_once(tmp_path: Path, content: str):
    file = put(tmp_path / "all.json", content)
    with pytest.raises(FormatError, match=r"all\.json"):
        read_coco(file)
    with pytest.raises(FormatError, match="No COCO file"):
        read_coco(tmp_path)


def test_labels_for_another_size_are_not_taken(tmp_path: Path):
    put_image(tmp_path / "a.png", 50, 100)
    (found,) = read_coco(put(tmp_path / "all.json", json.dumps(coco())))
    assert (found.width, found.height, found.annotations, found.labelled) == (50, 100, (), False)
    assert "100x50" in found.problems[0]


def voc(*objects: str, name: str = "a.png", size: str = "<width>100</width><height>50</height>") -> str:
    return f"<annotation><filename>{name}</filename><size>{size}</size>{''.join(objects)}</annotation>"


def voc_object(label: str = "WBC", box: tuple[object, ...] = (10, 5, 30, 35)) -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{label}</name><bndbox>{sides}</bndbox></object>"


@pytest.mark.parametrize(
    ("xml", "image"),
    [
        ("Annotations/a.xml", "JPEGImages/a.png"),
        ("annotations/a.xml", "images/a.png"),
        ("a.xml", "a.png"),
        ("train/a.xml", "train/a.png"),
    ],
)
def test_voc_images_are_found_in_every_usual_layout(tmp_path: Path, xml: str, image: str):
    put_image(tmp_path / image)
    put(tmp_path / xml, voc(voc_object("发网")))
    (found,) = read_voc(tmp_path)
    assert found.annotations == (Annotation("发网", (10, 5, 30, 35)),)


@pytest.mark.parametrize("stated", ["a", "a.png", "renamed.jpg", ""])
def test_voc_images_may_be_named_by_the_xml_file(tmp_path: Path, stated: str):
    put_image(tmp_path / "JPEGImages/a.png")
    put(tmp_path / "Annotations/a.xml", voc(voc_object(), name=stated))
    (found,) = read_voc(tmp_path)
    assert len(found.annotations) == 1


def test_voc_splits_and_images_without_xml(tmp_path: Path):
    for name in ("a", "b", "c"):
        put_image(tmp_path / f"JPEGImages/{name}.png")
    put(tmp_path / "Annotations/a.xml", voc())
    put(tmp_path / "Annotations/b.xml", voc(name="b.png"))
    put(tmp_path / "ImageSets/Main/train.txt", "a\nc\n")
    put(tmp_path / "ImageSets/Main/val.txt", "b 1\n")
    found = {each.path.name: (each.split, each.labelled) for each in read_voc(tmp_path)}
    assert found == {"a.png": ("train", True), "b.png": ("val", True), "c.png": ("train", False)}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (voc_object(box=(5, 5, 5, 5)), "no area"),
        (voc_object(box=("nan", 5, 9, 9)), "not finite"),
        (voc_object(box=("", 5, 9, 9)), "not four numbers"),
        (voc_object(box=(500, 5, 509, 9)), "outside"),
        (voc_object(label=""), "without a label"),
        ("<object><name>x</name></object>", "not four numbers"),
    ],
)
def test_a_bad_voc_object_is_said_and_left_out(tmp_path: Path, bad: str, words: str):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.xml", voc(voc_object(), bad))
    (found,) = read_voc(tmp_path)
    assert len(found.annotations) == 1
    assert [words in each and "object 2" in each for each in found.problems] == [True]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<annotation>", "not valid XML"),
        ("", "not valid XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + voc(), "refused"),
        (voc(name="../secret.png"), "refused"),
        (voc(name="absent.png"), "not in the data set"),
    ],
)
def test_a_bad_voc_file_costs_only_itself(tmp_path: Path, content: str, words: str):
    put_image(tmp_path / "secret.png")
    put(tmp_path / "data/Annotations/bad.xml", content)
    put_image(tmp_path / "data/JPEGImages/good.png")
    put(tmp_path / "data/Annotations/good.xml", voc(voc_object(), name="good.png"))
    bad, good = read_voc(tmp_path / "data")
    assert not bad.usable
    assert words in bad.problems[0]
    assert len(good.annotations) == 1


def test_voc_in_latin_1_without_saying_so(tmp_path: Path):
    put_image(tmp_path / "a.png")
    put(tmp_path / "a.xml", voc(voc_object("avião")).encode("latin-1"))
    (found,) = read_voc(tmp_path)
    assert found.annotations[0].label == "avião"


def test_a_folder_without_xml_is_no_voc(tmp_path: Path):
    put_image(tmp_path / "a.png")
    with pytest.raises(FormatError, match="No XML"):
        read_voc(tmp_path)


TABLE = "file,label,x1,y1,x2,y2\n"


@pytest.mark.parametrize(
    "table",
    [
        TABLE + "a.png,发网,10,5,30,35\n",
        "\ufeff" + TABLE + "images/a.png,发网,10.0,5,30,35\n",
        "filename;class;xmin;ymin;xmax;ymax\r\na.png;发网;10;5;30;35\r\n",
        'label\tfile\tX1\tY1\tX2\tY2\n"发网"\ta.png\t10\t5\t30\t35\n',
    ],
)
def test_csv_tables_as_people_save_them(tmp_path: Path, table: str):
    put_image(tmp_path / "images/a.png")
    put(tmp_path / "annotations.csv", table)
    (found,) = read_csv(tmp_path)
    assert found.annotations == (Annotation("发网", (10, 5, 30, 35)),)


def test_csv_from_a_chinese_spreadsheet(tmp_path: Path):
    put_image(tmp_path / "images/二号线.png")
    put(tmp_path / "annotations.csv", (TABLE + "二号线.png,发网,10,5,30,35\n").encode("gbk"))
    (found,) = read_csv(tmp_path)
    assert (found.path.name, found.annotations[0].label) == ("二号线.png", "发网")


def test_csv_rows_of_one_image_need_not_be_neighbours(tmp_path: Path):
    for name in ("a", "b", "c", "d"):
        put_image(tmp_path / f"images/{name}.png")
    rows = "a.png,x,0,0,9,9\nb.png,,,,,\na.png,y,0,0,5,5\nc.png,x,0,0,5,5\n"
    put(tmp_path / "annotations.csv", TABLE + rows)
    found = {each.path.name: (len(each.annotations), each.labelled) for each in read_csv(tmp_path)}
    assert found == {"a.png": (2, True), "b.png": (0, True), "c.png": (1, True), "d.png": (0, False)}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.png,x,1,2,nan,9", "not finite"),
        ("a.png,x,1,2,one,9", "not four numbers"),
        ("a.png,x,1,2", "not four numbers"),
        ("a.png,x,9,9,1,1", "no area"),
        ("a.png,,1,2,8,9", "without a label"),
        ("a.png,x,901,2,908,9", "outside"),
        ("../secret.png,x,1,2,8,9", "refused"),
        ("gone.png,x,1,2,8,9", "not in the data set"),
        (",x,1,2,8,9", "refused"),
    ],
)
def test_a_bad_csv_row_is_said_and_left_out(tmp_path: Path, row: str, words: str):
    put_image(tmp_path / "secret.png")
    put_image(tmp_path / "data/images/a.png")
    put(tmp_path / "data/annotations.csv", f"{TABLE}a.png,x,0,0,9,9\n{row}\n")
    found = list(read_csv(tmp_path / "data"))
    assert sum(len(each.annotations) for each in found) == 1
    problems = [text for each in found for text in each.problems]
    assert [words in text and "line 3" in text for text in problems] == [True]


@pytest.mark.parametrize("table", ["", "file,label\n", "a.png,x,1,2,3,4\n"])
def test_a_csv_without_its_columns_is_said_at_once(tmp_path: Path, table: str):
    put(tmp_path / "annotations.csv", table)
    with pytest.raises(FormatError, match="lacks the columns"):
        read_csv(tmp_path)
    with pytest.raises(FormatError, match=r"annotations\.csv"):
        read_csv(put_image(tmp_path / "empty/images/a.png").parent.parent)
