"""The child's voice: JSON lines to the starter, the same log into train.log, and its ear for the request to stop."""

import logging
import os
import re
import signal
import sys
import time
from datetime import UTC, datetime
from io import TextIOBase
from pathlib import Path
from threading import RLock
from types import FrameType
from typing import TextIO

from services.trainer.training.protocol import CheckpointWritten, GivenBack, Level, Line, LogLine, Metrics, Progress

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LEVELS: tuple[tuple[int, Level], ...] = (
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class Reporter:
    """Writes each line whole and in order, from any thread; remembers that somebody asked to stop.

    `descriptor` is where lines go. A write to a reader that is gone raises `GivenBack`: an orphan must not keep a GPU.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._lock = descriptor, RLock()
        self._process = os.getpid()
        self._seq = 0
        self._log_file: TextIO | None = None
        self.stop_requested = False
        self.started_at = time.monotonic()

    def write(self, line: Line) -> None:
        """Send one line. In a forked process (data loading) it goes to stderr: `seq` belongs to the parent."""
        data = (line.model_dump_json() + "\n").encode()
        if os.getpid() != self._process:
            sys.stderr.buffer.write(data)
            return
        try:
            with self._lock:
                while data:
                    data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            raise GivenBack from None

    def log(self, level: Level, text: str) -> None:
        """One line of log per line of text, without terminal colours and empty lines."""
        for row in _COLOURS.sub("", text).splitlines():
            if row.strip():
                self._log_row(level, row.rstrip())

    def _log_row(self, level: Level, text: str) -> None:
        with self._lock:
            self._seq += 1
            now = datetime.now(UTC)
            if self._log_file is not None:
                self._log_file.write(f"{now.isoformat(timespec='milliseconds')} {level:<7} {text}\n")
                self._log_file.flush()
            self.write(LogLine(seq=self._seq, at=now, level=level, text=text))

    def progress(self, epoch: int, epochs: int, metrics: Metrics, eta_seconds: float) -> None:
        self.write(Progress(epoch=epoch, epochs=epochs, metrics=metrics, eta_seconds=round(eta_seconds, 1)))

    def checkpoint(self, path: Path, epoch: int) -> None:
        self.write(CheckpointWritten(path=path, epoch=epoch))

    def open_log(self, path: Path) -> None:
        """From now on log lines go to `path` too, after what an earlier attempt left there."""
        self._log_file = path.open("a", encoding="utf-8")

    def close_log(self) -> None:
        """Close the log file, whose digest is about to be taken; later lines are only sent."""
        with self._lock:
            if self._log_file is not None:
                self._log_file.close()
            self._log_file = None

    def seconds(self) -> float:
        """Seconds since this process began to report."""
        return round(time.monotonic() - self.started_at, 1)

    def raise_if_stopping(self) -> None:
        """The one place where a run is given back: call it wherever a little work may be thrown away."""
        if self.stop_requested:
            raise GivenBack

    def listen_for_signals(self) -> None:
        """SIGTERM and SIGINT ask to stop; nothing is interrupted in the middle of a write."""
        signal.signal(signal.SIGTERM, self._request_stop)
        signal.signal(signal.SIGINT, self._request_stop)

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True


class _Prints(TextIOBase):
    """Stands in for sys.stdout: what a framework prints becomes log lines."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._rest = reporter, ""

    def write(self, text: str, /) -> int:
        *rows, self._rest = (self._rest + text.replace("\r", "\n")).split("\n")
        for row in rows:
            self._reporter.log("info", row)
        return len(text)

    def writable(self) -> bool:
        return True


class LogHandler(logging.Handler):
    """Sends the records of the logging module as log lines."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.log(_level_of(record.levelno), record.getMessage())


def _level_of(number: int) -> Level:
    for least, name in _LEVELS:
        if number >= least:
            return name
    return "debug"


def take_over_stdout() -> Reporter:
    """Keep stdout for protocol lines: prints and warnings become log lines, output of C code goes to stderr."""
    reporter = Reporter(os.dup(1))
    os.dup2(2, 1)
    sys.stdout = _Prints(reporter)
    logging.basicConfig(level=logging.WARNING, handlers=[LogHandler(reporter)], force=True)
    logging.captureWarnings(True)
    return reporter
