"""The demo's own hand-wash workflow: one of the plant's, with times short enough to draw and to watch within minutes."""

import time
from pathlib import Path
from typing import Any

import yaml

from libs.common.workflows import Workflow, parse_workflow
from libs.local.client import Client
from libs.local.drawing.gestures import STEPS
from libs.local.drawing.wash_plans import MINIMUM_WASH_SECONDS

_SUFFIX = "-demo"
_KNOWN_WITHIN_SECONDS = 60.0


def check_drawable(workflow: Workflow) -> None:
    """Raises `ValueError` where a step that is needed can't be drawn, and for what a demo has made itself."""
    assert workflow.procedure is not None
    if workflow.name.endswith(_SUFFIX):
        original = workflow.name.removesuffix(_SUFFIX)
        raise ValueError(f"{workflow.name} is what the demo makes of {original}: camloop demo --workflow {original}")
    needed = {label for step in workflow.procedure.steps if step.required for label in step.labels}
    unknown = sorted(needed - set(STEPS))
    if unknown:
        raise ValueError(f"Washes with {', '.join(unknown)} can't be drawn; can be: {', '.join(STEPS)}")


def shortened(workflow: Workflow) -> Workflow:
    """The workflow under a name of its own: ten seconds in all, without steps that can't be drawn or spot checks.

    It reads shapes and motion, because nobody finds the points of drawn hands; it builds when the demo asks for it.
    """
    changed: dict[str, Any] = workflow.model_dump(mode="json")
    name = f"{workflow.name}{_SUFFIX}"
    procedure = changed["procedure"]
    procedure["steps"] = [
        step for step, rule in zip(procedure["steps"], _rules(workflow), strict=True) if set(rule.labels) <= set(STEPS)
    ]
    procedure["minimum_seconds"] = min(procedure["minimum_seconds"], MINIMUM_WASH_SECONDS)
    changed["name"] = name
    changed["title"] = {"en": f"{workflow.title.en} (demo)", "zh": f"{workflow.title.zh}（演示）"}
    changed["cleaning"]["approve"]["spot_check_share"] = 0.0
    changed["dataset"] |= {"build_after_samples": 100_000, "minimum_per_class": 3, "debounce_seconds": 1}
    # What it is worth is seen on washes it has never met, too: most of the few may be learnt from.
    changed["dataset"]["split"] = {"train": 0.7, "val": 0.1, "test": 0.2}
    changed["dataset"]["minimum_samples"] = min(20, changed["dataset"]["minimum_samples"])
    # Few clips of few people: without shifts and gaps a model learns who washes at which sink, not what is washed.
    changed["training"]["hyperparameters"] |= {"extractor": "classic", "clip_shift": 0.3, "left_out": 0.3}
    changed["promotion"] = "manual"
    return parse_workflow(changed, origin=f"{name}, made of {workflow.name}")


def _rules(workflow: Workflow) -> Any:
    return workflow.procedure.steps if workflow.procedure else ()


def lay_down(workflow: Workflow, folder: Path) -> Path:
    """Write its file beside the others, as a person would. The system reads it within seconds."""
    path = folder / f"{workflow.name}.yaml"
    words = "# Made by camloop demo. It may be deleted; the next demo makes it again.\n"
    text = yaml.safe_dump(workflow.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
    partial = path.with_suffix(".partial")
    partial.write_text(words + text, encoding="utf-8")
    return partial.rename(path)


def wait_until_known(console: Client, workflow: Workflow) -> bool:
    """Whether the running system has read the file, within a minute."""
    deadline = time.monotonic() + _KNOWN_WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = console.get("/api/workflows")["workflows"]
        said = next((each["definition"] for each in found if each["name"] == workflow.name), None)
        if said and parse_workflow(said, origin=workflow.name) == workflow:
            return True
        time.sleep(0.5)
    return False
