"""A stranger's producer, written from the AsyncAPI document alone, gets its pictures into a dataset, each of them once."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.manifests import read_manifest
from libs.local.scenes import camera_series, write_shot
from tests.support.system import REPOSITORY, System

pytestmark = [pytest.mark.connected, pytest.mark.timeout(200)]
OUTSIDER = Path(__file__).with_name("outsider.py")
PUBLISHED = REPOSITORY / "docs" / "api" / "asyncapi-cleaner.json"
CAMERA = WORKFLOW = "foreign"
PICTURES = 12


def test_the_outsider_knows_nothing_of_camloop() -> None:
    tree = ast.walk(ast.parse(OUTSIDER.read_text("utf-8")))
    names = [
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert "confluent_kafka" in names
    assert {name.split(".")[0] for name in names} & {"libs", "services", "tests", "aiokafka", "faststream"} == set()


def test_an_outsiders_pictures_get_into_a_dataset_each_of_them_once(system: System, tmp_path: Path) -> None:
    system.add_workflow(
        "hairnet", WORKFLOW, cameras=[CAMERA], training={"automatic": False},
        cleaning={"approve": {"spot_check_share": 0.0}},
        dataset={"build_after_samples": PICTURES, "minimum_samples": PICTURES, "debounce_seconds": 1, "minimum_per_class": 0},
    )  # fmt: skip
    system.until("the workflow is known", lambda: WORKFLOW in _workflows(system), 90)
    command = _command(system, tmp_path)
    sent = _run(command)
    assert len(sent) == PICTURES
    built = system.until("a dataset version", lambda: _versions(system), 60)[0]
    lines = list(
        read_manifest((system.folder / "var" / "s3" / built["manifest"]["uri"].removeprefix("s3://")).read_bytes())
    )
    assert sorted(line.media.sha256 for line in lines) == sorted(sent.values())
    assert {line.camera_id for line in lines} == {CAMERA}
    assert all(line.annotations for line in lines)

    assert _run(command) == sent  # the same snapshots again, under the same ids
    system.camloop("build", WORKFLOW)
    again = system.until("the answer to the build", lambda: _built_events(system)[1:], 60)[0]
    assert again["reused"]
    assert sum(again["counts"].values()) == PICTURES
    samples = system.get("console", "/api/samples", workflow=WORKFLOW, limit="500")["samples"]
    assert sorted(sample["snapshot_id"] for sample in samples) == sorted(sent)
    assert {sample["verdict"] for sample in samples} == {"approved"}
    assert _letters(system) == []


def _command(system: System, folder: Path) -> list[str]:
    """The document as the running cleaner serves it: the published one, with this installation's Kafka."""
    for shot in camera_series(CAMERA, PICTURES, 11):
        write_shot(shot, folder, annotated=True)
    known = system.endpoints["http"]
    live = httpx.get(f"{known['cleaner']}/asyncapi.json", timeout=30).raise_for_status().json()
    published = json.loads(PUBLISHED.read_text("utf-8"))
    assert live["servers"]["kafka"].pop("host") == system.endpoints["kafka"]["bootstrap_servers"]
    del published["servers"]["kafka"]["host"]
    assert live == published
    live["servers"]["kafka"]["host"] = system.endpoints["kafka"]["bootstrap_servers"]
    (folder / "asyncapi.json").write_text(json.dumps(live))
    (folder / "token").write_text(system.camloop("camera", "add", CAMERA)["token"])
    return [
        sys.executable, str(OUTSIDER), "--document", str(folder / "asyncapi.json"), "--ingest", known["ingest"],
        "--token-file", str(folder / "token"), "--camera", CAMERA, "--workflow", WORKFLOW, "--source", str(folder),
    ]  # fmt: skip


def _run(command: list[str]) -> dict[str, str]:
    """Digests by snapshot id, as the outsider tells them. Without this repository on its path."""
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def _workflows(system: System) -> set[str]:
    return {each["name"] for each in system.get("console", "/api/workflows")["workflows"]}


def _versions(system: System) -> list[dict[str, Any]]:
    return system.get("console", "/api/dataset-versions", workflow=WORKFLOW)["dataset_versions"]


def _built_events(system: System) -> list[dict[str, Any]]:
    events = system.get("console", "/api/events", topic="dataset.built", workflow=WORKFLOW)["events"]
    return [event["body"] for event in events]


def _letters(system: System) -> list[dict[str, Any]]:
    letters = system.get("console", "/api/dlq", topic="snapshot.captured")["dead_letters"]
    return [letter for letter in letters if letter["key"] == CAMERA]
