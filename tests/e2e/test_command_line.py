"""The command line against the running system: tokens, review, waiting runs, dead letters, doctor."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from libs.local.scenes import camera_series, write_shot
from tests.support.system import REPOSITORY, System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(300)]
WORKFLOW = "doorway"


@pytest.fixture(scope="module")
def sent(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three snapshots without boxes: a person has to look at each."""
    system.add_workflow("hairnet", WORKFLOW, cameras=["door-*"], training={"automatic": False})
    folder = tmp_path_factory.mktemp("door")
    for shot in camera_series("door-1", 3, seed=5):
        write_shot(shot, folder)
    system.until(
        "the workflow is known",
        lambda: WORKFLOW in [each["name"] for each in system.get("console", "/api/workflows")["workflows"]],
        60,
    )
    return system.camloop("ingest", "folder", str(folder), "--camera", "door-1", "--workflow", WORKFLOW)


def queue(system: System) -> list[dict[str, Any]]:
    return system.camloop("review", "list", "--workflow", WORKFLOW)


def test_a_person_approves_and_rejects(system: System, sent: dict[str, Any]) -> None:
    assert (sent["sent"], sent["refused"]) == (3, {})
    waiting = system.until("three questions", lambda: (found := queue(system)) and len(found) == 3 and found, 60)
    labels = system.folder / "labels.json"
    labels.write_text('[{"label": "no_hairnet", "box": [10, 20, 60, 80]}]')
    first, second = (str(each["sample_id"]) for each in waiting[:2])
    system.camloop("review", "approve", first, "--labels", str(labels), "--by", "ann")
    system.camloop("review", "reject", second, "--by", "ann", "--comment", "nobody there")

    def verdict(sample: str) -> dict[str, Any]:
        return system.get("console", f"/api/samples/{sample}")

    system.until(
        "both decided", lambda: {verdict(each)["verdict"] for each in (first, second)} == {"approved", "rejected"}, 30
    )
    assert verdict(first)["annotations"] == [{"label": "no_hairnet", "box": [10, 20, 60, 80]}]
    assert verdict(first)["decided_by"] == "user:ann"
    assert verdict(second)["reason"] == "reviewer"
    assert len(queue(system)) == 1


def test_a_token_speaks_for_its_camera_only(system: System, sent: dict[str, Any], tmp_path: Path) -> None:
    token = system.camloop("camera", "add", "door-2", "--title", "Second door")["token"]
    (shot,) = camera_series("door-2", 1, seed=6)
    url = f"{system.endpoints['http']['ingest']}/v1/snapshots"
    headers = {"Authorization": f"Bearer {token}"}
    files = {"image": shot.jpeg}
    own = httpx.post(url, files=files, data={"metadata": '{"camera_id": "door-2"}'}, headers=headers)
    other = httpx.post(url, files=files, data={"metadata": '{"camera_id": "door-1"}'}, headers=headers)
    assert (own.status_code, other.status_code) == (202, 403)
    assert "door-2" in [each["camera_id"] for each in system.camloop("camera", "list")["cameras"]]


def test_a_run_that_waits_says_for_what(system: System, sent: dict[str, Any]) -> None:
    run = system.camloop("train", WORKFLOW, "--set", "epochs=1", "--reason", "a test")["training_run_id"]
    system.until("the run is queued", lambda: _state(system, run) == "queued", 60)
    assert system.camloop("why", run)["waits_for"].startswith("the first dataset version")
    (shown,) = [each for each in system.camloop("runs", "--workflow", WORKFLOW) if each["training_run_id"] == run]
    assert shown["waits_for"].startswith("the first dataset version")
    assert shown["hyperparameters"]["epochs"] == 1
    system.camloop("runs", "cancel", run, "--reason", "the test is over")
    system.until("the run is cancelled", lambda: _state(system, run) == "cancelled", 60)
    assert system.camloop("why", run)["waits_for"] is None


def _state(system: System, run: str) -> str | None:
    found = [each["state"] for each in system.camloop("runs") if each["training_run_id"] == run]
    return found[0] if found else None


async def test_a_dead_letter_is_shown_replayed_and_discarded(system: System, sent: dict[str, Any]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=system.endpoints["kafka"]["bootstrap_servers"]) as producer:
        await producer.send_and_wait("snapshot.captured", b'{"snapshot_id": "junk"', b"door-1")

    def letters(state: str) -> list[dict[str, Any]]:
        found = system.camloop("dlq", "list", "--state", state, "--consumer", "cleaner")
        return [each for each in found if each["text"] == '{"snapshot_id": "junk"']

    (letter,) = system.until("the dead letter", lambda: letters("open"), 60)
    shown = system.camloop("dlq", "show", letter["id"])
    assert shown["topic"] == "snapshot.captured"
    assert shown["error"]
    system.camloop("dlq", "replay", letter["id"], "--reason", "once more")
    again = system.until("it comes back", lambda: [e for e in letters("open") if e["times"] == 2], 60)
    assert again[0]["id"] == letter["id"]
    system.camloop("dlq", "discard", letter["id"], "--reason", "junk for a test")
    assert letters("open") == []
    assert letters("discarded")[0]["decision_reason"] == "junk for a test"


def test_events_are_followed_as_they_come(system: System, sent: dict[str, Any]) -> None:
    command = [
        sys.executable,
        "-m",
        "libs.local.cli",
        "events",
        "tail",
        "-f",
        "-n",
        "1",
        "-t",
        "dataset.build_requested",
    ]
    with subprocess.Popen(
        command, env=system.environment | {"PYTHONUNBUFFERED": "1"}, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as tail:
        try:
            time.sleep(3)
            assert "40" in _error(system, "build", WORKFLOW, "--reason", "a test of the tail")
            assert tail.stdout is not None
            lines = (tail.stdout.readline() for _ in range(2))
            assert any("reason=a test of the tail" in line for line in lines)
        finally:
            tail.terminate()


def test_doctor_finds_everything_running(system: System) -> None:
    found = {each["name"]: each for each in system.camloop("doctor")}
    assert [name for name, each in found.items() if each["state"] == "missing"] == []
    assert {"kafka", "postgres", "s3", "ingest", "console"} <= found.keys()


def test_refusals_are_one_line_and_exit_code_1(system: System, sent: dict[str, Any]) -> None:
    assert "no class" in _error(system, "review", "approve", *_nonsense(system))
    assert "Nothing here is called" in _error(system, "why", "nobody@7")
    assert "doorway" in _error(system, "import", "yolo", str(REPOSITORY), "--workflow", "dorway")


def _error(system: System, *arguments: str) -> str:
    return system.camloop(*arguments, code=1)["error"]


def _nonsense(system: System) -> tuple[str, ...]:
    labels = system.folder / "nonsense.json"
    labels.write_text('[{"label": "hat", "box": [1, 1, 9, 9]}]')
    return str(queue(system)[0]["sample_id"]), "--labels", str(labels)
