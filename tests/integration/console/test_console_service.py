"""The console as a process on the real bus: heard, shown, streamed, dead letters collected, rebuilt from the topics."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from json import loads
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from libs.common.configuration import token_digest
from libs.common.events import Event, TokenChanged
from libs.common.postgres import Pool, open_pool
from libs.common.testing import NOON
from tests.integration.console.conftest import ADMIN, dump_tables
from tests.support.service_process import Bus, bus_on, eventually, running
from tests.unit.console.console_events import Round

pytestmark = pytest.mark.connected
WORKFLOWS = Path(__file__).resolve().parents[3] / "deploy" / "workflows"


class World:
    """A running console with its database, and the bus it hears."""

    def __init__(self, bus: Bus, http: httpx.AsyncClient, pool: Pool, dsn: str) -> None:
        self.bus, self.http, self.pool, self.dsn = bus, http, pool, dsn

    async def tell(self, told: Round) -> list[tuple[Event, UUID]]:
        return [(event, await self.bus.say(event)) for event in told.events()]

    async def get(self, path: str, **query: object) -> Any:
        answer = await self.http.get(path, params={name: str(value) for name, value in query.items()})
        return answer.json() if answer.status_code == 200 else None


@pytest.fixture
async def world(environment: dict[str, str], database, stack, tmp_path: Path) -> AsyncIterator[World]:
    await database.migrate("console")
    shutil.copy(WORKFLOWS / "hairnet.yaml", tmp_path)
    async with serving(environment | {"WORKFLOWS_FOLDER": str(tmp_path)}, stack) as world:
        yield world


@asynccontextmanager
async def serving(environment: dict[str, str], stack, **settings: str) -> AsyncIterator[World]:
    pool = await open_pool(environment["DATABASE_URL"], "console")
    try:
        async with (
            bus_on(stack.kafka_bootstrap) as bus,
            running("console", environment, CONSOLE_WORKFLOW_POLL_SECONDS="0.3", **settings) as url,
            httpx.AsyncClient(base_url=url, headers=ADMIN, timeout=30) as http,
        ):
            yield World(bus, http, pool, environment["DATABASE_URL"])
    finally:
        await pool.close()


async def test_a_round_is_heard_shown_streamed_and_rebuilt(world: World) -> None:
    told = Round(workflow=f"w{uuid4().hex[:8]}")
    said = await world.tell(told)
    await eventually(lambda: world.get(f"/api/why/{told.workflow}@1"))
    await eventually(lambda: heard(world, said))
    run = await world.get(f"/api/runs/{told.run_id}")
    assert (run["state"], run["workflow"]) == ("trained", told.workflow)

    for event, event_id in said:  # redelivered, in another order
        await world.bus.say(event, event_id=event_id)
    await world.bus.say(told.queued(3), event_id=(marker := uuid4()))
    await eventually(lambda: world.get("/api/events", key=told.samples[3], limit=500))
    await eventually(lambda: heard(world, [(told.queued(3), marker)]))
    live = await dump_tables(world.pool)

    await stream_resumes(world, told.workflow)
    await rebuild_equals(world, live)


async def heard(world: World, said: list[tuple[Event, UUID]]) -> bool:
    known = await world.pool.fetch("select event_id from event")
    return {event_id for _, event_id in said} <= {row["event_id"] for row in known}


async def stream_resumes(world: World, workflow: str) -> None:
    """What one reader got in two connections is what is in the log: nothing missed, nothing twice."""
    events = (await world.get("/api/events", workflow=workflow, limit=500))["events"]
    expected = [event["position"] for event in events]
    first = await read_stream(world, 4, workflow=workflow, after="0")
    rest = await read_stream(
        world, len(expected) - 4, workflow=workflow, headers={"Last-Event-ID": str(first[-1]["position"])}
    )
    assert [event["position"] for event in first + rest] == expected
    only = await read_stream(world, 1, workflow=workflow, after="0", topic="model.registered")
    assert only[0]["topic"] == "model.registered"


async def read_stream(world: World, number: int, *, headers: dict[str, str] | None = None, **query: str) -> list[dict]:
    found: list[dict] = []
    async with asyncio.timeout(60), world.http.stream("GET", "/api/stream", params=query, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                found.append(loads(line[5:]))
            if len(found) == number:
                return found
    raise AssertionError(f"the stream ended after {len(found)} events")


async def rebuild_equals(world: World, live: dict[str, list[str]]) -> None:
    """Half of the log and all of a table are lost; the topics still have everything."""
    await world.pool.execute("delete from event where seq % 2 = 0")
    await world.pool.execute("delete from sample")
    await world.pool.execute("update training_run set state = 'running'")
    job_id = (await world.http.post("/api/rebuild")).json()["job_id"]

    async def done() -> bool:
        return (await world.get(f"/api/rebuild/{job_id}"))["state"] == "succeeded"

    await eventually(done)
    assert await dump_tables(world.pool) == live


async def test_a_token_heard_on_the_bus_opens_the_door_and_its_revocation_shuts_it(world: World) -> None:
    secret, token_id = "s" * 40, uuid4()
    values = {
        "token_id": token_id,
        "sha256": token_digest(secret),
        "scopes": ("read",),
        "label": "desk",
        "issued_at": NOON,
    }

    async def answers(status: int) -> bool:
        header = {"Authorization": f"Bearer {secret}"}
        return (await world.http.get("/api/runs", headers=header)).status_code == status

    assert await answers(401)
    await world.bus.say(TokenChanged(**values))
    await eventually(lambda: answers(200))
    await world.bus.say(TokenChanged(**values, revoked_at=NOON))
    await eventually(lambda: answers(401))
    shown = (await world.get("/api/events", topic="token.changed", key=token_id))["events"]
    assert [event["body"].get("sha256") for event in shown] == [None, None]


async def test_a_workflow_file_is_announced_and_known(world: World) -> None:
    async def known() -> bool:
        found = (await world.get("/api/workflows"))["workflows"]
        return any(entry["name"] == "hairnet" and entry["changed_by"] == "file:hairnet.yaml" for entry in found)

    await eventually(known)
    said = await world.bus.said("workflow.changed", lambda body: body["changed_by"] == "file:hairnet.yaml")
    assert said[-1]["definition"]["name"] == "hairnet"


async def test_dead_letters_of_consumers_that_come_later_are_collected_and_go_back(world: World, stack) -> None:
    consumer = f"c{uuid4().hex[:8]}"
    topics = [f"sample.approved.{kind}.{consumer}" for kind in ("dlq", "retry")]
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1) for topic in topics])
    await admin.close()
    event_id = uuid4()
    headers = {"ce_id": str(event_id).encode(), "ce_source": b"/camera/line-9", "x-attempt": b"1", "x-error": b"Boom"}
    await world.bus.raw(topics[0], b"\xff\x00junk", **headers)
    await world.bus.raw(topics[0], None, ce_id=str(uuid4()).encode(), **{"x-error": b"null"})

    async def collected() -> list[dict]:
        letters = (await world.get("/api/dlq", consumer=consumer))["dead_letters"]
        return letters if len(letters) == 2 else []

    letters = {letter["error"]: letter for letter in await eventually(collected)}
    assert (letters["Boom"]["value_base64"], letters["null"]["value_base64"]) == ("/wBqdW5r", None)
    await world.http.post(f"/api/dlq/{letters['Boom']['id']}/replay")
    (record,) = await eventually(lambda: world.bus.records(topics[1]))
    sent = dict(record.headers)
    assert (record.value, sent["ce_id"], sent["ce_source"], sent["x-replay"]) == (
        b"\xff\x00junk", str(event_id).encode(), b"/camera/line-9", b"1",
    )  # fmt: skip
    assert "x-attempt" not in sent


async def test_a_replay_takes_effect_once_the_cause_is_gone(world: World) -> None:
    """The console's own failure, to see the whole way: parked, collected, replayed, handled."""
    told = Round()
    await as_owner(world, "alter table console.sample add constraint broken check (false) not valid")
    event_id = await world.bus.say(told.approved(0), **{"x-attempt": "4"})  # its last try
    letters: list[dict] = []

    async def parked() -> bool:
        letters[:] = (await world.get("/api/dlq", consumer="console", state="open"))["dead_letters"]
        letters[:] = [letter for letter in letters if letter["event_id"] == str(event_id)]
        return bool(letters)

    await eventually(parked)
    assert await world.get(f"/api/samples/{told.samples[0]}") is None
    await as_owner(world, "alter table console.sample drop constraint broken")
    await world.http.post(f"/api/dlq/{letters[0]['id']}/replay")
    sample = await eventually(lambda: world.get(f"/api/samples/{told.samples[0]}"))
    assert sample["verdict"] == "approved"


async def as_owner(world: World, statement: str) -> None:
    owner = await asyncpg.connect(world.dsn)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()


async def test_the_service_stops_at_once_though_somebody_reads_the_stream(
    environment: dict[str, str], database, stack, tmp_path: Path
) -> None:
    await database.migrate("console")
    async with serving(environment | {"WORKFLOWS_FOLDER": str(tmp_path)}, stack) as world:
        request = world.http.build_request("GET", "/api/stream")
        answer = await world.http.send(request, stream=True)
        assert answer.status_code == 200
        started = time.monotonic()
    assert time.monotonic() - started < 9  # the server would have waited ten seconds for it
