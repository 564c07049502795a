"""Ports, records, logs and locks: what keeps a stack from harming itself or others."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from libs.local.accounts import folders_to_open, open_the_way
from libs.local.kafka import properties_value
from libs.local.locks import AlreadyRunning, holder, holding
from libs.local.logs import ProcessLog
from libs.local.ports import PortBook
from libs.local.postgres import end_leftover_server, socket_folder
from libs.local.records import MARKER, ProcessRecord, end_recorded, write_record
from libs.local.state import ProcessState, StateBoard, now, read_state


@pytest.fixture
def sleeper(tmp_path):
    """A process that carries no marker."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def record_of(process, *, started_at):
    return ProcessRecord(name="it", pid=process.pid, started_at=started_at, stop_signal=signal.SIGTERM, stop_rank=0)


def test_a_port_is_remembered_and_replaced_only_when_somebody_took_it(tmp_path):
    port = PortBook(tmp_path / "ports.json").port("kafka")
    assert PortBook(tmp_path / "ports.json").port("kafka") == port
    with socket.create_server(("127.0.0.1", port)):
        other = PortBook(tmp_path / "ports.json").port("kafka")
    assert other != port
    assert PortBook(tmp_path / "ports.json").port("kafka") == other


def test_a_preferred_port_is_not_given_to_two_names(tmp_path):
    book = PortBook(tmp_path / "ports.json")
    wished = book.port("ingest")
    assert book.port("console", preferred=wished) != wished


HAND_OUT = """
import sys, pathlib
from libs.local.ports import PortBook
print(PortBook(pathlib.Path(sys.argv[1])).port("ingest", preferred=int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that end with their process")
def test_two_systems_that_start_at_once_get_different_ports_before_either_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        wished = probe.getsockname()[1]  # of a range no camloop chooses from by itself

    def starting(name):
        command = [sys.executable, "-c", HAND_OUT, str(tmp_path / name), str(wished)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with starting("one") as one, starting("two") as two:
        given = [int(process.stdout.readline()) for process in (one, two)]
        assert len(set(given)) == 2
        assert wished in given
        for process in (one, two):
            process.stdin.close()
    with starting("three") as three:
        assert int(three.stdout.readline()) == wished, "free again once its holder has ended"
        three.stdin.close()


def test_a_recorded_process_is_ended(tmp_path, sleeper):
    write_record(tmp_path, record_of(sleeper, started_at=psutil.Process(sleeper.pid).create_time()))
    assert end_recorded(tmp_path) == ["it"]
    assert not psutil.pid_exists(sleeper.pid)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_that_got_a_recorded_pid_later_is_spared(tmp_path, sleeper):
    write_record(tmp_path, record_of(sleeper, started_at=psutil.Process(sleeper.pid).create_time() - 3600))
    assert end_recorded(tmp_path) == []
    assert sleeper.poll() is None


def test_a_process_without_record_is_found_by_its_marker(tmp_path):
    env = {**os.environ, MARKER: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env) as process:
        end_recorded(tmp_path)
        assert not psutil.pid_exists(process.pid)


def test_a_lock_has_one_holder_and_says_who(tmp_path):
    path = tmp_path / "run" / "it.lock"
    with holding(path):
        assert holder(path) == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), holding(path):
            pass
    assert holder(path) is None


def test_a_log_is_cut_into_lines_rotated_and_remembers_trouble(tmp_path):
    heard = []
    log = ProcessLog(tmp_path / "it.log", max_bytes=100, listen=heard.append)
    for number in range(20):
        log.feed(f"line {number}\nERR".encode())
        log.feed(b"OR: cold oven\n")
    log.close()
    assert heard[:2] == ["line 0", "ERROR: cold oven"]
    assert log.last_trouble == "ERROR: cold oven"
    assert log.tail(1) == ["ERROR: cold oven"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it.log", "it.log.1"]
    assert all(path.stat().st_size <= 120 for path in tmp_path.iterdir())


def test_folders_on_the_way_get_the_right_to_pass_and_no_other(tmp_path):
    inner = tmp_path / "closed" / "postgres"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert inner.parent in folders_to_open(inner)
    open_the_way(inner)
    assert stat.S_IMODE(inner.parent.stat().st_mode) == 0o701
    assert folders_to_open(inner) == []


def test_a_pid_file_that_names_somebody_else_is_removed_and_nobody_harmed(tmp_path, sleeper):
    (tmp_path / "postmaster.pid").write_text(f"{sleeper.pid}\n{tmp_path}\n")
    end_leftover_server(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()
    assert sleeper.poll() is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full is there on Linux only")
def test_a_log_on_a_full_disk_still_hears_and_says_later_what_is_missing(tmp_path):
    (tmp_path / "it.log").symlink_to("/dev/full")
    log = ProcessLog(tmp_path / "it.log")
    log.feed(b"one\ntwo\nERROR: three\n")
    assert log.tail(2) == ["two", "ERROR: three"]
    assert log.last_trouble == "ERROR: three"
    log._file.close()
    log._file = (tmp_path / "room.log").open("ab", buffering=0)
    log.feed(b"four\nfive\n")
    log.close()
    written = (tmp_path / "room.log").read_text()
    assert written == "\n[3 lines are missing here: they could not be written]\nfour\nfive\n"


def test_a_state_that_could_not_be_written_is_written_at_the_next_look(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left on device")

    board = StateBoard(tmp_path, os.getpid())
    kafka = ProcessState(name="kafka", kind="part", state="ready", since=now())
    with monkeypatch.context() as patched:
        patched.setattr("libs.local.state.write_atomically", full)
        board.show(kafka)
    assert read_state(tmp_path) is None
    board.show(kafka)
    assert read_state(tmp_path).processes[0].name == "kafka"


def test_a_long_data_folder_gets_a_short_socket_and_always_the_same(tmp_path):
    deep = tmp_path / ("a" * 60) / ("b" * 60) / "postgres"
    assert len(str(socket_folder(deep) / ".s.PGSQL.5432")) < 104
    assert socket_folder(deep) == socket_folder(deep) != socket_folder(deep.parent)
    assert socket_folder(tmp_path) == tmp_path / "socket"


def test_a_chinese_folder_name_survives_a_properties_file():
    assert properties_value("/data/厨房") == "/data/\\u53a8\\u623f"
