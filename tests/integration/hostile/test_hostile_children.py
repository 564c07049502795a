"""Children with limits: what dies, hangs or takes too much in them costs one call, and the next one is answered."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from hostile_childwork import count_and, die, pid, sleep, take

from libs.common.children import ChildDied, ChildTooSlow, Limits, stream_from_child
from libs.common.warm_child import WarmChild


@pytest.fixture
async def child() -> AsyncIterator[WarmChild]:
    made = WarmChild(Limits(memory_bytes=256 << 20, seconds=5))
    yield made
    made.close()


async def test_calls_share_one_process_and_get_their_own_answers(child: WarmChild) -> None:
    first = await child.call(pid)
    assert first != os.getpid()
    assert await child.call(pid) == first
    answers = await asyncio.gather(*(child.call(divmod, number, 7) for number in range(20)))
    assert answers == [divmod(number, 7) for number in range(20)]


async def test_a_death_costs_one_call(child: WarmChild) -> None:
    first = await child.call(pid)
    with pytest.raises(ChildDied, match="died without an answer"):
        await child.call(die)
    assert await child.call(pid) != first


async def test_a_call_that_takes_too_long_is_ended() -> None:
    child = WarmChild(Limits(memory_bytes=256 << 20, seconds=2))
    first = await child.call(pid)
    with pytest.raises(ChildTooSlow, match="within 2 s"):
        await child.call(sleep, 60)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert await child.call(divmod, 7, 2) == (3, 1)
    child.close()


async def test_memory_beyond_the_limit_is_refused_inside_and_the_child_lives_on(child: WarmChild) -> None:
    first = await child.call(pid)
    assert await child.call(take, 100) == 100 << 20
    with pytest.raises(RuntimeError, match="MemoryError"):
        await child.call(take, 300)
    assert await child.call(pid) == first


async def test_cancelling_a_call_ends_its_child_and_nobody_gets_its_answer(child: WarmChild) -> None:
    first = await child.call(pid)
    call = asyncio.ensure_future(child.call(sleep, 60))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert await child.call(divmod, 7, 2) == (3, 1)


async def test_as_a_loop_it_starts_first_and_ends_with_the_service() -> None:
    child = WarmChild(Limits(memory_bytes=256 << 20, seconds=5))
    loop = asyncio.ensure_future(child.run())
    running = await child.call(pid)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)


LIMITS = Limits(memory_bytes=256 << 20, seconds=2)


def test_a_stream_arrives_whole_and_in_order() -> None:
    assert list(stream_from_child(LIMITS, count_and, 500, "")) == list(range(500))


@pytest.mark.parametrize(
    ("then", "error", "told"),
    [
        ("die", ChildDied, "died without an answer"),
        ("sleep", ChildTooSlow, "no sign of life for 2 s"),
        ("raise", RuntimeError, "ZeroDivisionError: at the end"),
    ],
)
def test_what_came_before_the_end_of_a_stream_is_kept(then: str, error: type[Exception], told: str) -> None:
    seen: list[int] = []
    with pytest.raises(error, match=told):  # noqa: PT012 the items before the error are the point
        for each in stream_from_child(LIMITS, count_and, 3, then):
            seen.append(each)
    assert seen == [0, 1, 2]
