"""Who holds a data folder: a file lock, which the kernel releases however its holder ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path


class AlreadyRunning(RuntimeError):
    """Another process holds the lock; the text names it and says how to end it."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock for the length of the block and leave our pid in the file; AlreadyRunning when it is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(descriptor, attempts=5):
            raise AlreadyRunning(
                f"Already running as process {_pid_in(path)} ({path.parent.parent}): `camloop down` stops it"
            )
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """The pid of the process that holds the lock now, or None."""
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR)
    try:
        return None if _taken(descriptor, attempts=1) else _pid_in(path)
    finally:
        os.close(descriptor)


def wait_until_free(path: Path, *, seconds: float) -> bool:
    """Wait until nobody holds the lock; False when somebody still does at the end."""
    deadline = time.monotonic() + seconds
    while holder(path) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _taken(descriptor: int, *, attempts: int) -> bool:
    """Several attempts, because asking `holder` takes the lock for an instant."""
    for attempt in range(attempts):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05 if attempt < attempts - 1 else 0)
        else:
            return True
    return False


def _pid_in(path: Path) -> int:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else 0
