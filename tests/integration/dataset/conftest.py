"""A workflow of its own on real PostgreSQL and S3: samples in, builds worked on by hand, events as they were said."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from json import loads
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common import jobs as job_queue
from libs.common import objects
from libs.common.configuration import Configuration, put_workflow
from libs.common.events import Annotation, DatasetBuilt, SampleApproved, SampleRejected, WorkflowChanged
from libs.common.jobs import Jobs
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.postgres import Pool, open_pool
from libs.common.runner import JobRunner
from libs.common.testing import NOON, envelope_for, media
from services.dataset.domain.orders import KIND, BuildOrder
from services.dataset.runner.builds import Builder
from services.dataset.store.samples import SampleStore
from services.dataset.store.versions import VersionStore

LEASE = timedelta(seconds=1)


@dataclass
class Plant:
    """A workflow of its own with a builder, and what it said."""

    pool: Pool
    store: objects.S3Objects
    workflow: str = field(default_factory=lambda: f"hairnet-{uuid4().hex[:8]}")
    revision: int = 0
    classes: tuple[str, ...] = ("worn", "missing")

    @property
    def samples(self) -> SampleStore:
        return SampleStore(self.pool)

    @property
    def versions(self) -> VersionStore:
        return VersionStore(self.pool)

    def runner(self, owner: str = "worker-1", store: Any = None) -> JobRunner:
        jobs = Jobs(self.pool, owner, LEASE)
        configuration = Configuration(self.pool)
        builder = Builder(self.samples, self.versions, store or self.store, configuration, jobs, self.store.bucket)
        return JobRunner(jobs, KIND, builder.build, builder.fail, poll_seconds=0.05, retry_seconds=0.05)

    async def configure(self, **dataset: Any) -> None:
        self.revision += 1
        title = {"en": "x", "zh": "x"}
        definition = {
            "name": self.workflow,
            "title": title,
            "task": "detection",
            "classes": [{"id": i, "name": name, "title": title} for i, name in enumerate(self.classes)],
            "dataset": {"minimum_samples": 6, "minimum_per_class": 1} | dataset,
        }
        event = WorkflowChanged(
            workflow=self.workflow, revision=self.revision, definition=definition, changed_by="test"
        )
        async with self.pool.acquire() as connection:
            await put_workflow(connection, event)

    async def approve(self, number: int, *, revision: int = 1, label: str | None = None, **changes: Any) -> UUID:
        values: dict[str, Any] = {
            "sample_id": UUID(int=number),
            "workflow": self.workflow,
            "media": media(str(number).encode(), key=f"snapshots/{number}.jpg"),
            "camera_id": f"line-{number % 3}",
            "captured_at": NOON + timedelta(minutes=number),
            "annotations": (Annotation(label=label or self.classes[number % 2], box=(1, 2, 30, 40.5)),),
            "annotation_revision": revision,
            "approved_by": "rule:annotated",
            "leakage_group": f"line-{number % 3}/{number // 6}",
        }
        event = SampleApproved(**(values | changes))
        envelope = envelope_for(event, time=NOON + timedelta(minutes=revision))
        async with self.samples.transaction(envelope) as unit:
            await self.samples.add_approval(unit, event, envelope)
        return event.sample_id

    async def reject(self, number: int) -> None:
        event = SampleRejected(sample_id=UUID(int=number), workflow=self.workflow, reason="reviewer")
        envelope = envelope_for(event, time=NOON + timedelta(hours=1))
        async with self.samples.transaction(envelope) as unit:
            await self.samples.add_rejection(unit, event, envelope)

    async def order(self, *, requested_by: str | None = "user:li") -> UUID:
        order = BuildOrder(uuid4(), self.workflow, "because", uuid4(), "correlation", requested_by)
        async with self.pool.acquire() as connection:
            await job_queue.enqueue(
                connection,
                job_id=order.build_id,
                kind=KIND,
                spec=order.spec(),
                dedupe_key=str(order.build_id),
                reason="test",
            )
        return order.build_id

    async def build(self, **changes: Any) -> UUID:
        build_id = await self.order(**changes)
        assert await self.runner().run_one()
        return build_id

    async def said(self, topic: str = "dataset.built") -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select value, headers from outbox where topic = $1 order by seq", topic)
        return [loads(row["value"]) | {"headers": row["headers"]} for row in rows]

    async def built(self) -> list[DatasetBuilt]:
        return [DatasetBuilt.model_validate(event) for event in await self.said()]

    async def lines(self, event: DatasetBuilt) -> list[ManifestLine]:
        return list(read_manifest(await self.store.get(event.manifest.uri, expected_sha256=event.manifest.sha256)))

    async def job_state(self, job_id: UUID) -> tuple[str, str]:
        row = await self.pool.fetchrow("select state, reason from job where id = $1", job_id)
        return row["state"], row["reason"]


@pytest.fixture
async def plant(database, settings) -> AsyncIterator[Plant]:
    await database.migrate("dataset")
    pool = await open_pool(database.dsn, "dataset")
    store = objects.connect(settings)
    await store.ensure_bucket()
    plant = Plant(pool, store)
    await plant.configure()
    yield plant
    await pool.close()
