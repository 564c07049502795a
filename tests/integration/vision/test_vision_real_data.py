"""The library against real pictures with published or counted answers."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from libs.vision.boxes import Annotation, Detection, xywh_to_xyxy
from libs.vision.detection_metrics import EvaluatedImage, coco_summary, evaluate_detections
from libs.vision.formats.voc import read_voc
from libs.vision.formats.yolo import read_yolo
from libs.vision.hashing import difference_hash, hamming, perceptual_hash
from libs.vision.quality import UndecodableImage, decode_image
from libs.vision.video import ChangeSampler, frames, probe

pytestmark = pytest.mark.data

VISITS = [(61, 196), (228, 445), (503, 695), (746, 865), (922, 1196), (1236, 1359)]


def hashes(folder: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.jpg")):
        image = decode_image(path.read_bytes()).image
        found[path.name] = (perceptual_hash(image), difference_hash(image))
    return found


def test_edits_of_one_picture_are_near_and_the_rest_is_far(shared_data: Path):
    folder = shared_data / "dedupe-basic"
    edits = hashes(folder / "bridge-mods")
    original = edits["aaa-orig.jpg"]
    distances = [[hamming(a, b) for a, b in zip(original, each, strict=True)] for each in edits.values()]
    assert len(distances) == 12
    assert max(max(each) for each in distances) <= 4
    for name in ("rotated-flipped", "unrelated"):
        others = [hamming(original[0], each) for each, _ in hashes(folder / name).values()]
        assert min(each for each in others if each > 0) >= 22, name


def test_a_corrupt_picture_is_refused_and_its_neighbours_are_not(shared_data: Path):
    folder = shared_data / "dedupe-basic" / "mixed"
    refused: list[str] = []
    for path in sorted(folder.iterdir()):
        try:
            decode_image(path.read_bytes())
        except UndecodableImage:
            refused.append(path.name)
    assert refused == ["ukbench09268_corrupt.jpg"]


def test_the_published_coco_numbers(shared_data: Path):
    folder = shared_data / "coco-eval-published" / "fakebbox100"
    truth, said, expected = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("ground_truth", "detections", "expected")
    )
    del expected["source"]
    assert coco_summary(truth, said) == pytest.approx(expected, abs=1e-6)

    names = {each["id"]: each["name"] for each in truth["categories"]}
    images = [
        EvaluatedImage(
            image_id=str(image["id"]),
            camera_id="coco",
            truth=tuple(
                Annotation(names[each["category_id"]], xywh_to_xyxy(tuple(each["bbox"])))
                for each in truth["annotations"]
                if each["image_id"] == image["id"]
            ),
            detections=tuple(
                Detection(names[each["category_id"]], xywh_to_xyxy(tuple(each["bbox"])), each["score"])
                for each in said
                if each["image_id"] == image["id"]
            ),
        )
        for image in truth["images"]
    ]
    metrics = evaluate_detections(images, list(names.values()))
    assert metrics.coco == pytest.approx(expected, abs=1e-6)
    assert (metrics.map50, metrics.map50_95) == pytest.approx((expected["AP50"], expected["AP"]), abs=1e-6)


def test_blood_cells_in_voc(shared_data: Path):
    found = list(read_voc(shared_data / "bccd"))
    labels = Counter(each.label for image in found for each in image.annotations)
    assert labels == {"RBC": 4155 - 2, "WBC": 372, "Platelets": 361}
    assert Counter(image.split for image in found) == {"train": 205, "val": 87, "test": 72}
    flawed = {image.path.stem: image.problems for image in found if image.problems}
    assert sorted(flawed) == ["BloodImage_00338", "BloodImage_00343"]
    assert all("no area" in problems[0] for problems in flawed.values())


def test_protective_equipment_in_yolo(shared_data: Path):
    found = list(read_yolo(shared_data / "ppe-vest-mini"))
    assert len(found) == 136
    assert sum(len(image.annotations) for image in found) == 769
    assert {each.label for image in found for each in image.annotations} == {
        "helmet",
        "reflective_vest",
        "no_helmet",
        "no_reflective_vest",
    }
    assert not [image for image in found if image.problems or (image.width, image.height) != (416, 416)]
    with (shared_data / "ppe-vest-mini" / "groups.csv").open(newline="") as file:
        listed = {Path(row["file"]).name for row in csv.DictReader(file)}
    assert {image.path.name for image in found} == listed


@pytest.mark.parametrize(("name", "count"), [("milk", 51), ("thanks", 51), ("please", 73), ("walk", 89)])
def test_clips_have_the_frames_that_decode(shared_data: Path, name: str, count: int):
    shapes = [each.image.shape for each in frames(shared_data / "sign-clips" / f"{name}.mkv")]
    assert shapes == [(480, 640, 3)] * count


def test_six_visits_give_snapshots_of_each_and_no_flood_of_the_empty_scene(shared_data: Path):
    clip = shared_data / "camera-clips" / "one-by-one-person-detection.mp4"
    assert (probe(clip).width, probe(clip).height) == (768, 432)
    sampler = ChangeSampler()
    kept = [each.index for each in frames(clip, every_seconds=0.5) if sampler.keep(each.image, each.seconds)]
    per_visit = [sum(start <= index <= end for index in kept) for start, end in VISITS]
    assert min(per_visit) >= 3
    # "Give or take a few frames": somebody who leaves is still at the border.
    empty = [index for index in kept if not any(start - 8 <= index <= end + 8 for start, end in VISITS)]
    assert len(empty) <= 3
    assert len(kept) <= 60
