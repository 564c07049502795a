"""Crash gate 3: a rolling restart of every service, two replicas each, under load."""

import asyncio
import itertools
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.support.gates import SERVICES, Gate, hairnet
from tests.support.proving import hold
from tests.support.replica import Replica

pytestmark = [pytest.mark.connected, pytest.mark.timeout(500)]
EVERY_SECONDS = 0.4


async def load(gate: Gate, said: list[UUID], stop: asyncio.Event) -> None:
    """Six workflows, edited again and again: every service hears each edit, on all partitions."""
    for number in itertools.count():
        if stop.is_set():
            return
        said.append(await gate.say(hairnet(number // 6 + 1, name=f"line-{number % 6}")))
        await asyncio.sleep(EVERY_SECONDS)


async def restarted(gate: Gate, old: Replica, without: tuple[str, ...]) -> None:
    """SIGTERM, as a deploy does, and a new one in its place."""
    await old.stop()
    assert old.process.returncode == 0, old.output.read_text()
    await (await gate.start(old.name, without=without, seconds="0.5")).ready(180)


@pytest.mark.gate(3, "drain + inbox")
async def test_a_rolling_restart_under_load_leaves_every_effect_exact(
    gate: Gate, without: tuple[str, ...], seen: Callable[[str], None]
) -> None:
    await gate.start_all(SERVICES * 2, without=without, seconds="0.5")
    said, stop = list[UUID](), asyncio.Event()
    loading = asyncio.ensure_future(load(gate, said, stop))
    await asyncio.sleep(2)
    first, second = gate.running[: len(SERVICES)], gate.running[len(SERVICES) :]
    for replicas in (first, second):
        await asyncio.gather(*(restarted(gate, replica, without) for replica in replicas))
    stop.set()
    await loading
    expected = len(said) * len(SERVICES)
    statement = "select count(distinct (consumer, event_id)) from public.gate_effect where event_id = any($1)"

    async def all_handled() -> bool:
        return await gate.value(statement, said) == expected

    await gate.until(all_handled, 120)
    await asyncio.sleep(2)
    effects = await gate.value("select count(*) from public.gate_effect where event_id = any($1)", said)
    starts = await gate.value("select count(*) from public.gate_start where event_id = any($1)", said)
    hold(f"effects of {len(said)} events in 7 services", expected=expected, seen=effects)
    seen(
        f"14 processes replaced under load: {expected} effects of {expected}, {starts - expected} handlers begun twice"
    )
