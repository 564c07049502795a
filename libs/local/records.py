"""Notes on who runs: one file per process, so that another program ends exactly these processes and no other.

A pid alone is worthless after a crash: the kernel gives it to somebody else. A record therefore carries the start time,
and every process of a stack carries the name of its data folder in its environment (`MARKER`), which its own children
inherit: what escaped a record is still found.
"""

import contextlib
import json
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from libs.local.files import write_atomically

MARKER = "CAMLOOP_STACK"
_CLOCK_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """One running process; lower `stop_rank` is stopped first, `stop_signal` asks it to finish by itself."""

    name: str
    pid: int
    started_at: float
    stop_signal: int
    stop_rank: int

    def process(self) -> psutil.Process | None:
        """The process itself, or None when it is gone, a zombie, or its pid belongs to somebody else now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < _CLOCK_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def record_of(*, name: str, pid: int, stop_signal: int, stop_rank: int) -> ProcessRecord | None:
    """Describe a process that was just started; None when it has died already."""
    try:
        started_at = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return ProcessRecord(name=name, pid=pid, started_at=started_at, stop_signal=stop_signal, stop_rank=stop_rank)


def run_folder(data_folder: Path) -> Path:
    """Where the records of a data folder lie."""
    return data_folder / "run"


def write_record(data_folder: Path, record: ProcessRecord) -> None:
    """Note a running process."""
    write_atomically(run_folder(data_folder) / f"{record.name}.json", json.dumps(asdict(record)))


def forget_record(data_folder: Path, name: str) -> None:
    """Remove the note of a process that has ended."""
    (run_folder(data_folder) / f"{name}.json").unlink(missing_ok=True)


def read_records(data_folder: Path) -> list[ProcessRecord]:
    """All noted processes, those to stop first in front; files that are no records are passed over."""
    records: list[ProcessRecord] = []
    for path in run_folder(data_folder).glob("*.json"):
        with contextlib.suppress(ValueError, TypeError, FileNotFoundError):
            records.append(ProcessRecord(**json.loads(path.read_text())))
    return sorted(records, key=lambda record: (record.stop_rank, record.name))


def end_recorded(data_folder: Path, *, except_pids: Iterable[int] = (), seconds_per_rank: float = 6.0) -> list[str]:
    """End every process of the data folder, rank by rank, then whatever carries its marker; returns the names ended."""
    spared = set(except_pids)
    alive = [(record, process) for record in read_records(data_folder) if (process := record.process()) is not None]
    alive = [(record, process) for record, process in alive if record.pid not in spared]
    for rank in sorted({record.stop_rank for record, _ in alive}):
        _end_politely([pair for pair in alive if pair[0].stop_rank == rank], seconds_per_rank)
    _kill_marked(data_folder, spared)
    for record in read_records(data_folder):
        if record.process() is None:
            forget_record(data_folder, record.name)
    return [record.name for record, _ in alive]


def _end_politely(pairs: list[tuple[ProcessRecord, psutil.Process]], seconds: float) -> None:
    for record, process in pairs:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.Signals(record.stop_signal))
    _, stubborn = psutil.wait_procs([process for _, process in pairs], timeout=seconds)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=2)


def _kill_marked(data_folder: Path, spared: set[int]) -> None:
    """Kill what inherited the marker, again until none is left: a dying process may have started one more."""
    for _ in range(20):
        processes = [process for process in marked_processes(data_folder) if process.pid not in spared]
        if not processes:
            return
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=1)
        time.sleep(0.05)


def marked_processes(data_folder: Path) -> Iterator[psutil.Process]:
    """Every living process whose environment names this data folder as its stack."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            if process.environ().get(MARKER) == str(data_folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
