"""`camloop demo` with a tiny training: the whole loop, from drawn scenes to a second version judged against the first.

Everything is real but the length of the training; what a model must show is set to nothing, so that it passes its gate.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.system import REPOSITORY, System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(900)]
QUICK = {"model": "yolov8n", "pretrained": False, "image_size": 96, "epochs": 2, "batch": 16, "patience": 0}
Done = "subprocess.CompletedProcess[str]"


def run(system: System, *arguments: str, seconds: float = 120) -> Done:
    """A command as a person gets it, without a terminal."""
    command: Sequence[str] = [sys.executable, "-m", "libs.local.cli", *arguments]
    done = subprocess.run(
        command, env=system.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def told(system: System) -> Done:
    system.add_workflow(
        "hairnet", "hairnet", training={"hyperparameters": QUICK}, gate={"minimum": {"map50": 0.0}, "maximum_camera_drop": None},
        dataset={"build_after_samples": 24, "minimum_samples": 12, "minimum_per_class": 1, "debounce_seconds": 1},
    )  # fmt: skip
    return run(system, "demo", "--json", seconds=800)


def test_the_loop_goes_round_twice(system: System, told: Done) -> None:
    done = json.loads(told.stdout)
    assert [each["model"] for each in done["versions"]] == ["hairnet@1", "hairnet@2"]
    assert [each["dataset_version"] for each in done["versions"]] == [1, 2]
    assert all(each["promoted"] for each in done["versions"])
    assert {"blurred", "dark", "overexposed", "duplicate", "reviewer"} >= set(done["rejected"])
    assert {"blurred", "dark", "overexposed", "duplicate"} <= set(done["rejected"])
    assert done["approved"]["user:demo-reviewer"] > 0
    assert [Path(report).read_text().lstrip()[:15].lower() for report in done["reports"]] == 2 * ["<!doctype html>"]


def test_every_stage_is_told_in_its_order(told: Done) -> None:
    stages = [line.split("] ")[1].split()[0] for line in told.stderr.splitlines() if line.startswith("[")]
    first = list(dict.fromkeys(stages))
    assert "review" in first
    order = ["start", "cameras", "cleaning", "dataset", "training", "evaluation", "registration", "promotion"]
    told_order = [stage for stage in first if stage in order]
    # The last two come over topics of their own, milliseconds apart: Kafka promises no order between topics.
    assert (told_order[:-2], sorted(told_order[-2:])) == (order[:-2], sorted(order[-2:]))
    assert "hairnet@1" in told.stderr
    assert "run version 2" in told.stderr


def test_it_leaves_the_system_running_and_the_cameras_ended(system: System, told: Done) -> None:
    assert system.camloop("status")["phase"] == "ready"
    names = [path.stem for path in (system.folder / "var" / "run").glob("*.json")]
    assert "console" in names
    assert not [name for name in names if name.startswith("demo-")]


def test_why_a_model_leads_to_its_snapshots(system: System, told: Done) -> None:
    text = run(system, "why", "hairnet@2").stdout
    for word in ("model.registered", "model.evaluated", "model.trained", "dataset.built", "sample.approved"):
        assert word in text
    assert "snapshot.captured" in text


def test_the_version_can_be_taken_elsewhere(system: System, told: Done, tmp_path: Path) -> None:
    wrote = system.camloop("export", "hairnet@2", str(tmp_path / "yolo"), "--format", "yolo")
    counts = json.loads(told.stdout)["versions"][1]["counts"]
    assert wrote["images"] == sum(counts.values())
    assert (tmp_path / "yolo" / "data.yaml").exists()


def test_a_model_can_be_rolled_back(system: System, told: Done) -> None:
    moved = system.camloop("models", "rollback", "hairnet", "--reason", "a test")
    assert (moved["version"], moved["previous_version"]) == (1, 2)
    (model,) = [each for each in system.camloop("models") if each["name"] == "hairnet"]
    assert model["aliases"]["champion"] == 1


def test_the_log_of_a_run_can_be_read(system: System, told: Done) -> None:
    newest = system.camloop("runs", "--workflow", "hairnet")[0]
    assert newest["state"] == "trained"
    assert "Epoch 2/2" in run(system, "runs", "logs", str(newest["training_run_id"])[:13]).stdout


def test_a_second_demo_adds_one_more_version(system: System, told: Done) -> None:
    again = system.camloop("demo", timeout_seconds=500)
    assert [each["model"] for each in again["versions"]] == ["hairnet@3"]
    assert again["versions"][0]["promoted"]


def test_a_workflow_nobody_can_draw_is_refused(system: System) -> None:
    system.add_workflow("hairnet", "lounge")
    assert "hairnet and behavior" in system.camloop("demo", "--workflow", "lounge", code=1)["error"]
