"""The log of one process: lines to a file that never grows without end, and to whoever listens."""

import contextlib
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_TROUBLE = re.compile(r"\b(error|critical|fatal|exception|severe)\b|Traceback", re.IGNORECASE)
_LONGEST_LINE = 16_384


class ProcessLog:
    """Appends what a process prints to `path`; at `max_bytes` the file moves to `<path>.1`, so two such sizes are kept.

    `listen` gets every whole line, decoded, without its end. What cannot be written (a full disk) is counted and named
    in the file later: a process whose output nobody reads any more would stand still.
    """

    def __init__(self, path: Path, *, max_bytes: int = 10_000_000, listen: Callable[[str], None] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last_trouble: str | None = None
        self._max_bytes = max_bytes
        self._listen = listen
        self._recent: deque[str] = deque(maxlen=50)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._rest = b""
        self._lost = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes the process printed, cut anywhere."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._take(line)

    def tail(self, lines: int = 20) -> list[str]:
        """The last lines of this process, oldest first."""
        return list(self._recent)[-lines:]

    def close(self) -> None:
        """Write what is left and close the file; a later feed is an error."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        self._file.close()

    def _take(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip()
        self._write(line + b"\n")
        self._recent.append(text)
        if _TROUBLE.search(text):
            self.last_trouble = text[:500]
        if self._listen is not None:
            self._listen(text)

    def _write(self, line: bytes) -> None:
        note = f"\n[{self._lost} lines are missing here: they could not be written]\n".encode() if self._lost else b""
        try:
            whole = self._file.write(note + line) == len(note + line)
            self._lost = 0 if whole else self._lost + 1
            if self._file.tell() >= self._max_bytes:
                self._rotate()
        except OSError:
            self._lost += 1

    def _rotate(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # the last attempt got no further than this
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        old, self._file = self._file, self.path.open("ab", buffering=0)
        old.close()
