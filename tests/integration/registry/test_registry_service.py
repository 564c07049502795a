"""The registry as a process on the real bus: a judged model in, a registered and promoted version out, once."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from libs.common.events import PromotionRequested, RollbackRequested, WorkflowChanged
from libs.common.objects import connect
from libs.common.settings import CommonSettings
from tests.support.service_process import Bus, bus_on, eventually, running
from tests.unit.registry.registry_events import Run, workflow_definition

pytestmark = pytest.mark.connected
ADMIN = {"Authorization": "Bearer test-admin-token-0123456789"}


async def test_from_evaluated_to_promoted_to_what_a_camera_runs(
    environment: dict[str, str], settings: CommonSettings, database, stack
) -> None:
    await database.migrate("registry")
    name = f"w{uuid4().hex[:12]}"
    objects = connect(settings)
    await objects.ensure_bucket()
    async with bus_on(stack.kafka_bootstrap) as bus, running("registry", environment) as url:
        definition = workflow_definition(name, "automatic")
        await bus.say(WorkflowChanged(workflow=name, revision=1, definition=definition, changed_by="test"))
        one, two = Run(objects, name), Run(objects, name)
        first = await one.evaluated()
        event_id = await bus.say(first)
        await bus.say(first, event_id=event_id)
        await eventually(lambda: registered(bus, name))
        await bus.say(await two.evaluated())
        async with httpx.AsyncClient(base_url=url, headers=ADMIN) as http:
            await eventually(lambda: runs_version(http, name, 2))
            await bus.say(RollbackRequested(request_id=uuid4(), model=name, by="li", reason="misses"))
            await eventually(lambda: runs_version(http, name, 1))
            refused = PromotionRequested(request_id=uuid4(), model=name, version=9, by="li", reason="?")
            await bus.say(refused)
            rejected = await eventually(lambda: bus.said("promotion.rejected", lambda body: body["model"] == name))
        await bus.say(first, event_id=event_id)
        await asyncio.sleep(1)
        assert [body["version"] for body in await registered(bus, name)] == [1, 2]
        promoted = await bus.said("model.promoted", lambda body: body["model"] == name)
        back = await bus.said("model.rolled_back", lambda body: body["model"] == name)
    assert [(p["version"], p["by"]) for p in promoted] == [(1, "rule:gate"), (2, "rule:gate")]
    assert [(b["from_version"], b["to_version"]) for b in back] == [(2, 1)]
    assert "no registered version 9" in rejected[0]["reasons"][0]


async def registered(bus: Bus, model: str) -> list[dict]:
    return await bus.said("model.registered", lambda body: body["model"] == model)


async def runs_version(http: httpx.AsyncClient, workflow: str, version: int) -> bool:
    answer = await http.get(f"/v1/resolve?workflow={workflow}&camera=line-1")
    return answer.status_code == 200 and answer.json()["version"] == version
