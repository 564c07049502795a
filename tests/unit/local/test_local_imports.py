"""Somebody's data set as snapshots: groups, cameras, labels, and what is wrong with it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from libs.local.imports import Plan, UnknownLabels, camera_names, parse_mapping, prepare, source_group, source_groups
from libs.vision.formats.csv_file import read_csv
from libs.vision.formats.yolo import read_yolo

ROBOFLOW = ".rf.0123456789abcdef0123456789abcdef.jpg"


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", np.full((40, 60, 3), shade, np.uint8))[1].tobytes())


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    root = tmp_path / "My Data"
    for number, name in enumerate(["a_jpg" + ROBOFLOW, "a_jpg" + ROBOFLOW.replace("0", "f"), "b.jpg"]):
        picture(root / "train" / "images" / name, 60 + 20 * number)
        labels = root / "train" / "labels" / f"{Path(name).stem}.txt"
        labels.parent.mkdir(exist_ok=True)
        labels.write_text("0 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.1 0.2\n")
    (root / "classes.txt").write_text("vest\nhelmet\n")
    return root


def plan(root: Path, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "root": root,
        "workflow": "ppe",
        "classes": ("vest", "helmet"),
        "mapping": {},
        "cameras": ["import-data"],
    }
    return Plan(**(values | changes))


def test_variants_of_a_picture_share_their_group_and_camera(yolo: Path) -> None:
    found = prepare(read_yolo(yolo), plan(yolo, cameras=[f"c-{number}" for number in range(7)]))
    groups = {each.name: each.facts["source_group"] for each in found.snapshots}
    cameras = {each.name: each.facts["camera_id"] for each in found.snapshots}
    first, second, other = sorted(groups, key=lambda name: ("b.jpg" in name, name))
    assert groups[first] == groups[second] == "My Data/a_jpg"
    assert cameras[first] == cameras[second]
    assert groups[other] == "My Data/train/images/b"


def test_annotations_are_pixels_of_known_labels(yolo: Path) -> None:
    found = prepare(read_yolo(yolo), plan(yolo))
    assert found.snapshots[0].facts["annotations"] == [
        {"label": "vest", "box": [15.0, 10.0, 45.0, 30.0]},
        {"label": "helmet", "box": [12.0, 16.0, 18.0, 24.0]},
    ]
    assert found.boxes_per_label == {"helmet": 3, "vest": 3}


def test_labels_are_mapped_or_left_out(yolo: Path) -> None:
    found = prepare(read_yolo(yolo), plan(yolo, classes=("coat",), mapping={"vest": "coat", "helmet": ""}))
    assert found.boxes_per_label == {"coat": 3}
    assert [each["label"] for each in found.snapshots[0].facts["annotations"]] == ["coat"]


def test_an_unknown_label_is_said_before_anything_is_sent(yolo: Path) -> None:
    with pytest.raises(UnknownLabels, match=r"helmet \(3 boxes\).*It knows: vest.*--map 'helmet=vest'"):
        prepare(read_yolo(yolo), plan(yolo, classes=("vest",)))


def test_a_mapping_must_lead_to_a_class(yolo: Path) -> None:
    with pytest.raises(UnknownLabels, match="leads to vset"):
        prepare(read_yolo(yolo), plan(yolo, mapping={"vest": "vset"}))


def test_bad_files_are_skipped_and_named(yolo: Path) -> None:
    (yolo / "train" / "images" / "broken.jpg").write_bytes(b"no picture")
    found = prepare(read_yolo(yolo), plan(yolo))
    assert list(found.skipped) == ["train/images/broken.jpg"]
    assert len(found.snapshots) == 3


def test_a_picture_nobody_labelled_goes_without_annotations(yolo: Path) -> None:
    picture(yolo / "train" / "images" / "new.jpg", 200)
    found = prepare(read_yolo(yolo), plan(yolo))
    new = next(each for each in found.snapshots if each.name.endswith("new.jpg"))
    assert found.unlabelled == 1
    assert "annotations" not in new.facts


def test_importing_again_is_the_same_snapshots(yolo: Path) -> None:
    first, second = (prepare(read_yolo(yolo), plan(yolo)) for _ in range(2))
    ids = [each.facts["snapshot_id"] for each in first.snapshots]
    assert ids == [each.facts["snapshot_id"] for each in second.snapshots]
    assert len(set(ids)) == 3


def test_groups_come_from_a_table(yolo: Path) -> None:
    (yolo / "groups.csv").write_text("file,source_id\ntrain/images/b.jpg,a_jpg\n")
    assert source_group(yolo, yolo / "train" / "images" / "b.jpg", source_groups(yolo)) == "My Data/a_jpg"


def test_groups_come_from_a_column_of_the_annotations(tmp_path: Path) -> None:
    for name in ("x.jpg", "y.jpg"):
        picture(tmp_path / "images" / name, 90)
    table = "file,label,x1,y1,x2,y2,source_group\nx.jpg,vest,1,1,9,9,walk\ny.jpg,vest,1,1,9,9,walk\n"
    (tmp_path / "annotations.csv").write_text(table)
    found = prepare(read_csv(tmp_path), plan(tmp_path))
    assert {each.facts["source_group"] for each in found.snapshots} == {f"{tmp_path.name}/walk"}


@pytest.mark.parametrize(
    ("camera", "count", "names"),
    [("gate", 1, ["gate"]), ("gate", 2, ["gate-1", "gate-2"]), (None, 1, ["import-my-data"])],
)
def test_camera_names(tmp_path: Path, camera: str | None, count: int, names: list[str]) -> None:
    assert camera_names(tmp_path / "My Data", camera=camera, count=count) == names


def test_a_mapping_needs_an_equals_sign() -> None:
    assert parse_mapping(["a=b", "c="]) == {"a": "b", "c": ""}
    with pytest.raises(ValueError, match="SOURCE=TARGET"):
        parse_mapping(["ab"])


@pytest.mark.data
def test_the_known_variants_of_the_vest_data_share_their_groups(shared_data: Path) -> None:
    root = shared_data / "ppe-vest-mini"
    classes = ("helmet", "no_helmet", "no_reflective_vest", "reflective_vest")
    found = prepare(read_yolo(root), plan(root, classes=classes, cameras=["a", "b", "c"]))
    truth = dict(line.split(",")[:2] for line in (root / "groups.csv").read_text().splitlines()[1:])
    assert len(found.snapshots) == 136
    for each in found.snapshots:
        assert each.facts["source_group"] == f"ppe-vest-mini/{truth[each.name]}"
    assert set(found.images_per_camera) == {"a", "b", "c"}
