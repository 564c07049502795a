"""Workflow files: the shipped ones load, and every mistake names its place."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.errors import Permanent
from libs.common.workflows import Workflow, load_workflow, parse_workflow

SHIPPED = sorted((Path(__file__).parents[3] / "deploy" / "workflows").glob("*.yaml"))
TITLE = {"en": "Test", "zh": "测试"}
MINIMAL: dict[str, Any] = {
    "name": "apron",
    "title": TITLE,
    "task": "detection",
    "classes": [{"id": 0, "name": "apron", "title": TITLE}, {"id": 1, "name": "bare", "title": TITLE}],
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The minimal workflow with one value set, by a dotted path."""
    definition = deepcopy(MINIMAL)
    *parents, last = place.split(".")
    inner = definition
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return definition


def test_there_are_shipped_workflows() -> None:
    assert {path.stem for path in SHIPPED} >= {"hairnet", "behavior"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_workflows_load(path: Path) -> None:
    workflow = load_workflow(path)
    assert workflow.model_name == workflow.name == path.stem
    assert workflow.class_names


def test_a_minimal_workflow_takes_the_defaults() -> None:
    workflow = parse_workflow(MINIMAL, origin="test")
    assert workflow.class_names == ("apron", "bare")
    assert workflow.promotion == "manual"
    assert workflow.watches("any camera at all")


def test_a_definition_survives_its_own_json() -> None:
    workflow = load_workflow(SHIPPED[0])
    assert parse_workflow(workflow.model_dump(mode="json"), origin="event") == workflow


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        ("name", "Hair Net", "name: String should match pattern"),
        ("name", "", "name: String should have at least 1 character"),
        ("task", "sorting", "task: Input should be 'detection' or 'temporal'"),
        ("task", "temporal", "file: Value error, task temporal needs a `procedure` and no `classes`"),
        ("promotion", "perhaps", "promotion: Input should be 'manual' or 'automatic'"),
        ("title", {"en": "Test"}, "title.zh: Field required"),
        ("classes", [], "file: Value error, task detection needs `classes` and no `procedure`"),
        ("classes", [{"id": 1, "name": "apron", "title": TITLE}], "file: Value error, class ids must be 0, 1, 2"),
        (
            "classes",
            [{"id": 0, "name": "apron", "title": TITLE}, {"id": 1, "name": "apron", "title": TITLE}],
            "file: Value error, class names must differ",
        ),
        (
            "violation_types",
            [{"name": "bare", "title": TITLE, "class_ids": [1, 7]}],
            "violation types name class ids [7] that no class has",
        ),
        ("gate.per_class_minimum", {"coat": {"map50": 0.5}}, "the gate names classes ['coat'] that do not exist"),
        ("dataset.split", {"train": 0.8, "val": 0.3, "test": 0.1}, "dataset.split: Value error, split shares"),
        ("dataset.split", {"train": 1.2, "val": -0.1, "test": -0.1}, "dataset.split.train: Input should be less"),
        ("dataset.build_after_samples", 0, "dataset.build_after_samples: Input should be greater"),
        ("dataset.time_block_minutes", 0, "dataset.time_block_minutes: Input should be greater"),
        ("cleaning.duplicate_distance", 65, "cleaning.duplicate_distance: Input should be less"),
        ("cleaning.review_share", 1.5, "cleaning.review_share: Input should be less"),
        ("cleaning.approve", {"spot_check_share": -0.1}, "cleaning.approve.spot_check_share: Input should be greater"),
        ("cleaning.sharpness", 5, "cleaning.sharpness: Extra inputs are not permitted"),
        ("cleaning.minimum_brightness", 240, "cleaning: Value error, minimum_brightness"),
        ("cleaning.near_duplicate_distance", 2, "cleaning: Value error, near_duplicate_distance"),
        ("training.maximum_attempts", 0, "training.maximum_attempts: Input should be greater"),
        ("training.minutes_without_progress", 0, "training.minutes_without_progress: Input should be greater"),
        ("training.epochs", 5, "training.epochs: Extra inputs are not permitted"),
        ("traning", {}, "traning: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_names_its_place(place: str, value: Any, complaint: str) -> None:
    with pytest.raises(Permanent) as caught:
        parse_workflow(changed(place, value), origin="apron.yaml")
    assert str(caught.value).startswith("apron.yaml is no valid workflow: ")
    assert complaint in str(caught.value)


def test_all_mistakes_are_said_at_once() -> None:
    definition = changed("dataset.minimum_samples", 0) | {"promotion": "perhaps"}
    with pytest.raises(Permanent, match=r"dataset\.minimum_samples.*promotion"):
        parse_workflow(definition, origin="test")


@pytest.mark.parametrize("definition", [None, [], "hairnet", 7])
def test_what_is_no_mapping_is_no_workflow(definition: object) -> None:
    with pytest.raises(Permanent, match="test is no valid workflow: file"):
        parse_workflow(definition, origin="test")


def test_a_copied_file_must_change_its_name(tmp_path: Path) -> None:
    path = tmp_path / "coat.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(Permanent, match=r"calls itself 'apron'.*name the file apron\.yaml"):
        load_workflow(path)
    path.write_text(yaml.safe_dump(MINIMAL | {"name": "coat"}))
    assert load_workflow(path).name == "coat"


@pytest.mark.parametrize("text", ["a: [", "a:\n\t- b", "\x00"])
def test_what_is_no_yaml_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "apron.yaml"
    path.write_text(text)
    with pytest.raises(Permanent, match=r"apron\.yaml is no YAML"):
        load_workflow(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"apron\.yaml cannot be read"):
        load_workflow(tmp_path / "apron.yaml")


@pytest.mark.parametrize(
    ("patterns", "camera", "watched"),
    [(("*",), "x", True), (("line-*",), "line-3", True), (("line-*",), "dock-1", False), ((), "x", False)],
)
def test_whose_snapshots_belong_here(patterns: tuple[str, ...], camera: str, watched: bool) -> None:
    assert Workflow.model_validate(MINIMAL | {"cameras": patterns}).watches(camera) is watched
