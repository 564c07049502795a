"""The supervisor as users meet it: started in the background, crashed, stopped from another process."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import psutil
import pytest

from libs.local.background import detach, down, running_pid
from libs.local.failures import StartFailed
from libs.local.locks import AlreadyRunning
from libs.local.ports import is_free
from libs.local.records import marked_processes
from libs.local.state import read_state

pytestmark = pytest.mark.connected


def command(folder, *words):
    return [sys.executable, "-m", "tests.integration.local.run_stack", str(folder), *words]


def process_state(folder, name):
    return next(process for process in read_state(folder).processes if process.name == name)


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def listening_ports(folder):
    return json.loads((folder / "ports.json").read_text()).values()


def leaves_nothing(folder):
    return not list(marked_processes(folder)) and all(is_free(port) for port in listening_ports(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A running stack, started while somebody else listens on Kafka's usual port."""
    path = tmp_path_factory.mktemp("stack").resolve()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(9092):
            other.bind(("127.0.0.1", 9092))
            other.listen()
        detach(command(path), data_folder=path)
        yield path
        down(path)


def test_it_is_ready_although_the_usual_port_is_taken(folder):
    endpoints = json.loads((folder / "endpoints.json").read_text())
    state = read_state(folder)
    assert endpoints["kafka"]["bootstrap_servers"] != "127.0.0.1:9092"
    assert state.phase == "ready"
    assert {process.name: process.state for process in state.processes} == dict.fromkeys(
        ("kafka", "postgres", "s3", "fake"), "ready"
    )


def test_endpoints_have_the_promised_shape_and_are_private(folder):
    path = folder / "endpoints.json"
    endpoints = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {key: sorted(value) for key, value in endpoints.items()} == {
        "kafka": ["bootstrap_servers"],
        "postgres": ["dsn"],
        "s3": ["access_key", "bucket", "endpoint", "secret_key"],
        "http": ["fake"],
        "tokens": ["admin"],
    }


def test_a_service_is_told_the_addresses_and_no_secret_is_on_a_command_line(folder):
    endpoints = json.loads((folder / "endpoints.json").read_text())
    told = json.loads((folder / "report.json").read_text())
    assert told["DATABASE_URL"] == endpoints["postgres"]["dsn"]
    assert told["S3_SECRET_KEY"] == endpoints["s3"]["secret_key"]
    assert endpoints["http"]["fake"] == f"http://127.0.0.1:{told['FAKE_HTTP_PORT']}"
    lines = [" ".join(process.cmdline()) for process in marked_processes(folder)]
    assert len(lines) >= 4
    assert not any(endpoints["s3"]["secret_key"] in line for line in lines)


def test_a_second_start_says_that_it_runs_already(folder):
    with pytest.raises(AlreadyRunning, match=str(running_pid(folder))):
        detach(command(folder), data_folder=folder)
    second = subprocess.run(command(folder), capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "Already running" in second.stderr


@pytest.mark.parametrize("name", ["fake", "postgres"])
def test_what_dies_is_started_again(folder, name):
    before = process_state(folder, name)
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: process_state(folder, name).restarts == before.restarts + 1)
    wait_for(lambda: process_state(folder, name).state == "ready")
    assert process_state(folder, name).pid != before.pid


def test_nothing_is_left_after_the_supervisor_was_killed_and_it_starts_again_on_other_ports(folder):
    port = process_state(folder, "kafka").port
    psutil.Process(running_pid(folder)).kill()
    wait_for(lambda: leaves_nothing(folder))
    assert read_state(folder).phase == "stopped"
    with socket.create_server(("127.0.0.1", port)):
        detach(command(folder), data_folder=folder)
        assert process_state(folder, "kafka").port != port
    assert subprocess.run(down_command(folder), timeout=40).returncode == 0
    assert leaves_nothing(folder)
    assert running_pid(folder) is None
    assert not (folder / "endpoints.json").exists()


def down_command(folder):
    code = "import sys, pathlib, libs.local.background as b; sys.exit(not b.down(pathlib.Path(sys.argv[1])))"
    return [sys.executable, "-c", code, str(folder)]


def test_down_cleans_up_when_supervisor_and_guardian_were_killed(tmp_path):
    detach(command(tmp_path, "external"), data_folder=tmp_path)
    supervisor = psutil.Process(running_pid(tmp_path))
    guardian = next(child for child in supervisor.children() if "libs.local.guardian" in child.cmdline())
    guardian.kill()
    supervisor.kill()
    assert list(marked_processes(tmp_path))
    assert down(tmp_path)
    assert leaves_nothing(tmp_path)
    assert not down(tmp_path)


def test_external_servers_are_used_and_none_started(tmp_path):
    state = detach(command(tmp_path, "external"), data_folder=tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    down(tmp_path)
    assert [process.name for process in state.processes] == ["fake"]
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == "kafka.plant:9092"
    assert told["S3_SECRET_KEY"] == "plant-secret"


def test_a_service_that_cannot_start_is_named_with_the_end_of_its_log(tmp_path):
    with pytest.raises(StartFailed, match=r"fake ended with exit code 1[\s\S]*the oven is cold"):
        detach(command(tmp_path, "external", "crash"), data_folder=tmp_path)
    assert leaves_nothing(tmp_path)
    assert read_state(tmp_path).phase == "failed"
    assert read_state(tmp_path).error is not None
