"""The child process that trains: started, listened to, stopped politely, killed when it says nothing for too long."""

import asyncio
import json
import os
import signal
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
from services.trainer.domain import CHILD_LINES, ChildLine

log = structlog.get_logger()
REPOSITORY = Path(__file__).resolve().parents[2]
LINE_BYTES = 1 << 22
TAIL_BYTES = 2000
LAST_SECONDS = 10.0
# The same list as the back-end's own (`training/protocol.py`, which the trainer must not import).
MODULES = {
    "ultralytics": ("torch", "torchvision", "ultralytics", "onnx", "onnxslim", "onnxruntime"),
    "temporal": ("torch", "onnx", "onnxruntime"),
    "classic": ("sklearn", "skl2onnx", "onnx", "onnxruntime"),
}
HINTS = {
    "ultralytics": "Install it with: uv sync --extra ultralytics",
    "temporal": "Install it with: uv sync --extra temporal",
    "classic": "Install it with: uv sync --extra temporal",
}


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
        self._errors = asyncio.ensure_future(_tail(self._process.stderr))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        await self.process.wait()
        if self._errors is not None:
            self._errors.cancel()

    def _kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # with the processes that load its images

    @property
    def process(self) -> Process:
        """The running process."""
        assert self._process is not None, "enter the context first"
        return self._process

    async def lines(self) -> AsyncIterator[ChildLine]:
        """What the child says, until it ends. Raises `Transient` when it is silent for `silence_seconds`.

        Silent is who says nothing: between two batches the child says twice a minute that a long epoch goes on.
        """
        while raw := await self._read():
            line = parse_line(raw)
            if line is not None:
                yield line

    async def _read(self) -> bytes:
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(self.silence_seconds):
                return await self.process.stdout.readline()
        except TimeoutError as error:
            raise Transient(f"The training made no progress for {self.silence_seconds:.0f} s and was killed") from error
        except ValueError:  # longer than LINE_BYTES: junk, which the stream has thrown away
            return b"(a line too long)\n"

    async def ask_to_stop(self) -> None:
        """SIGTERM: the child writes its last checkpoint and goes."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    async def last_words(self) -> str:
        """The end of stderr, for a child that died without a word on stdout."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self._kill()
            await self.process.wait()
        tail = (await self._errors).decode(errors="replace") if self._errors else ""
        return f"exit code {self.process.returncode}. {tail}".strip()


async def _tail(stream: asyncio.StreamReader) -> bytes:
    tail = b""
    while piece := await stream.read(1 << 16):
        tail = (tail + piece)[-TAIL_BYTES:]
    return tail


def parse_line(raw: bytes) -> ChildLine | None:
    """A line of the protocol; None for anything else, which is logged and passed over."""
    try:
        return CHILD_LINES.validate_python(json.loads(raw))
    except (ValidationError, ValueError, RecursionError) as error:
        log.warning("training_line_unreadable", error=str(error)[:300], line=raw[:200].decode(errors="replace"))
        return None
