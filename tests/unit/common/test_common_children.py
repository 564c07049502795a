"""Work in a child process: its result, its errors, its death."""

import asyncio
import os
from pathlib import Path

import pytest
from common_childwork import raise_conflict, unpicklable, write_pid_and_sleep

from libs.common.children import run_in_child
from libs.common.errors import Conflict, Transient


async def test_the_result_comes_back() -> None:
    assert await run_in_child(divmod, 17, 5) == (3, 2)


async def test_an_error_of_ours_comes_back_as_itself() -> None:
    with pytest.raises(Conflict, match="somebody was faster"):
        await run_in_child(raise_conflict, "somebody was faster")


async def test_another_error_tells_its_kind() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: integer"):
        await run_in_child(divmod, 1, 0)


async def test_a_death_is_transient() -> None:
    with pytest.raises(Transient, match="died without an answer"):
        await run_in_child(os._exit, 9)


async def test_a_result_that_cannot_travel_is_said() -> None:
    with pytest.raises(RuntimeError, match="cannot travel"):
        await run_in_child(unpicklable)


async def test_cancelling_kills_the_child(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    call = asyncio.ensure_future(run_in_child(write_pid_and_sleep, pid_file))
    async with asyncio.timeout(20):
        while not pid_file.exists() or not pid_file.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
