"""The object store fails in every way it can, under ingest and cleaner: nothing is lost or dead, and it is said."""

from collections.abc import AsyncIterator

import httpx
import pytest

from libs.common.objects import connect
from libs.common.settings import CommonSettings
from libs.common.testing import snapshot
from tests.conftest import ADMIN_TOKEN
from tests.support.faulty_s3 import FaultyStore, faulty_store
from tests.support.gates import Gate, hairnet, picture, post_snapshot
from tests.support.replica import Replica

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
async def store(gate: Gate) -> AsyncIterator[FaultyStore]:
    """The store, which the gate's services know by the proxy only."""
    async with faulty_store(gate.stack.s3_endpoint) as faulty:
        gate.environment["S3_ENDPOINT"] = faulty.endpoint
        yield faulty


async def decided(gate: Gate, count: int) -> bool:
    return await gate.value("select count(distinct snapshot_id) from cleaner.sample") >= count


async def says(replica: Replica, path: str, text: str) -> bool:
    """Readiness or metrics hold this text."""
    async with httpx.AsyncClient() as http:
        return text in (await http.get(replica.url + path)).text


async def dead(gate: Gate) -> int:
    return len(await gate.bus.records("snapshot.captured.dlq.cleaner"))


async def test_a_store_that_fails_slows_down_fills_up_and_goes_away_loses_nothing(
    gate: Gate, store: FaultyStore, settings: CommonSettings
) -> None:
    ingest, cleaner = await gate.start_all(["ingest", "cleaner"])
    await gate.say(hairnet())
    for service in ("ingest", "cleaner"):
        await gate.until(lambda service=service: gate.value(f"select 1 from {service}.workflow"))
    async with httpx.AsyncClient(base_url=ingest.url, headers=HEADERS, timeout=60) as http:
        store.fail_once = 1  # ingest's put
        failed = await post_snapshot(http, "once", 0)
        assert (failed.status_code, "InternalError" in failed.text) == (503, True), failed.text
        assert (await post_snapshot(http, "once", 0)).status_code == 202
        await gate.until(lambda: decided(gate, 1))

        store.mode = "slow"
        assert (await post_snapshot(http, "slow", 1)).status_code == 202
        await gate.until(lambda: decided(gate, 2))

        store.mode = "full"
        full = await post_snapshot(http, "full", 2)
        assert (full.status_code, "XMinioStorageFull" in full.text) == (503, True), full.text
        store.mode = "up"
        assert (await post_snapshot(http, "full", 2)).status_code == 202
        await gate.until(lambda: decided(gate, 3))

        image = await connect(settings).put("snapshots/direct/00000009.jpg", picture(9), "image/jpeg")
        store.fail_once = 1  # the cleaner's get
        await gate.say(snapshot(snapshot_id="direct-1", image=image))
        await gate.until(lambda: decided(gate, 4))
        assert store.fail_once == 0
    await _goes_away(gate, store, settings, cleaner)
    assert await dead(gate) == 0
    assert (ingest.is_running, cleaner.is_running) == (True, True)


async def _goes_away(gate: Gate, store: FaultyStore, settings: CommonSettings, cleaner: Replica) -> None:
    """Many snapshots are announced while it is down: they wait in Kafka, and no retry is used up."""
    events = [
        snapshot(
            snapshot_id=f"down-{number}",
            image=await connect(settings).put(f"snapshots/direct/1{number:07}.jpg", picture(20 + number), "image/jpeg"),
        )
        for number in range(30)
    ]
    retries = len(await gate.bus.records("snapshot.captured.retry.cleaner"))
    store.mode = "down"
    for event in events:
        await gate.say(event)
    await gate.until(lambda: says(cleaner, "/readyz", '"ready":false'))
    await gate.until(lambda: says(cleaner, "/readyz", "s3: "))
    await gate.until(lambda: says(cleaner, "/metrics", 'camloop_part_up{part="s3",service="cleaner"} 0.0'))
    await gate.until(lambda: _logged(cleaner, '"event": "part_down"'))
    await gate.until(lambda: _logged(cleaner, '"event": "message_held"'))
    assert not await decided(gate, 5)
    store.mode = "up"
    await gate.until(lambda: decided(gate, 34), 90)
    await cleaner.ready()
    assert await says(cleaner, "/metrics", 'camloop_part_up{part="s3",service="cleaner"} 1.0')
    assert await _logged(cleaner, '"event": "part_up"')
    # What failed in the very moment the store came back may be retried: at most one for each of the 12 partitions.
    retried = len(await gate.bus.records("snapshot.captured.retry.cleaner")) - retries
    assert retried <= 12 < len(events), "held, not retried"


async def _logged(replica: Replica, text: str) -> bool:
    return text in replica.output.read_text()
