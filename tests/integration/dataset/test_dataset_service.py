"""The dataset service as it runs: approvals from Kafka in, `dataset.built` out, with two replicas and one of them killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.common import kafka, outbox
from libs.common.envelope import stable_id
from libs.common.events import (
    Annotation,
    DatasetBuildFailed,
    DatasetBuildRequested,
    DatasetBuilt,
    Event,
    SampleApproved,
    SampleRejected,
    WorkflowChanged,
    to_json,
)
from libs.common.testing import NOON, media
from tests.support.replica import Replica

pytestmark = pytest.mark.connected
WAIT_SECONDS = 120.0


@asynccontextmanager
async def replica(environment: dict[str, str], folder: Path) -> AsyncIterator[Replica]:
    """A process of the service, ready; ended in good order unless it was killed."""
    started = await Replica.start_watched("dataset", environment | {"JOB_LEASE_SECONDS": "5"}, folder)
    try:
        yield await started.ready(WAIT_SECONDS)
    finally:
        await started.stop(40)
        assert started.process.returncode in (0, -9), started.output.read_text()[-3000:]


@dataclass
class Bus:
    """Says events as another service would, and hears what the dataset service says of one workflow."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    workflow: str = field(default_factory=lambda: f"hairnet-{uuid4().hex[:8]}")
    heard: list[tuple[float, Event]] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)

    async def say(self, events: Iterable[Event]) -> None:
        """The same event said twice carries the same id, as a redelivery does."""
        for event in events:
            identity = stable_id(event.topic, to_json(event))
            headers = outbox.envelope_headers(event, event_id=identity, cause=None) | {"ce_source": "/service/cleaner"}
            await self.producer.send(
                event.topic, to_json(event), event.key.encode(), headers=[(k, v.encode()) for k, v in headers.items()]
            )
        await self.producer.flush()

    async def hear(self, count: int, *, seconds: float = WAIT_SECONDS) -> list[Event]:
        """What was said of the workflow since the last call, once there are `count` events or time is up."""
        deadline = time.monotonic() + seconds
        while len(self.heard) < count and time.monotonic() < deadline:
            for records in (await self.consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    kind = DatasetBuilt if record.topic == DatasetBuilt.topic else DatasetBuildFailed
                    event = kind.model_validate_json(record.value)
                    if event.workflow == self.workflow:
                        self.heard.append((time.monotonic(), event))
                        self.causes.append(dict(record.headers)["causationid"].decode())
        events = [event for _, event in self.heard]
        self.heard = []
        return events


@pytest.fixture
async def bus(settings) -> AsyncIterator[Bus]:
    await kafka.provision(settings, kafka.event_topics())
    producer = kafka.make_producer(settings)
    consumer = AIOKafkaConsumer(
        DatasetBuilt.topic, DatasetBuildFailed.topic, bootstrap_servers=settings.kafka_bootstrap_servers
    )
    await producer.start()
    await consumer.start()
    yield Bus(producer, consumer)
    await consumer.stop()
    await producer.stop()


def configured(workflow: str, **dataset: Any) -> WorkflowChanged:
    title = {"en": "x", "zh": "x"}
    policy = {"build_after_samples": 30, "debounce_seconds": 0.5, "minimum_samples": 20} | dataset
    definition = {
        "name": workflow,
        "title": title,
        "task": "detection",
        "classes": [{"id": i, "name": name, "title": title} for i, name in enumerate(("worn", "missing"))],
        "dataset": policy,
    }
    return WorkflowChanged(workflow=workflow, revision=1, definition=definition, changed_by="test")


def approvals(workflow: str, numbers: Iterable[int]) -> list[SampleApproved]:
    return [
        SampleApproved(
            sample_id=stable_id(workflow, number),
            workflow=workflow,
            media=media(str(number).encode(), key=f"snapshots/{workflow}/{number}.jpg"),
            camera_id=f"line-{number % 3}",
            captured_at=NOON + timedelta(minutes=number),
            annotations=(Annotation(label=("worn", "missing")[number % 2], box=(1, 2, 30, 40)),),
            annotation_revision=1,
            approved_by="rule:annotated",
            leakage_group=f"line-{number % 3}/{number // 9}",
        )
        for number in numbers
    ]


def requested(workflow: str) -> DatasetBuildRequested:
    return DatasetBuildRequested(
        request_id=uuid4(), workflow=workflow, requested_by="user:li", reason="before the audit"
    )


async def test_two_replicas_build_one_version_and_one_of_them_goes_on_alone(
    database, environment, bus: Bus, tmp_path: Path
) -> None:
    await database.migrate("dataset")
    name = bus.workflow
    async with (
        replica(environment, tmp_path) as first,
        replica(environment, tmp_path) as other,
    ):
        await bus.say([configured(name)])
        await bus.say(approvals(name, range(60)))
        said_at = time.monotonic()
        [built] = await bus.hear(1)
        assert time.monotonic() - said_at < 10  # 2 s and the debounce on an idle machine; this one runs other tests
        assert isinstance(built, DatasetBuilt)
        assert (built.version, sum(built.counts.values()), built.added) == (1, 60, 60)
        assert all(built.counts.values())
        approved_ids = {str(stable_id(event.topic, to_json(event))) for event in approvals(name, range(60))}
        assert set(bus.causes) <= approved_ids

        await bus.say(approvals(name, range(60)))
        assert await bus.hear(1, seconds=3) == []

        await bus.say([requested(name)])
        [again] = await bus.hear(1)
        assert isinstance(again, DatasetBuilt)
        assert (again.reused, again.dataset_version_id, again.requested_by) == (
            True,
            built.dataset_version_id,
            "user:li",
        )
        await check_http(first.url, environment, built)

        await first.kill()
        rejection = SampleRejected(sample_id=stable_id(name, 5), workflow=name, reason="reviewer")
        await bus.say([*approvals(name, range(60, 100)), rejection])
        await samples_live(database.dsn, 99)
        assert other.is_running
        final = await ask_for_version(bus)
        assert sum(final.counts.values()) == 99
        assert final.version >= 2


async def samples_live(dsn: str, count: int) -> None:
    """Return once every approval and rejection was handled; those of a killed replica after its session times out."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while await connection.fetchval("select count(*) from dataset.sample where live") != count:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def ask_for_version(bus: Bus) -> DatasetBuilt:
    """The version that answers a request; the policy may have built others before."""
    await bus.say([requested(bus.workflow)])
    for _ in range(5):
        for event in await bus.hear(1):
            if isinstance(event, DatasetBuilt) and event.requested_by is not None:
                return event
    raise AssertionError("a requested build was never answered")


async def check_http(url: str, environment: dict[str, str], built: DatasetBuilt) -> None:
    token = {"Authorization": f"Bearer {environment['CAMLOOP_ADMIN_TOKEN']}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1") as client:
        assert (await client.get("/dataset-versions")).status_code == 401
        [version] = (await client.get("/dataset-versions", params={"workflow": built.workflow}, headers=token)).json()
        assert version["counts"] == built.counts
        path = f"/dataset-versions/{built.dataset_version_id}"
        assert (await client.get(path, headers=token)).json() == version
        changes = (await client.get(f"{path}/changes", headers=token, params={"limit": 100})).json()
        assert {change["sample_id"] for change in changes} == {str(stable_id(built.workflow, i)) for i in range(60)}
        assert (await client.get(f"{path}/left-out", headers=token)).json() == []
        assert (await client.get(f"/dataset-versions/{uuid4()}", headers=token)).status_code == 404
        outlooks = (await client.get("/outlooks", headers=token)).json()
        assert [o["reason"] for o in outlooks if o["workflow"] == built.workflow] == ["version 1 is up to date"]


async def test_a_request_with_too_little_fails_and_says_what_to_do(
    database, environment, bus: Bus, tmp_path: Path
) -> None:
    await database.migrate("dataset")
    async with replica(environment, tmp_path):
        request = requested(bus.workflow)
        await bus.say([configured(bus.workflow), *approvals(bus.workflow, range(4))])
        await bus.say([request, request])
        events = await bus.hear(2, seconds=15)
        assert [type(event) for event in events] == [DatasetBuildFailed]
        assert isinstance(events[0], DatasetBuildFailed)
        assert events[0].build_id == request.request_id
        assert "at least 20 are needed: approve" in events[0].reason
