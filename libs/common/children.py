"""CPU work in a child process: the parent keeps beating, and a stuck or hostile input can be killed with it."""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from libs.common.errors import CamloopError, Transient

AnyConnection = Any  # multiprocessing names its two ends differently per platform
P = ParamSpec("P")
R = TypeVar("R")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


@dataclass(frozen=True)
class Limits:
    """What a child may take. `memory_bytes`: its own data, libraries not counted; `seconds`: until its (next) answer."""

    memory_bytes: int
    seconds: float


class ChildDied(Transient):
    """The child was killed, or killed itself, before it answered."""


class ChildTooSlow(Transient):
    """The child did not answer in time and was killed."""


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


async def run_within(limits: Limits, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """`run_in_child` for native code that meets strangers' bytes. Raises `ChildTooSlow` when it takes longer than allowed."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await run_in_child(_limited, limits.memory_bytes, function, args, kwargs)
    except TimeoutError as error:
        raise ChildTooSlow(f"No answer within {limits.seconds:g} s") from error


def _limited(memory_bytes: int, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    limit_memory(memory_bytes)
    return function(*args, **kwargs)


def stream_from_child(limits: Limits, function: Callable[..., Iterator[R]], *args: object) -> Iterator[R]:
    """What a module-level generator function yields in a fresh process, one by one (blocking).

    Raises `ChildTooSlow` when one takes longer than allowed, `ChildDied`, or what the function raised, as `run_in_child`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_stream, args=(theirs, limits.memory_bytes, function, args), daemon=True)
    process.start()
    theirs.close()
    try:
        while True:
            ended, outcome = _next_message(ours, limits)
            if ended:
                return _raise_or_none(outcome)
            yield outcome
    finally:
        process.kill()
        process.join()
        ours.close()


def limit_memory(memory_bytes: int) -> None:
    """From now on this process gets no more than this for its own data; what asks for more fails, and only that.

    Only Linux holds processes to it (RLIMIT_DATA); elsewhere nothing happens. Call it before numpy is imported: a BLAS
    with a thread for each of many cores would take the memory for itself.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.putenv(name, "1")
    if sys.platform == "linux":
        _keep_freed_memory()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _keep_freed_memory() -> None:
    """Have glibc keep up to 256 MiB that were freed, and take arrays of up to 32 MiB from there (other C libraries do as they do).

    A picture's pages are otherwise given back and fetched again for each picture: that took more time than decoding it did.
    """
    with suppress(AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most it takes
        libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def outcome_of(function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> object:
    """What the function returns, or its error as it may travel: camloop's as themselves, others with their kind."""
    try:
        return function(*args, **(kwargs or {}))
    except CamloopError as error:
        return error
    except Exception as error:  # noqa: BLE001 the border of a process: the parent raises it again
        return RuntimeError(f"{type(error).__name__}: {error}")


def send_outcome(connection: AnyConnection, outcome: object) -> None:
    """Answer, if need be with the reason why the answer cannot travel."""
    try:
        connection.send(outcome)
    except Exception as error:  # noqa: BLE001 what cannot be pickled is the function's mistake, not a death
        connection.send(RuntimeError(f"The result cannot travel between processes: {error}"))


def _receive(connection: AnyConnection) -> object:
    try:
        return connection.recv()
    except (EOFError, OSError):  # OSError: it died in the middle of its answer
        return ChildDied("The child process died without an answer (killed, or out of memory)")


def _next_message(connection: AnyConnection, limits: Limits) -> Any:
    if not connection.poll(limits.seconds):
        raise ChildTooSlow(f"The child process gave no sign of life for {limits.seconds:g} s and was ended")
    message: Any = _receive(connection)
    if isinstance(message, ChildDied):
        raise message
    return message


def _raise_or_none(outcome: object) -> None:
    if isinstance(outcome, BaseException):
        raise outcome


def _call(
    connection: AnyConnection,
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    send_outcome(connection, outcome_of(function, args, kwargs))
    connection.close()


def _stream(
    connection: AnyConnection, memory_bytes: int, function: Callable[..., Iterator[object]], args: tuple[object, ...]
) -> None:
    limit_memory(memory_bytes)

    def send_all() -> None:
        for each in function(*args):
            connection.send((False, each))

    connection.send((True, outcome_of(send_all, ())))
    connection.close()
