"""Crash gates 4 and 6: Kafka and PostgreSQL are away for 60 s in the middle of the work, and absent at start."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from libs.common.events import Event
from libs.common.objects import connect
from libs.common.settings import CommonSettings
from libs.common.testing import snapshot
from libs.local.stack import PartName
from tests.conftest import ADMIN_TOKEN
from tests.support.gates import Gate, hairnet, picture, post_snapshot
from tests.support.proving import hold
from tests.support.replica import Replica

pytestmark = [pytest.mark.connected, pytest.mark.timeout(400)]
OUTAGE_SECONDS = 60.0
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
Seen = Callable[[str], None]
Without = tuple[str, ...]


async def until_known(gate: Gate, *services: str) -> None:
    """The workflow has reached these services."""
    await gate.say(hairnet())
    for service in services:
        await gate.until(lambda service=service: gate.value(f"select 1 from {service}.workflow"))


async def send(http: httpx.AsyncClient, numbers: range) -> list[int]:
    """Pictures to ingest; the status of each answer."""
    return [(await post_snapshot(http, f"snap-{number}", number)).status_code for number in numbers]


async def announced(settings: CommonSettings, number: int) -> Event:
    """What a camera says that writes to the store itself."""
    image = await connect(settings).put(f"snapshots/direct/{number:08}.jpg", picture(number), "image/jpeg")
    return snapshot(snapshot_id=f"snap-{number}", camera_id="line-9", image=image)


async def fates(gate: Gate) -> int:
    """Snapshots the cleaner has decided about."""
    return await gate.value("select count(distinct snapshot_id) from cleaner.sample")


async def all_decided(gate: Gate, count: int) -> int:
    """How many snapshots were decided about, once it is all of them or time is up."""
    deadline = time.monotonic() + 90
    while (decided := await fates(gate)) < count and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return decided


async def starts_later(gate: Gate, name: str, part: PartName, since: float) -> Replica:
    """Start a service while a part is away, again and again as a supervisor does; the part returns at its time."""
    replica = await gate.start(name)
    while time.monotonic() < since + OUTAGE_SECONDS:
        assert not await replica.is_ready(), f"{name} says it is ready without {part}"
        if not replica.is_running:
            replica = await gate.start(name)
        await asyncio.sleep(1)
    await gate.stack.start(part)
    while not await replica.is_ready():
        if not replica.is_running:
            replica = await gate.start(name)
        await asyncio.sleep(0.5)
    return replica


async def is_red(replica: Replica, why: str) -> bool:
    """Readiness says no, and why."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{replica.url}/readyz")
    return answer.status_code == 503 and why in answer.text


async def dead_letters(gate: Gate, consumer: str) -> int:
    """Dead letters of a consumer that the relay has sent or will send."""
    records = await gate.bus.records(f"snapshot.captured.dlq.{consumer}")
    return len(records) + await gate.value(f"select count(*) from {consumer}.outbox where topic like '%.dlq.%'")


@pytest.mark.gate(4, "relay's acks")
async def test_nothing_is_lost_while_kafka_is_away(gate: Gate, without: Without, seen: Seen) -> None:
    """Ingest takes snapshots meanwhile, is killed, and finds no broker when it starts again."""
    ingest, cleaner = await gate.start_all(["ingest", "cleaner"], without=without)
    await until_known(gate, "ingest", "cleaner")
    async with httpx.AsyncClient(base_url=ingest.url, headers=HEADERS, timeout=30) as http:
        answers = await send(http, range(10))
        hold("snapshots decided about before", expected=10, seen=await all_decided(gate, 10))
        await gate.stack.stop("kafka")
        since = time.monotonic()
        answers += await send(http, range(10, 20))
    await gate.until(lambda: is_red(cleaner, "kafka: "), 30)
    await asyncio.sleep(5)
    await ingest.kill()
    ingest = await starts_later(gate, "ingest", "kafka", since)
    async with httpx.AsyncClient(base_url=ingest.url, headers=HEADERS, timeout=30) as http:
        answers += await send(http, range(20, 30))
    assert answers == [202] * 30, "ingest takes snapshots while Kafka is away: its outbox keeps them"
    hold("snapshots decided about", expected=30, seen=await all_decided(gate, 30))
    hold("dead letters", expected=0, seen=await dead_letters(gate, "cleaner"))
    assert cleaner.is_running, "it outlived the broker"
    seen("60 s without Kafka, ingest killed and started again meanwhile: 30 of 30 snapshots decided, 0 dead letters")


@pytest.mark.gate(6, "hold")
async def test_nothing_is_lost_or_dead_while_postgresql_is_away(
    gate: Gate, settings: CommonSettings, without: Without, seen: Seen
) -> None:
    ingest, cleaner = await gate.start_all(["ingest", "cleaner"], without=without)
    await until_known(gate, "ingest", "cleaner")
    async with httpx.AsyncClient(base_url=ingest.url, headers=HEADERS, timeout=30) as http:
        answers = await send(http, range(10))
        hold("snapshots decided about before", expected=10, seen=await all_decided(gate, 10))
        await gate.stack.stop("postgres")
        since = time.monotonic()
        refused = await send(http, range(10, 13))
        assert await is_red(cleaner, "postgresql: ")
        for number in range(20, 30):
            await gate.say(await announced(settings, number))
        await starts_later(gate, "registry", "postgres", since)
        await ingest.ready()
        answers += await send(http, range(10, 20))
    assert answers == [202] * 20
    assert refused == [503] * 3, "while PostgreSQL is away, ingest says: later"
    hold("snapshots decided about", expected=30, seen=await all_decided(gate, 30))
    hold("dead letters", expected=0, seen=await dead_letters(gate, "cleaner"))
    assert (ingest.is_running, cleaner.is_running) == (True, True), "they outlived the database"
    seen("60 s without PostgreSQL: 30 of 30 snapshots decided, 10 of them announced meanwhile; 0 dead letters")
