"""Crash gates 1, 2 and 7: a handler or a relay that is killed, and a replica that joins. Numbers as in the design's list."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from libs.common.events import SampleRejected
from tests.support.gates import SERVICES, Gate, hairnet
from tests.support.proving import hold

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
Seen = Callable[[str], None]
Without = tuple[str, ...]


async def _begun(gate: Gate, event_id: UUID, consumers: tuple[str, ...], times: int = 1) -> None:
    async def all_began() -> bool:
        starts = await gate.starts(event_id)
        return all(starts.get(consumer, 0) >= times for consumer in consumers)

    await gate.until(all_began)


async def _done(gate: Gate, event_id: UUID, consumers: tuple[str, ...]) -> None:
    async def all_done() -> bool:
        return set(await gate.effects(event_id)) >= set(consumers)

    await gate.until(all_done, 90)


@pytest.mark.gate(1, "late ack")
async def test_an_event_whose_handler_was_killed_is_handled_again(gate: Gate, without: Without, seen: Seen) -> None:
    (first,) = await gate.start_all(["cleaner"], without=without, seconds="8")
    event_id = await gate.say(hairnet())
    await _begun(gate, event_id, ("cleaner",))
    await asyncio.sleep(6.5)  # an early, automatic commit happens every 5 s
    await first.kill()
    await gate.start_all(["cleaner"], without=without)
    later = await gate.say(hairnet(2))  # the same key, so the same partition: behind it
    await _done(gate, later, ("cleaner",))
    hold("effects of the killed handler's event", expected={"cleaner": 1}, seen=await gate.effects(event_id))
    seen("killed after 6.5 s of 8; handled again by the next replica, 1 effect")


@pytest.mark.gate(1, "inbox")
async def test_a_handler_killed_before_its_ack_has_one_effect(gate: Gate, without: Without, seen: Seen) -> None:
    event_id = await gate.say(hairnet())
    while not await gate.starts(event_id):  # what an earlier gate left unread may be what a replica dies of first
        doomed = await gate.start("cleaner", without=without, die="between commit and ack")
        assert await asyncio.wait_for(doomed.process.wait(), 60) == 9, doomed.output.read_text()
    await gate.start_all(["cleaner"], without=without)
    await _begun(gate, event_id, ("cleaner",), times=2)
    later = await gate.say(hairnet(2))
    await _done(gate, later, ("cleaner",))
    hold("effects of an event delivered twice", expected={"cleaner": 1}, seen=await gate.effects(event_id))
    seen("delivered twice, 1 effect")


@pytest.mark.gate(2, "drain")
async def test_a_replica_that_joins_during_slow_handlers_repeats_nothing(
    gate: Gate, without: Without, seen: Seen, tmp_path: Path
) -> None:
    """Of every service two replicas; the second ones are fully loaded and join in the middle of an 8 s handler."""
    join = tmp_path / "join"
    for name in SERVICES:
        await gate.start(name, without=without, seconds="8", hold=str(join))
    await gate.start_all(SERVICES, without=without, seconds="8")
    await gate.until(lambda: _count(tmp_path, len(SERVICES)))
    event_id = await gate.say(hairnet())
    await _begun(gate, event_id, SERVICES)
    join.touch()
    await asyncio.gather(*(replica.ready() for replica in gate.running))
    await _done(gate, event_id, SERVICES)
    await asyncio.sleep(2)
    once = dict.fromkeys(SERVICES, 1)
    hold("handlers begun", expected=once, seen=await gate.starts(event_id))
    hold("effects", expected=once, seen=await gate.effects(event_id))
    seen("7 services, 7 joined in an 8 s handler: begun once and 1 effect each")


async def _count(folder: Path, expected: int) -> bool:
    return len(list(folder.glob("join.*"))) == expected


@pytest.mark.gate(7, "inbox")
async def test_a_relay_killed_between_publish_and_delete_doubles_nothing(
    gate: Gate, without: Without, seen: Seen
) -> None:
    """The cleaner's relay publishes that a picture nobody can fetch was rejected; dataset and console hear it, twice."""
    relay = await gate.start("cleaner", without=without, die="between publish and delete")
    await gate.say(hairnet())
    await gate.until(lambda: gate.value("select 1 from cleaner.workflow"))
    await gate.value(
        "insert into cleaner.outbox (event_id, topic, key, headers, value) values ($1, $2, $3, $4, $5)", *_row()
    )
    assert await asyncio.wait_for(relay.process.wait(), 60) == 9, relay.output.read_text()
    await gate.start_all(["cleaner", "dataset"], without=without)
    event_id = _row()[0]
    await _begun(gate, event_id, ("dataset",), times=2)
    await asyncio.sleep(1)
    assert await gate.value("select count(*) from cleaner.outbox") == 0
    hold("effects of the event published twice", expected={"dataset": 1}, seen=await gate.effects(event_id))
    seen("published twice, 1 effect")


def _row() -> tuple[UUID, str, bytes, str, bytes]:
    event = SampleRejected(sample_id=UUID(int=7), workflow="hairnet", reason="dark")
    identity = UUID(int=70)
    headers = f'{{"ce_id": "{identity}", "ce_source": "/service/cleaner", "ce_type": "{event.topic}"}}'
    return identity, event.topic, event.key.encode(), headers, event.model_dump_json().encode()
