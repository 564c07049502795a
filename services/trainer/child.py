"""The child process that trains: started, listened to, stopped politely, killed when it says nothing for too long."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import structlog
from pydantic import ValidationError

from libs.common.errors import Transient
from services.trainer.domain import CHILD_LINES, ChildLine, Progressed, Started

log = structlog.get_logger()
REPOSITORY = Path(__file__).resolve().parents[2]
LINE_BYTES = 1 << 22
MODULES = {"ultralytics": ("torch", "ultralytics", "onnx")}
HINTS = {"ultralytics": "Install it with: uv sync --extra ultralytics"}


def missing_modules(backend: str) -> list[str]:
    """What a back-end lacks on this machine, found without importing it; an unknown back-end lacks itself."""
    return [name for name in MODULES.get(backend, (backend,)) if find_spec(name) is None]


class TrainingChild:
    """One child process. As a context manager: whatever happens, no process stays behind."""

    def __init__(self, spec_file: Path, *, silence_seconds: float) -> None:
        self.spec_file, self.silence_seconds = spec_file, silence_seconds
        self._process: Process | None = None
        self._errors: asyncio.Future[bytes] | None = None

    async def __aenter__(self) -> "TrainingChild":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.trainer.training", "--spec", str(self.spec_file.resolve()),
            cwd=REPOSITORY, stdout=PIPE, stderr=PIPE, limit=LINE_BYTES, start_new_session=True,
        )  # fmt: skip
        assert self._process.stderr is not None
        self._errors = asyncio.ensure_future(self._process.stderr.read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self._errors is not None:
            self._errors.cancel()

    @property
    def process(self) -> Process:
        """The running process."""
        assert self._process is not None, "enter the context first"
        return self._process

    async def lines(self) -> AsyncIterator[ChildLine]:
        """What the child says, until it ends. Raises `Transient` when no epoch ends for `silence_seconds`."""
        assert self.process.stdout is not None
        deadline = asyncio.get_running_loop().time() + self.silence_seconds
        while True:
            remaining = deadline - asyncio.get_running_loop().time()
            try:
                raw = await asyncio.wait_for(self.process.stdout.readline(), max(remaining, 0))
            except TimeoutError as error:
                raise Transient(
                    f"The training made no progress for {self.silence_seconds:.0f} s and was killed"
                ) from error
            if not raw:
                return
            line = _parse(raw)
            if isinstance(line, Progressed | Started):
                deadline = asyncio.get_running_loop().time() + self.silence_seconds
            if line is not None:
                yield line

    async def ask_to_stop(self) -> None:
        """SIGTERM: the child writes its last checkpoint and goes."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    async def last_words(self) -> str:
        """The end of stderr, for a child that died without a word on stdout."""
        await self.process.wait()
        tail = (await self._errors)[-2000:].decode(errors="replace") if self._errors else ""
        return f"exit code {self.process.returncode}. {tail}".strip()


def _parse(raw: bytes) -> ChildLine | None:
    try:
        return CHILD_LINES.validate_python(json.loads(raw))
    except (ValidationError, ValueError) as error:
        log.warning("training_line_unreadable", error=str(error)[:300], line=raw[:200].decode(errors="replace"))
        return None
