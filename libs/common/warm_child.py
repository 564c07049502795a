"""A child process that stays: native code that meets strangers' bytes runs in it, within limits, at the cost of a pipe."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from libs.common.children import AnyConnection, ChildDied, ChildTooSlow, Limits, limit_memory, outcome_of, send_outcome

P = ParamSpec("P")
R = TypeVar("R")
CLIPS_PER_CHILD = 50
"""Videos that one child decodes."""


class WarmChild:
    """Calls go through one process, one after another. A call that kills it, or takes too long, costs only itself.

    After `most_calls` the next one gets a new process: what native code leaks would otherwise add up to its memory limit.
    """

    def __init__(self, limits: Limits, *, most_calls: int | None = None) -> None:
        self.limits = limits
        self.most_calls = most_calls
        self._calls = 0
        self._turn = asyncio.Lock()
        self._process: Any = None
        self._connection: AnyConnection = None

    async def run(self) -> None:
        """As a loop of a service: the child is there before the first call, and goes with the service."""
        try:
            async with self._turn:
                await self._ensure_started()
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self.close)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a module-level function in the child and return its result.

        Errors of camloop come back as themselves. Raises `ChildTooSlow` or `ChildDied`; the next call gets a new child.
        """
        async with self._turn:
            await self._ensure_started()
            self._calls += 1
            try:
                async with asyncio.timeout(self.limits.seconds):
                    outcome: Any = await asyncio.to_thread(_ask, self._connection, (function, args, kwargs))
            except BaseException as error:
                # Cancelled, or out of time: the child is busy with something nobody waits for.
                self.close()
                if isinstance(error, TimeoutError):
                    raise ChildTooSlow(f"No answer within {self.limits.seconds:g} s") from error
                raise
            if isinstance(outcome, ChildDied):
                self.close()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the child (blocking, some milliseconds). A later call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = self._connection = None

    async def _ensure_started(self) -> None:
        worn_out = self.most_calls is not None and self._calls >= self.most_calls
        if worn_out or self._process is None or not self._process.is_alive():
            await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self.close()
        self._calls = 0
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.limits.memory_bytes), daemon=True)
        self._process.start()
        theirs.close()


def _ask(connection: AnyConnection, question: object) -> object:
    try:
        connection.send(question)
        return connection.recv()
    except (EOFError, OSError):
        return ChildDied("The child process died without an answer (killed, or out of memory)")


def _serve(connection: AnyConnection, memory_bytes: int) -> None:
    # Ctrl-C goes to the whole group: the parent decides when its child ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(memory_bytes)
    with suppress(EOFError, OSError):  # the parent has gone
        while True:
            function, args, kwargs = connection.recv()
            send_outcome(connection, outcome_of(function, args, kwargs))
