"""Ports, records, logs and locks: what keeps a stack from harming itself or others."""

import os
import signal
import socket
import stat
import subprocess
import sys

import psutil
import pytest

from libs.local.accounts import folders_to_open, open_the_way
from libs.local.kafka import properties_value
from libs.local.locks import AlreadyRunning, holder, holding
from libs.local.logs import ProcessLog
from libs.local.ports import PortBook
from libs.local.postgres import end_leftover_server, socket_folder
from libs.local.records import MARKER, ProcessRecord, end_recorded, write_record


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


def test_a_long_data_folder_gets_a_short_socket_and_always_the_same(tmp_path):
    deep = tmp_path / ("a" * 60) / ("b" * 60) / "postgres"
    assert len(str(socket_folder(deep) / ".s.PGSQL.5432")) < 104
    assert socket_folder(deep) == socket_folder(deep) != socket_folder(deep.parent)
    assert socket_folder(tmp_path) == tmp_path / "socket"


def test_a_chinese_folder_name_survives_a_properties_file():
    assert properties_value("/data/厨房") == "/data/\\u53a8\\u623f"
