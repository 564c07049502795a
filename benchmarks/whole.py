"""The whole stack on one machine: how soon it is ready, what it holds in memory, what it burns while nothing happens."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.rows import Row, limit

REPOSITORY = Path(__file__).resolve().parents[1]
WATCHED_SECONDS = 30.0


def run() -> list[Row]:
    """Start it twice (the first start makes databases and topics), watch it idle, stop it."""
    folder = Path(tempfile.mkdtemp(prefix="camloop-bench-"))
    environment = {**os.environ, "CAMLOOP_DATA_FOLDER": str(folder / "var"), "PYTHONPATH": str(REPOSITORY)}  # noqa: TID251 ours and a folder
    try:
        first = _seconds_to_ready(environment)
        _camloop(environment, "down")
        again = _seconds_to_ready(environment)
        processes = _processes(folder)
        time.sleep(10)
        before = _cpu_seconds(processes)
        time.sleep(WATCHED_SECONDS)
        share = (_cpu_seconds(processes) - before) / WATCHED_SECONDS * 100
        memory = sum(process.memory_full_info().pss for process in processes) / 2**30
    finally:
        _camloop(environment, "down")
        shutil.rmtree(folder, ignore_errors=True)
    return [
        limit("ready after `camloop up`, first start", first, "s", 15),
        limit("ready after `camloop up`, later start", again, "s", 15),
        limit("memory of Kafka, PostgreSQL, S3 and all services, idle (shared pages counted once)", memory, "GiB", 1.5),
        limit("processor of the same, idle, of one core", share, "%", 5),
    ]


def _seconds_to_ready(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    _camloop(environment, "up", "--detach")
    return time.perf_counter() - began


def _camloop(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "libs.local.cli", *arguments, "--json"]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=300)


def _processes(folder: Path) -> list[psutil.Process]:
    """Whatever has the folder in its environment or on its command line, and its children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            told = str(folder) in " ".join(process.cmdline()) or process.environ().get(
                "CAMLOOP_DATA_FOLDER", ""
            ) == str(folder / "var")
            if told and process.pid != os.getpid():
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except psutil.Error:
            continue
    return list(found.values())


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.Error:
            continue
    return total
