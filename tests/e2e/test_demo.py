"""`camloop demo` with a tiny training: the whole loop, from drawn scenes to a second version judged against the first.

Everything is real but the length of the training; what a model must show is set to nothing, so that it passes its gate.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from libs.local.endpoints import endpoints_path
from libs.local.records import read_records

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.connected, pytest.mark.slow]
CHANGES = {
    "dataset": {"build_after_samples": 24, "minimum_samples": 12, "minimum_per_class": 1, "debounce_seconds": 1},
    "gate": {"minimum": {}, "maximum_drop": {}, "maximum_camera_drop": None},
}


class House:
    """A camloop of its own: data folder, secrets and a quick workflow, all in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "var"
        workflows = folder / "workflows"
        workflows.mkdir()
        definition = yaml.safe_load((REPOSITORY / "deploy" / "workflows" / "hairnet.yaml").read_text())
        for part, values in CHANGES.items():
            definition[part] |= values
        definition["training"]["hyperparameters"] |= {"epochs": 2, "image_size": 96}
        (workflows / "hairnet.yaml").write_text(yaml.safe_dump(definition, allow_unicode=True))
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(Path.home()),
            "CAMLOOP_DATA_FOLDER": str(self.data),
            "CAMLOOP_ADMIN_TOKEN": "test-admin-token-0123456789",
            "WORKFLOWS_FOLDER": str(workflows),
        }

    def camloop(self, *arguments: str, seconds: float = 60, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, without a terminal."""
        command = [sys.executable, "-m", "libs.local.cli", *arguments]
        done = subprocess.run(
            command, env=self._environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def answer(self, *arguments: str) -> Any:
        """What a command says with --json."""
        return json.loads(self.camloop(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    try:
        yield made
    finally:
        pids = [record.pid for record in read_records(made.data)]
        made.camloop("down", code=None)
        assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.fixture(scope="module")
def told(house: House) -> "subprocess.CompletedProcess[str]":
    return house.camloop("demo", "--json", seconds=540)


def test_the_loop_goes_round_twice(house: House, told: "subprocess.CompletedProcess[str]") -> None:
    done = json.loads(told.stdout)
    assert [each["model"] for each in done["versions"]] == ["hairnet@1", "hairnet@2"]
    assert [each["dataset_version"] for each in done["versions"]] == [1, 2]
    assert all(each["promoted"] for each in done["versions"])
    assert {"blurred", "dark", "overexposed", "duplicate", "reviewer"} >= set(done["rejected"])
    assert {"blurred", "dark", "overexposed", "duplicate"} <= set(done["rejected"])
    assert done["approved"]["user:demo-reviewer"] > 0
    assert [Path(report).read_text().lstrip()[:15].lower() for report in done["reports"]] == 2 * ["<!doctype html>"]


def test_every_stage_is_told_in_its_order(told: "subprocess.CompletedProcess[str]") -> None:
    stages = [line.split("] ")[1].split()[0] for line in told.stderr.splitlines() if line.startswith("[")]
    first = list(dict.fromkeys(stages))
    order = ["start", "cameras", "cleaning", "review", "dataset", "training", "evaluation", "registration", "promotion"]
    assert [stage for stage in first if stage in order] == order
    assert "hairnet@1" in told.stderr
    assert "run version 2" in told.stderr


def test_it_leaves_the_system_running_and_the_cameras_ended(
    house: House, told: "subprocess.CompletedProcess[str]"
) -> None:
    assert house.answer("status")["phase"] == "ready"
    assert endpoints_path(house.data).exists()
    assert not [record.name for record in read_records(house.data) if record.name.startswith("demo-")]


def test_why_a_model_leads_to_its_snapshots(house: House, told: "subprocess.CompletedProcess[str]") -> None:
    text = house.camloop("why", "hairnet@2").stdout
    for word in ("model.registered", "model.evaluated", "model.trained", "dataset.built", "sample.approved"):
        assert word in text
    assert "snapshot.captured" in text


def test_the_version_can_be_taken_elsewhere(
    house: House, told: "subprocess.CompletedProcess[str]", tmp_path: Path
) -> None:
    wrote = house.answer("export", "hairnet@2", str(tmp_path / "yolo"), "--format", "yolo")
    counts = json.loads(told.stdout)["versions"][1]["counts"]
    assert wrote["images"] == sum(counts.values())
    assert (tmp_path / "yolo" / "data.yaml").exists()


def test_a_model_can_be_rolled_back(house: House, told: "subprocess.CompletedProcess[str]") -> None:
    moved = house.answer("models", "rollback", "hairnet", "--reason", "a test")
    assert (moved["version"], moved["previous_version"]) == (1, 2)
    (model,) = house.answer("models")
    assert model["aliases"]["champion"] == 1


def test_the_log_of_a_run_can_be_read(house: House, told: "subprocess.CompletedProcess[str]") -> None:
    run = house.answer("runs")[0]
    assert run["state"] == "trained"
    assert "Epoch 2/2" in house.camloop("runs", "logs", str(run["training_run_id"])[:13]).stdout
