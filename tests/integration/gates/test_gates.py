"""Crash gates 1, 2 and 7 on real Kafka and PostgreSQL, each also with its protection gone: it must then be crossed.

The numbers are those of the design's list of gates; gates 8 and 9 are in `test_common_outbox.py` and `test_trainer_survives.py`.
"""

import asyncio

import pytest

from libs.common.envelope import stable_id
from libs.common.events import SnapshotCaptured
from libs.common.testing import snapshot
from tests.support.gates import Gate

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]


async def _one_started(gate: Gate, event: SnapshotCaptured, times: int = 1) -> None:
    await gate.until(lambda: _at_least(gate, "gate_start", event.snapshot_id, times))


async def _at_least(gate: Gate, table: str, subject: str, times: int) -> bool:
    return await gate.count(table, subject) >= times


async def _kill_in_handler_and_restart(gate: Gate, **switches: str) -> int:
    event = snapshot()
    first = await gate.start(seconds="8", **switches)
    await first.ready()
    await gate.publish(event)
    await _one_started(gate, event)
    await asyncio.sleep(6.5)  # an early, automatic commit happens every 5 s
    await first.kill()
    second = await gate.start(seconds="0", **switches)
    await second.ready()
    later = snapshot(camera_id=event.camera_id)
    await gate.publish(later)
    await gate.until(lambda: _at_least(gate, "gate_effect", later.snapshot_id, 1))
    return await gate.count("gate_effect", event.snapshot_id)


async def test_gate_1_an_event_whose_handler_was_killed_is_handled_again(gate: Gate) -> None:
    assert await _kill_in_handler_and_restart(gate) == 1


async def test_gate_1_fails_when_messages_are_acknowledged_first(gate: Gate) -> None:
    assert await _kill_in_handler_and_restart(gate, without="late_ack") == 0, "lost, as expected"


async def _die_between_commit_and_ack(gate: Gate, **switches: str) -> int:
    event = snapshot()
    first = await gate.start(die="after_commit", **switches)
    await first.ready()
    await gate.publish(event)
    await asyncio.wait_for(first.process.wait(), 30)
    second = await gate.start(**switches)
    await second.ready()
    await _one_started(gate, event, times=2)
    later = snapshot(camera_id=event.camera_id)
    await gate.publish(later)
    await gate.until(lambda: _at_least(gate, "gate_effect", later.snapshot_id, 1))
    return await gate.count("gate_effect", event.snapshot_id)


async def test_gate_1_a_handler_killed_before_its_ack_has_one_effect(gate: Gate) -> None:
    assert await _die_between_commit_and_ack(gate) == 1


async def test_gate_1_fails_without_the_inbox(gate: Gate) -> None:
    assert await _die_between_commit_and_ack(gate, without="inbox") == 2, "doubled, as expected"


async def _second_replica_joins(gate: Gate, **switches: str) -> tuple[int, int]:
    event = snapshot()
    first = await gate.start(seconds="8", **switches)
    await first.ready()
    await gate.publish(event)
    await _one_started(gate, event)
    second = await gate.start(seconds="8", **switches)
    await second.ready()
    await gate.until(lambda: _at_least(gate, "gate_effect", event.snapshot_id, 1))
    await asyncio.sleep(2)
    return await gate.count("gate_start", event.snapshot_id), await gate.count("gate_effect", event.snapshot_id)


async def test_gate_2_a_replica_that_joins_during_a_slow_handler_repeats_nothing(gate: Gate) -> None:
    assert await _second_replica_joins(gate) == (1, 1)


async def test_gate_2_fails_without_the_drain(gate: Gate) -> None:
    starts, effects = await _second_replica_joins(gate, without="drain")
    assert starts > 1, "the handler was run again, as expected"
    assert effects == 1, "the inbox still holds"


async def _relay_dies_before_delete(gate: Gate, **switches: str) -> int:
    event = snapshot()
    first = await gate.start(die="after_publish", **switches)
    await gate.publish(event)
    await asyncio.wait_for(first.process.wait(), 60)
    second = await gate.start(hears="rejected", **switches)
    await second.ready()
    subject = str(stable_id(event.snapshot_id))
    await gate.until(lambda: _at_least(gate, "gate_effect", subject, 1))
    await asyncio.sleep(3)  # time for the second copy, which the restarted relay publishes at once
    return await gate.count("gate_effect", subject)


async def test_gate_7_a_relay_killed_between_publish_and_delete_doubles_nothing(gate: Gate) -> None:
    assert await _relay_dies_before_delete(gate) == 1


async def test_gate_7_fails_without_the_inbox(gate: Gate) -> None:
    assert await _relay_dies_before_delete(gate, without="inbox") == 2, "doubled, as expected"
