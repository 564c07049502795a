"""Crash gates 5, 11 and 12: poison on a partition, a handler that always fails, and the way back from the dead letters."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.common.events import SampleRejected
from libs.common.outbox import envelope_headers
from tests.conftest import ADMIN_TOKEN
from tests.support.gates import Gate
from tests.support.proving import hold

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
TOPIC = SampleRejected.topic
DLQ = f"{TOPIC}.dlq.dataset"
Headers = list[tuple[str, Any]]
Seen = Callable[[str], None]
Without = tuple[str, ...]


def rejection() -> SampleRejected:
    return SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark")


def headers_of(event: SampleRejected, **changes: bytes | None) -> tuple[UUID, Headers]:
    """An id and the headers that carry it."""
    identity = uuid4()
    own = {name: text.encode() for name, text in envelope_headers(event, event_id=identity, cause=None).items()}
    return identity, list((own | {"ce_source": b"/gate"} | changes).items())


async def publish(gate: Gate, value: bytes | None, headers: Headers) -> int:
    """To one partition, whatever it is, as a stranger's client may; the offset."""
    producer = AIOKafkaProducer(
        bootstrap_servers=gate.stack.kafka_bootstrap, max_request_size=32 << 20, compression_type="lz4"
    )
    async with producer:
        return (await producer.send_and_wait(TOPIC, value, b"one partition", headers=headers)).offset


async def good(gate: Gate, count: int) -> list[UUID]:
    """Rejections as the cleaner says them, on that partition; their ids."""
    ids = []
    for event in (rejection() for _ in range(count)):
        identity, headers = headers_of(event)
        await publish(gate, event.model_dump_json().encode(), headers)
        ids.append(identity)
    return ids


async def effects(gate: Gate, ids: list[UUID]) -> int:
    """What dataset committed for these events."""
    statement = "select count(*) from public.gate_effect where consumer = 'dataset' and event_id = any($1)"
    return await gate.value(statement, ids)


POISON: dict[str, tuple[bytes | None, Headers]] = {
    "non-UTF-8 header": (rejection().model_dump_json().encode(), [("ce_id", b"\xff\xfe"), ("ce_type", b"\xc3(")]),
    "null header": (rejection().model_dump_json().encode(), [("ce_type", b"x"), ("ce_id", None)]),
    "junk JSON": (b"{junk", [("content-type", b"application/json")]),
    "tombstone": (None, []),
    "2 MiB value": (b"x" * (2 << 20), []),
    "20 MiB value": (b"x" * (20 << 20), []),
    "unknown version": (rejection().model_dump_json().encode(), [("ce_type", b"sample.rejected.v9")]),
}


async def _letters(gate: Gate, count: int) -> list[dict[str, Any]]:
    """Headers of the dead letters of dataset, once there are so many of them, and no more come."""

    async def found() -> list[Any]:
        records = await gate.bus.records(DLQ)
        return records if len(records) >= count else []

    return [{name: value.decode() for name, value in record.headers} for record in await gate.until(found, 60)]


async def _crossing(gate: Gate, what: str, condition: Callable[[], Any], seconds: float) -> Any:
    """Wait for a thing a gate promises: when it does not come, the gate is crossed."""
    try:
        return await gate.until(condition, seconds)
    except AssertionError:
        hold(what, expected="so", seen="not so")


@pytest.mark.gate(5, "dead letters", "lenient headers")
async def test_a_partition_moves_past_poison(gate: Gate, without: Without, seen: Seen) -> None:
    await gate.start_all(["dataset"], without=without)
    before = len(await gate.bus.records(DLQ))
    offsets: dict[int, str] = {}
    neighbours = await good(gate, 1)
    odd, headers = headers_of(event := rejection(), **{"x-camera": b"\xff\xfe", "x-line": None})
    await publish(gate, event.model_dump_json().encode(), headers)  # a good event, whatever its sender adds
    neighbours.append(odd)
    for name, (value, headers) in POISON.items():
        offsets[await publish(gate, value, headers)] = name
        neighbours += await good(gate, 1)

    async def all_arrived() -> bool:
        return await effects(gate, neighbours) == len(neighbours)

    await _crossing(gate, "all neighbours of poison arrived", all_arrived, 45)
    told: dict[str, dict[str, str]] = {}

    async def all_dead() -> bool:
        letters = (await _letters(gate, 0))[before:]
        own = [letter for letter in letters if int(letter["x-origin-offset"]) in offsets]
        told.update({offsets[int(letter["x-origin-offset"])]: letter for letter in own})
        return len(told) == len(POISON)

    await _crossing(gate, "a dead letter for each poison", all_dead, 45)
    assert all(letter["x-origin-topic"] == TOPIC and letter["x-error"] for letter in told.values())
    seen(f"{len(neighbours)} of {len(neighbours)} neighbours arrived, {len(told)} dead letters with origin and error")


@pytest.mark.gate(11, "breaker")
async def test_a_handler_that_always_fails_opens_the_breaker_and_loses_nothing(
    gate: Gate, without: Without, seen: Seen
) -> None:
    gate.environment["RETRY_ATTEMPTS"] = "1"
    before = len(await gate.bus.records(DLQ))
    (failing,) = await gate.start_all(["dataset"], without=without, fail=TOPIC)
    ids = await good(gate, 60)
    await _letters(gate, before + 20)
    await _crossing(gate, "readiness turned red", lambda: _is_red(failing.url), 30)
    dead = len(await gate.bus.records(DLQ)) - before
    hold("dead letters before the breaker opened", expected=20, seen=dead)
    hold("messages behind the stopped offset", expected=40, seen=await lag(gate))
    await failing.kill()
    await gate.start_all(["dataset"])

    async def the_rest_arrived() -> bool:
        return await effects(gate, ids) == 40

    await _crossing(gate, "the rest was handled after the repair", the_rest_arrived, 60)
    seen("20 dead letters, then the offset stopped and readiness was red; the other 40 handled after the repair")


async def _is_red(url: str) -> bool:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{url}/readyz")
    return answer.status_code == 503 and "dead-lettering is stopped" in answer.text


async def lag(gate: Gate) -> int:
    """Messages of the topic that dataset has not committed."""
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=gate.stack.kafka_bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=gate.stack.kafka_bootstrap)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        committed = await admin.list_consumer_group_offsets(f"dataset.{TOPIC}")
        return sum(max(0, end - committed[part].offset) for part, end in ends.items() if part in committed)
    finally:
        await admin.close()
        await consumer.stop()


@pytest.mark.gate(12, "one transaction")
async def test_a_replay_of_the_dead_letters_restores_the_state(gate: Gate, without: Without, seen: Seen) -> None:
    gate.environment["RETRY_ATTEMPTS"] = "1"
    before = len(await gate.bus.records(DLQ))
    (failing,) = await gate.start_all(["dataset"], without=without, fail=TOPIC)
    ids = await good(gate, 10)
    await _letters(gate, before + 10)
    await failing.kill()
    _, console = await gate.start_all(["dataset", "console"], without=without)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx.AsyncClient(base_url=console.url, headers=headers) as http:
        wanted = {str(identity) for identity in ids}

        async def letters() -> list[Any]:
            found = (await http.get("/api/dlq", params={"consumer": "dataset"})).json()["dead_letters"]
            mine = [letter for letter in found if letter["event_id"] in wanted]
            return mine if len(mine) == 10 else []

        for letter in await gate.until(letters, 60):
            assert (await http.post(f"/api/dlq/{letter['id']}/replay")).status_code == 202

    async def restored() -> bool:
        return await effects(gate, ids) == 10

    await _crossing(gate, "all replayed letters took effect", restored, 45)
    seen("10 dead letters replayed by the console, 10 effects")
