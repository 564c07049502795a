"""CPU work in a child process: the parent keeps beating, and a stuck or hostile input can be killed with it."""

import asyncio
import multiprocessing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from libs.common.errors import CamloopError, Transient

AnyConnection = Any  # multiprocessing names its two ends differently per platform
P = ParamSpec("P")
R = TypeVar("R")


async def run_in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a module-level function in a fresh process and return its result.

    Errors of camloop come back as themselves. A child that dies is `Transient`. Cancelling the call kills the child.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(theirs, function, args, kwargs), daemon=True)
    process.start()
    theirs.close()
    try:
        outcome: Any = await asyncio.to_thread(_receive, ours)
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        ours.close()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _receive(connection: AnyConnection) -> object:
    try:
        return connection.recv()
    except (EOFError, OSError):  # OSError: it died in the middle of its answer
        return Transient("The child process died without an answer (killed, or out of memory)")


def _call(
    connection: AnyConnection,
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    try:
        outcome: object = function(*args, **kwargs)
    except CamloopError as error:
        outcome = error
    except Exception as error:  # noqa: BLE001 the border of a process: the parent raises it again
        outcome = RuntimeError(f"{type(error).__name__}: {error}")
    try:
        connection.send(outcome)
    except Exception as error:  # noqa: BLE001 what cannot be pickled is the function's mistake, not a death
        connection.send(RuntimeError(f"The result cannot travel between processes: {error}"))
    connection.close()
