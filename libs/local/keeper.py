"""Keeps one part running: starts it, watches it, starts it again after ever longer pauses when it dies."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from libs.local.failures import PartFailed
from libs.local.logs import ProcessLog
from libs.local.parts import Part, obituary
from libs.local.processes import Child
from libs.local.state import Condition, ProcessState, StateBoard, now

_ATTEMPTS_TO_START = 3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_A_GOOD_LIFE_SECONDS = 60.0
_LOOK_SECONDS_AT_START, _LOOK_SECONDS = 0.2, 5.0
_STUCK_SECONDS = 60.0


class Keeper:
    """`run` goes on until `stop`. `first_ready` resolves when the part answers for the first time.

    It fails with PartFailed when the part cannot be prepared, or died three times before it ever answered: that is a
    broken set-up. A part that has answered once is started again for ever.
    """

    def __init__(
        self,
        part: Part,
        *,
        kind: Literal["part", "service"],
        data_folder: Path,
        board: StateBoard,
        echo: Callable[[str, str], None] | None = None,
    ) -> None:
        self.part = part
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data_folder = data_folder
        self._board = board
        self._listen = None if echo is None else partial(echo, part.name)
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._shown = ProcessState(name=part.name, kind=kind, state="waiting", since=now())
        board.show(self._shown)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Start to keep the part, as a task of the group."""
        self._task = group.create_task(self._run())

    async def _run(self) -> None:
        """Live, die, pause, live again, until stopped."""
        pause, failures = _FIRST_PAUSE_SECONDS, 0
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            trouble = await self._live()
            if self._stopping.is_set():
                break
            failures += 1
            self._give_up_if_hopeless(trouble, failures)
            lived_well = asyncio.get_running_loop().time() - began > _A_GOOD_LIFE_SECONDS
            pause = _FIRST_PAUSE_SECONDS if lived_well else pause
            self._show("restarting", restarts=self._shown.restarts + 1, last_error=self._last_words(trouble))
            await self._wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """Stop the process in good order; one that is only being prepared is never started."""
        self._stopping.set()
        if self._child is not None and self._child.is_running:
            self._show("stopping")
            await self._child.stop()
        elif self._task is not None:
            self._task.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self.first_ready.done():
            self.first_ready.exception()
        self._show("stopped", pid=None)

    def death_notice(self, what: str) -> PartFailed:
        """An error about this part with the end of its log."""
        return PartFailed(f"{self.part.name} {what}") if self._child is None else obituary(self.part, what, self._child)

    async def _live(self) -> PartFailed:
        """One life of the process; returns how it ended."""
        self._show("starting", pid=None)
        try:
            self._child = await self._start()
        except (PartFailed, OSError) as error:
            return self._fail_first_start(PartFailed(f"{self.part.name} cannot be started: {error}"))
        watch = asyncio.ensure_future(self._watch(self._child))
        try:
            code = await asyncio.shield(self._child.exited)
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            if self._child.is_running:
                await self._child.kill()
        return obituary(self.part, f"ended with exit code {code}", self._child)

    async def _start(self) -> Child:
        command = await self.part.prepare()
        log = ProcessLog(self._data_folder / "log" / f"{self.part.name}.log", listen=self._listen)
        child = await Child.start(command, data_folder=self._data_folder, log=log)
        self._show("starting", pid=child.pid)
        if self._stopping.is_set():
            await child.stop()
        return child

    async def _watch(self, child: Child) -> None:
        """Show how the process is, and kill it when it has been stuck for a while."""
        clock, was_ready = asyncio.get_running_loop().time, False
        last_progress = clock()
        while clock() - last_progress < _STUCK_SECONDS:
            ready = await self.part.answers()
            was_ready = was_ready or ready
            self._look(child, ready=ready, was_ready=was_ready)
            if not await self.part.stuck():
                last_progress = clock()
            await asyncio.sleep(_LOOK_SECONDS if was_ready else _LOOK_SECONDS_AT_START)
        await child.kill()

    def _look(self, child: Child, *, ready: bool, was_ready: bool) -> None:
        if ready and not self.first_ready.done():
            self.first_ready.set_result(None)
        condition: Condition = "ready" if ready else ("unready" if was_ready else "starting")
        self._show(condition, last_error=child.log.last_trouble)

    def _fail_first_start(self, error: PartFailed) -> PartFailed:
        if not self.first_ready.done():
            self.first_ready.set_exception(error)
        return error

    def _give_up_if_hopeless(self, trouble: PartFailed, failures: int) -> None:
        if failures >= _ATTEMPTS_TO_START:
            self._fail_first_start(trouble)

    def _last_words(self, trouble: PartFailed) -> str:
        """One line that says why it died: the last error it logged, else its last line, else the exit code."""
        log = None if self._child is None else self._child.log
        line = (log.last_trouble or next(iter(log.tail(1)), None)) if log is not None else None
        return line or str(trouble).split("\n", 1)[0]

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)

    def _show(
        self,
        state: Condition,
        *,
        pid: int | Literal["same"] | None = "same",
        restarts: int | None = None,
        last_error: str | None = None,
    ) -> None:
        self._shown = replace(
            self._shown,
            state=state,
            since=now(),
            port=self.part.port,
            pid=self._shown.pid if pid == "same" else pid,
            restarts=self._shown.restarts if restarts is None else restarts,
            last_error=last_error or self._shown.last_error,
        )
        self._board.show(self._shown)
