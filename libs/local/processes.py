"""Child processes: started in their own session, recorded, logged, stopped in bounded time."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.local.accounts import group_of
from libs.local.logs import ProcessLog
from libs.local.records import MARKER, forget_record, record_of, write_record

STOP_SERVICES_FIRST, STOP_PARTS_LAST = 0, 1


@dataclass(frozen=True)
class Command:
    """What to start and how it likes to be stopped. Secrets go into `env`: an argument list is public.

    `user` is the account to run as, for programs that refuse root.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8.0
    stop_rank: int = STOP_PARTS_LAST


class Child:
    """One running process of a stack. `exited` resolves to its exit code once it is gone and its log is complete."""

    def __init__(
        self, *, command: Command, process: asyncio.subprocess.Process, log: ProcessLog, data_folder: Path
    ) -> None:
        self.command = command
        self.pid = process.pid
        self.log = log
        self._process = process
        self._data_folder = data_folder
        # Not a TaskGroup: the pump lives as long as the process, which outlives the call that started it.
        self.exited: asyncio.Future[int] = asyncio.ensure_future(self._pump())

    @classmethod
    async def start(cls, command: Command, *, data_folder: Path, log: ProcessLog) -> "Child":
        """Start the process and note it in the data folder's records; OSError when the program cannot be run."""
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **command.env, MARKER: str(data_folder)},
            cwd=command.cwd,
            start_new_session=True,
            user=command.user,
            group=group_of(command.user),
            extra_groups=None if command.user is None else [],
        )
        child = cls(command=command, process=process, log=log, data_folder=data_folder)
        child._note()
        return child

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return not self.exited.done()

    async def stop(self) -> int:
        """Ask the process to finish, insist after `stop_seconds`; returns its exit code."""
        self._signal(self.command.stop_signal)
        try:
            return await asyncio.wait_for(asyncio.shield(self.exited), self.command.stop_seconds)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """End the process at once, with all it started; returns its exit code."""
        self._kill_group()
        self._signal(signal.SIGKILL)
        return await self.exited

    def _note(self) -> None:
        command = self.command
        record = record_of(
            name=command.name, pid=self.pid, stop_signal=int(command.stop_signal), stop_rank=command.stop_rank
        )
        # Without its record (a full disk) the process is still found by its marker.
        with contextlib.suppress(OSError):
            if record is not None:
                write_record(self._data_folder, record)

    def _signal(self, signal_number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal_number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _pump(self) -> int:
        reader = asyncio.ensure_future(self._read_output())
        code = await self._process.wait()
        # What it started dies with it: orphans would hold ports, and the pipe we read from.
        self._kill_group()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader, timeout=2)
        self.log.close()
        forget_record(self._data_folder, self.command.name)
        return code

    async def _read_output(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65_536):
            self.log.feed(chunk)


async def run_to_end(*argv: str, data_folder: Path, user: str | None = None) -> tuple[int, str]:
    """Run a short program in the data folder and return its exit code and output; it never outlives this call."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C.UTF-8", MARKER: str(data_folder)},
        cwd="/",
        start_new_session=True,
        user=user,
        group=group_of(user),
        extra_groups=None if user is None else [],
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return await process.wait(), output.decode(errors="replace")
