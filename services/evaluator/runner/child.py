"""The child process that judges: it loads its libraries while the parent still fetches the files.

Pictures and models are strangers' bytes: decoder and inference run in the child only, with a limit to its memory, and it
is ended when it falls silent.
"""

import asyncio
import multiprocessing
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from libs.common.children import ChildTooSlow, Limits, limit_memory, run_in_child
from services.evaluator.domain.assignment import Judgement
from services.evaluator.domain.assignments import AnyAssignment, Tell

Judge = Callable[[AnyAssignment], Awaitable[Judgement]]
AnyConnection = Any  # multiprocessing names its two ends differently per platform


def judge_on_arrival(connection: AnyConnection, memory_bytes: int) -> Judgement:
    """Runs in the child: import what judging needs (about a second), then wait for the assignment."""
    limit_memory(memory_bytes)
    from services.evaluator.runner.judging import judge  # the parent stays without OpenCV and ONNX Runtime

    assignment: AnyAssignment = pickle.loads(Path(connection.recv()).read_bytes())

    def tell(stage: str, done: int, total: int) -> None:
        connection.send((stage, done, total))

    return judge(assignment, tell)


@asynccontextmanager
async def judging_child(tell: Tell, limits: Limits) -> AsyncIterator[Judge]:
    """A child that gets ready at once and judges one assignment; it ends with the context, whatever happened."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    child = asyncio.ensure_future(run_in_child(judge_on_arrival, theirs, limits.memory_bytes))
    loop.add_reader(ours.fileno(), _pass_on, ours, tell, heard)

    async def judge(assignment: AnyAssignment) -> Judgement:
        # Through a file: a pipe blocks once it is full, and would for ever if the child died before reading.
        file = assignment.folder / "assignment.pickle"
        await asyncio.to_thread(file.write_bytes, pickle.dumps(assignment))
        ours.send(str(file))
        return await _unless_silent(child, heard, limits.seconds)

    try:
        yield judge
    finally:
        loop.remove_reader(ours.fileno())
        child.cancel()
        await asyncio.gather(child, return_exceptions=True)
        theirs.close()
        ours.close()


async def _unless_silent(child: "asyncio.Future[Judgement]", heard: asyncio.Event, seconds: float) -> Judgement:
    while True:
        heard.clear()
        done, _ = await asyncio.wait({child}, timeout=seconds)
        if done:
            return await child
        if not heard.is_set():
            raise ChildTooSlow(f"The judging child made no progress for {seconds:g} s and was ended")


def _pass_on(connection: AnyConnection, tell: Tell, heard: asyncio.Event) -> None:
    while connection.poll():
        heard.set()
        tell(*connection.recv())
