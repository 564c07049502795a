"""Scenes repeat exactly, say truly what they hold, and are spoiled in the way they claim to be."""

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from libs.common.workflows import load_workflow
from libs.local.scenes import LABELS, SceneShot, Workflow, camera_series, draw_scene, write_shot
from libs.vision.quality import decode_image, measure

WORKFLOWS = Path(__file__).parents[3] / "deploy/workflows"
RULES = load_workflow(WORKFLOWS / "hairnet.yaml").cleaning
SPOILED = {"blurred": 2, "dark": 2, "overexposed": 2, "near_duplicate": 2}


@pytest.fixture(scope="module")
def series() -> list[SceneShot]:
    return list(camera_series("line-3", 10, 5, spoiled=SPOILED))


def seen_as(shot: SceneShot) -> imagehash.ImageHash:
    return imagehash.phash(Image.open(io.BytesIO(shot.jpeg)))


def rejection(shot: SceneShot) -> str | None:
    measures = measure(decode_image(shot.jpeg).image)
    if measures.brightness < RULES.minimum_brightness:
        return "dark"
    if measures.brightness > RULES.maximum_brightness:
        return "overexposed"
    return "blurred" if measures.sharpness < RULES.minimum_sharpness else None


def test_the_same_seed_and_camera_give_the_same_scene() -> None:
    first, again = draw_scene(4, "line-1"), draw_scene(4, "line-1")
    assert np.array_equal(first.image, again.image)
    assert first.annotations == again.annotations


@pytest.mark.parametrize(("seed", "camera"), [(5, "line-1"), (4, "line-2")])
def test_another_seed_or_camera_gives_another_scene(seed: int, camera: str) -> None:
    assert not np.array_equal(draw_scene(4, "line-1").image, draw_scene(seed, camera).image)


@pytest.mark.parametrize("people", [1, 2, 3])
def test_every_person_is_annotated_once_with_a_head_inside_the_picture(people: int) -> None:
    for seed in range(8):
        scene = draw_scene(seed, "line-1", people=people, size=(400, 300))
        assert scene.image.shape == (300, 400, 3)
        assert len(scene.annotations) == people
        for annotation in scene.annotations:
            x1, y1, x2, y2 = annotation.box
            assert annotation.label in LABELS["hairnet"]
            assert 0 <= x1 < x2 <= 400
            assert 0 <= y1 < y2 <= 300
            assert min(x2 - x1, y2 - y1) >= 10


def test_a_head_with_a_hairnet_is_lighter_at_the_top_than_one_without() -> None:
    top: dict[str, list[float]] = {"hairnet": [], "no_hairnet": []}
    for seed in range(26):
        scene = draw_scene(seed, "line-1", people=1)
        (annotation,) = scene.annotations
        x1, y1, x2, y2 = annotation.box
        middle, quarter = round((x1 + x2) / 2), round(y1 + (y2 - y1) / 4)
        patch = scene.image[quarter - 2 : quarter + 3, middle - 3 : middle + 4]
        top[annotation.label].append(float(patch.mean() / scene.image.mean()))
    assert len(top["hairnet"]) > 8
    assert len(top["no_hairnet"]) > 8
    assert np.median(top["hairnet"]) > 1.2 * np.median(top["no_hairnet"])


@pytest.mark.parametrize("workflow", list(LABELS))
def test_the_labels_are_the_classes_of_the_workflow_that_ships(workflow: Workflow) -> None:
    assert LABELS[workflow] == load_workflow(WORKFLOWS / f"{workflow}.yaml").class_names


def test_behavior_scenes_hold_all_their_labels() -> None:
    scenes = [draw_scene(seed, "line-1", workflow="behavior") for seed in range(12)]
    assert {each.label for scene in scenes for each in scene.annotations} == set(LABELS["behavior"])


def test_cleaning_finds_in_each_shot_what_spoiled_it(series: list[SceneShot]) -> None:
    for shot in series:
        good = shot.expect in ("usable", "near_duplicate")
        assert rejection(shot) == (None if good else shot.expect), shot.captured_at


def test_a_series_holds_what_was_asked_for(series: list[SceneShot]) -> None:
    counts = {kind: sum(shot.expect == kind for shot in series) for kind in ("usable", *SPOILED)}
    assert counts == {"usable": 10, **SPOILED}


def test_usable_shots_look_unlike_each_other(series: list[SceneShot]) -> None:
    looks = [seen_as(shot) for shot in series if shot.expect == "usable"]
    assert min(a - b for a, b in combinations(looks, 2)) > RULES.near_duplicate_distance


def test_a_near_duplicate_follows_its_original_and_looks_like_it(series: list[SceneShot]) -> None:
    pairs = [(before, shot) for before, shot in pairwise(series) if shot.expect == "near_duplicate"]
    for original, repeated in pairs:
        assert seen_as(original) - seen_as(repeated) <= RULES.duplicate_distance
        assert repeated.captured_at - original.captured_at < timedelta(seconds=5)
        assert repeated.sha256 != original.sha256
        assert repeated.annotations == original.annotations


def test_time_passes_from_shot_to_shot(series: list[SceneShot]) -> None:
    assert all(before.captured_at < shot.captured_at for before, shot in pairwise(series))
    assert series[0].captured_at.tzinfo is UTC


def test_more_near_duplicates_than_originals_are_refused() -> None:
    with pytest.raises(ValueError, match="too few for 4 near duplicates"):
        list(camera_series("line-1", 3, spoiled={"near_duplicate": 4}))


@pytest.mark.parametrize("annotated", [True, False])
def test_a_written_shot_has_its_facts_beside_it(tmp_path, series: list[SceneShot], annotated: bool) -> None:
    path = write_shot(series[0], tmp_path, annotated=annotated)
    facts = json.loads(path.with_name(path.name + ".json").read_text())
    assert path.read_bytes() == series[0].jpeg
    assert datetime.fromisoformat(facts["captured_at"]) == series[0].captured_at
    assert [each["label"] for each in facts.get("annotations", [])] == [
        each.label for each in series[0].annotations if annotated
    ]
    assert {each.name for each in tmp_path.iterdir()} == {path.name, path.name + ".json"}
