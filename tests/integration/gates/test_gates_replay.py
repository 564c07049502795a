"""Crash gate 13: a new consumer that reads every topic from its beginning comes to what the live one shows."""

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import asyncpg
import pytest

from libs.common.events import Event
from libs.common.postgres import migrate, open_pool
from tests.conftest import with_database
from tests.integration.console.conftest import dump_tables
from tests.support.gates import Gate
from tests.support.proving import hold
from tests.support.unprotected import TABLES
from tests.unit.console import clip_events as clips
from tests.unit.console.console_events import Round

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
ROUNDS = 6


@pytest.fixture
async def empty(gate: Gate) -> AsyncIterator[str]:
    """A second database with the console's schema."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(gate.stack.postgres_dsn)
    await admin.execute(f"create database {name}")
    dsn = with_database(gate.stack.postgres_dsn, name)
    await migrate(dsn, "console")
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLES)
    await connection.close()
    yield dsn
    await gate.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def shown(dsn: str) -> dict[str, list[str]]:
    """Every row of the console's read tables."""
    pool = await open_pool(dsn, "console")
    try:
        return await dump_tables(pool)
    finally:
        await pool.close()


async def heard_all(dsn: str, count: int) -> bool:
    """The log has as many events."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("select count(*) from console.event") == count
    finally:
        await connection.close()


def story(told: Round) -> list[Event]:
    """A round, a clip that is reviewed and judged twice, and people who change their minds in both directions: no order of
    the topics is the order of time."""
    second_thoughts = [told.rejected(0), told.approved(2, annotation_revision=2, approved_by="user:li")]
    clip, sample = f"clip-{told.run_id}", uuid4()
    washes = [
        clips.captured(clip), clips.queued(sample, clip_id=clip), clips.judged(clip),
        clips.rejected(sample, clip_id=clip), clips.judged(clip, "compliant"), clips.approved(sample, clip_id=clip),
    ]  # fmt: skip
    return [*told.events(), *second_thoughts, *washes]


@pytest.mark.gate(13, "folding")
async def test_a_full_replay_under_a_new_consumer_equals_the_live_state(
    gate: Gate, empty: str, without: tuple[str, ...], seen: Callable[[str], None]
) -> None:
    (live,) = await gate.start_all(["console"], without=without)
    events = [event for number in range(ROUNDS) for event in story(Round(workflow=f"line-{number}"))]
    for number, event in enumerate(events, start=1):
        await gate.say(event)
        await gate.until(lambda number=number: heard_all(gate.dsn, number))  # live: in the order of what happened
    await live.kill()
    gate.environment["DATABASE_URL"] = empty
    await gate.start_all(["console"], without=without, group="new-")
    await gate.until(lambda: heard_all(empty, len(events)))
    before, after = await shown(gate.dsn), await shown(empty)
    rows = sum(len(table) for table in before.values())
    assert rows > len(events) / 2
    hold("rows that differ", expected=0, seen=sum(len(set(before[name]) ^ set(after[name])) for name in before))
    seen(f"{len(events)} events read again by a new consumer: {rows} rows, all equal")
