"""The log of one process: lines to a file that never grows without end, and to whoever listens."""

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_TROUBLE = re.compile(r"\b(error|critical|fatal|exception|severe)\b|Traceback", re.IGNORECASE)
_LONGEST_LINE = 16_384


class ProcessLog:
    """Appends what a process prints to `path`; at `max_bytes` the file moves to `<path>.1`, so two such sizes are kept.

    `listen` gets every whole line, decoded, without its end.
    """

    def __init__(self, path: Path, *, max_bytes: int = 10_000_000, listen: Callable[[str], None] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last_trouble: str | None = None
        self._max_bytes = max_bytes
        self._listen = listen
        self._recent: deque[str] = deque(maxlen=50)
        self._file: BinaryIO = path.open("ab")
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes the process printed, cut anywhere."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._take(line)
        self._file.flush()

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
        self._file.write(line + b"\n")
        self._recent.append(text)
        if _TROUBLE.search(text):
            self.last_trouble = text[:500]
        if self._listen is not None:
            self._listen(text)
        if self._file.tell() >= self._max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self.path.open("ab")
