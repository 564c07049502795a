"""The rules of the shipped workflows, on what the simulated cameras of the demo see."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from libs.common.workflows import load_workflow
from libs.local.scenes import camera_series
from services.cleaner.domain.verdicts import unusable
from services.cleaner.vision import see

WORKFLOWS = Path(__file__).resolve().parents[3] / "deploy" / "workflows"
LIMITS: Any = SimpleNamespace(maximum_image_bytes=10_000_000, maximum_pixels=10_000_000)


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_workflow_is_valid_and_speaks_both_languages(path: Path) -> None:
    workflow = load_workflow(path)
    titles = [workflow.title, *(each.title for each in (*workflow.classes, *workflow.violation_types))]
    assert all(title.en and title.zh for title in titles)


@pytest.mark.parametrize("name", ["hairnet", "behavior"])
def test_spoiled_snapshots_are_rejected_for_what_is_wrong_and_no_other(name: Any) -> None:
    rules = load_workflow(WORKFLOWS / f"{name}.yaml").cleaning
    shots = camera_series("line-1", 4, 11, spoiled={"blurred": 2, "dark": 2, "overexposed": 2}, workflow=name)
    for shot in shots:
        rejected = unusable(see(shot.jpeg, LIMITS), rules)
        assert (rejected.reason if rejected else "usable") == shot.expect
