"""The four services with HTTP routes on one stack, with something of everything to be found there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from json import loads
from pathlib import Path
from shutil import copy
from typing import Any
from uuid import UUID

import httpx
import yaml

from libs.common.envelope import uuid7
from libs.common.events import SampleApproved, TrainingQueued, event_class
from libs.common.objects import connect
from libs.common.settings import CommonSettings
from tests.support.replica import REPOSITORY, Replica
from tests.support.service_process import Bus, bus_on, eventually
from tests.unit.registry.registry_events import Run

SERVICES = ("console", "dataset", "ingest", "registry")
SAMPLES = REPOSITORY / "tests" / "contracts" / "samples"
# Configuration comes from the workflow file; the judged model needs its files, and gets them from `Run`.
OWN_WAY = {"workflow.changed", "token.changed", "model.evaluated"}
WORKFLOW, PROCEDURE = "hairnet", "handwash"
MODELS: dict[str, list[str | int]] = {"model": [WORKFLOW], "version": [1, 2], "alias": ["champion", "previous"]}
REGISTRY = MODELS | {"name": ["best.onnx", "metadata.json"]}
_ID = "01930000-0000-7000-8000-00000000000"  # as in the samples
DEAD_LETTERS = 24  # enough for some to be replayed and others discarded
# The run of the samples has ended: this one can be cancelled.
WAITING = TrainingQueued(
    training_run_id=UUID(f"{_ID}f"), workflow=WORKFLOW, backend="ultralytics", waits_for="a device", requested_by="li",
    reason="to be found",
)  # fmt: skip
CONSOLE = MODELS | {
    "sample_id": [f"{_ID}1"], "version_id": [f"{_ID}4"], "run_id": [f"{_ID}5", f"{_ID}f"], "workflow": [WORKFLOW], "number": [2],
    "procedure": [PROCEDURE], "zone": ["Asia/Shanghai", "UTC"],
    "subject": [f"{WORKFLOW}@1", f"{_ID}1", f"{_ID}4", f"{_ID}5"],
}  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A running service: where it is, and by parameter what there is to be asked for."""

    url: str
    known: dict[str, list[str | int]]


@asynccontextmanager
async def openapi_services(environment: dict[str, str], folder: Path) -> AsyncIterator[dict[str, Served]]:
    """By name. The stack stands, the database is migrated."""
    settings = CommonSettings(_env_file=None, **environment)
    await connect(settings).ensure_bucket()
    variables = environment | {"WORKFLOWS_FOLDER": str(_workflows(folder)), "RETRY_BASE_SECONDS": "0.1"}
    async with AsyncExitStack() as stack:
        replicas = [await Replica.start(name, variables, folder) for name in SERVICES]
        for replica in replicas:
            stack.push_async_callback(replica.stop)
        await asyncio.gather(*(replica.ready() for replica in replicas))
        urls = {replica.name: replica.url for replica in replicas}
        async with bus_on(settings.kafka_bootstrap_servers) as bus:
            known = await _fill(bus, settings, urls)
        yield {name: Served(url, known[name]) for name, url in urls.items()}
        assert [replica.name for replica in replicas if not replica.is_running] == []


def _workflows(folder: Path) -> Path:
    """A folder with a workflow that builds from few samples, and one of clips."""
    definition = yaml.safe_load((REPOSITORY / "deploy" / "workflows" / f"{WORKFLOW}.yaml").read_text("utf-8"))
    definition["dataset"] |= {
        "build_after_samples": 8,
        "minimum_samples": 8,
        "minimum_per_class": 0,
        "debounce_seconds": 0.1,
    }
    place = folder / "workflows"
    place.mkdir()
    copy(REPOSITORY / "deploy" / "workflows" / f"{PROCEDURE}.yaml", place)
    (place / f"{WORKFLOW}.yaml").write_text(yaml.safe_dump(definition, allow_unicode=True), encoding="utf-8")
    return place


async def _fill(bus: Bus, settings: CommonSettings, urls: dict[str, str]) -> dict[str, dict[str, list[str | int]]]:
    """Two model versions, a dataset version, dead letters, a camera, and every event of the contract in the console."""
    async with httpx.AsyncClient(headers=_admin(settings), timeout=10) as http:

        async def found(url: str) -> Any:
            answer = await http.get(url)
            return (answer.json() or None) if answer.status_code == 200 else None

        async def all_letters() -> list[Any]:
            letters = (await found(f"{urls['console']}/api/dlq"))["dead_letters"]
            return letters if len(letters) >= DEAD_LETTERS else []  # some samples are refused too

        async def workflows() -> list[Any]:
            return (await found(f"{urls['console']}/api/workflows"))["workflows"]

        await eventually(workflows)
        for topic in sorted(path.stem for path in SAMPLES.glob("*.json")):
            if topic not in OWN_WAY:
                await bus.say(event_class(topic).model_validate_json((SAMPLES / f"{topic}.json").read_text("utf-8")))
        for _ in range(2):
            await bus.say(await Run(connect(settings), WORKFLOW).evaluated())
        await _approve(bus)
        await bus.say(WAITING)
        for number in range(DEAD_LETTERS):
            await bus.raw("model.evaluated", f"{{] {number}".encode())
        await eventually(lambda: found(f"{urls['registry']}/v1/models/{WORKFLOW}/versions/2"))
        built = await eventually(lambda: found(f"{urls['dataset']}/v1/dataset-versions"))
        await eventually(lambda: found(f"{urls['console']}/api/runs/{WAITING.training_run_id}"))
        dead = await eventually(all_letters)
        camera = {"camera_id": "line-1"}
        (await http.post(f"{urls['ingest']}/v1/cameras", json=camera)).raise_for_status()
    return {
        "console": CONSOLE | {"letter_id": [letter["id"] for letter in dead]},
        "dataset": {"version_id": [built[0]["dataset_version_id"]]},
        "ingest": {"camera_id": ["line-1"]},
        "registry": REGISTRY,
    }


async def _approve(bus: Bus) -> None:
    body = loads((SAMPLES / "sample.approved.json").read_text("utf-8"))
    for number in range(8):
        media = body["media"] | {"sha256": f"{number:064x}"}
        changes = {"sample_id": uuid7(), "media": media, "leakage_group": f"line-{number}", "near_duplicates": ()}
        await bus.say(SampleApproved.model_validate(body | changes))


def _admin(settings: CommonSettings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.admin_token.get_secret_value()}"}
