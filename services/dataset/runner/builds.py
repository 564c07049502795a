"""Works on build jobs: draft, compare with the newest version, publish, all fenced by the job's lease.

Why a manifest is never overwritten with other bytes: before anything is written under `v<number>/`, the number is bound
to the manifest's sha256 in a committed row, and only if nothing lies there yet. Bytes are deterministic, so an attempt that
follows a dead one takes the same number, or, if samples have changed meanwhile, a new one. A worker that lost its lease can
at most write the same bytes again; its transaction is refused.

Why threads and no child process: 100,000 samples cost 5 s of this process's CPU and 1 s of PostgreSQL's (measured), in steps
that let the event loop run at least once a second even with five processes for each core; a heartbeat is due every 15 s. A
child would add its start, about a second, to every small build.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from libs.common import outbox, telemetry
from libs.common.configuration import Configuration
from libs.common.envelope import Envelope, stable_id, uuid7
from libs.common.events import DatasetBuildFailed, DatasetBuilt, Media
from libs.common.jobs import Jobs, Lease
from libs.common.manifests import CONTENT_TYPE, SPLITS, read_raw_lines
from libs.common.objects import Objects, file_sha256
from libs.common.postgres import Connection
from libs.common.runner import Pulse
from libs.common.workflows import Workflow
from services.dataset.domain.differences import Change, differences
from services.dataset.domain.orders import BuildOrder
from services.dataset.runner.drafts import Draft, TooLittle, draft_version
from services.dataset.store.samples import SampleStore
from services.dataset.store.versions import Outdated, Version, VersionStore

log = structlog.get_logger()
TRIES = 5
OCCUPIED = "occupied by bytes of an older database"


@dataclass(frozen=True)
class Task:
    """One attempt of one build."""

    lease: Lease
    order: BuildOrder
    workflow: Workflow
    parent: Version | None


@dataclass(frozen=True)
class Builder:
    """Builds dataset versions, each in one attempt of a leased job."""

    samples: SampleStore
    versions: VersionStore
    objects: Objects
    configuration: Configuration
    jobs: Jobs
    bucket: str

    async def build(self, lease: Lease, pulse: Pulse) -> None:
        """Do a build job. Raises `TooLittle` when a requested version cannot be built."""
        order = BuildOrder.read(lease.spec)
        workflow = await self.configuration.workflow(order.workflow)
        for _ in range(TRIES):
            task = Task(lease, order, workflow, await self.versions.newest(order.workflow))
            try:
                return await self._build(task, pulse)
            except Outdated as error:
                log.info("build_starts_again", workflow=order.workflow, why=str(error))
        raise Outdated(f"Builds of {order.workflow} keep overtaking one another")

    async def fail(self, connection: Connection, spec: dict[str, Any], attempt: int, reason: str) -> None:
        """Announce a build that failed for good, in the transaction that says so."""
        order = BuildOrder.read(spec)
        event = DatasetBuildFailed(build_id=order.build_id, workflow=order.workflow, reason=reason)
        await self.versions.put_outlook(connection, order.workflow, reason)
        await outbox.add(
            connection, event, cause=cause_of(order), event_id=stable_id(order.build_id, DatasetBuildFailed.topic)
        )
        log.warning("build_failed", workflow=order.workflow, attempts=attempt, reason=reason)

    async def _build(self, task: Task, pulse: Pulse) -> None:
        parent = task.parent
        if parent and _same_task(parent, task.workflow) and not await self.samples.has_pending(parent.workflow):
            return await self._announce_again(task, parent, [])
        with TemporaryDirectory(prefix="camloop-build-") as folder:
            pulse.progress = {"stage": "drafting"}
            try:
                draft = await draft_version(self.samples, task.workflow, Path(folder) / "manifest.jsonl.zst")
            except TooLittle as error:
                return await self._decline(task, error)
            if parent and parent.content_sha256 == draft.content_sha256:
                return await self._announce_again(task, parent, draft.seen)
            pulse.progress = {"stage": "publishing"}
            await self._publish(task, draft)

    async def _publish(self, task: Task, draft: Draft) -> None:
        changes = await self._changes(task.parent, draft)
        number = await self._take_number(task, draft.path)
        manifest = await self.objects.put_file(manifest_key(task.workflow.name, number), draft.path, CONTENT_TYPE)
        version = _version(task, draft, changes, number, manifest)
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self._finish(connection, task, version, reused=False)
            await self.versions.add(connection, version)
            await self.versions.add_places(connection, version.workflow, number, draft.places)
            stored = changes if version.parent is not None else []
            await self.versions.add_details(connection, version.id, stored, draft.left_out)
            await self.samples.forget_pending(connection, draft.seen)
        _measure(version)

    async def _announce_again(self, task: Task, version: Version, seen: list[int]) -> None:
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self._finish(connection, task, version, reused=True)
            await self.samples.forget_pending(connection, seen)
        _measure(version)

    async def _finish(self, connection: Connection, task: Task, version: Version, *, reused: bool) -> None:
        """First the lease: without it nothing of this transaction stands."""
        result = {"dataset_version_id": str(version.id), "version": version.number, "reused": reused}
        await self.jobs.finish(connection, task.lease, result)
        await self.versions.put_outlook(connection, version.workflow, f"version {version.number} is up to date")
        await outbox.add(
            connection,
            announcement(version, task.order, reused=reused),
            cause=cause_of(task.order),
            event_id=stable_id(task.lease.job_id, DatasetBuilt.topic),
        )
        log.info("dataset_built", workflow=version.workflow, version=version.number, reused=reused)

    async def _decline(self, task: Task, error: TooLittle) -> None:
        """A request fails with the reason; the policy just waits on."""
        if task.order.requested_by is not None:
            raise error
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self.jobs.finish(connection, task.lease, {"waits": str(error)})
            await self.versions.put_outlook(connection, task.workflow.name, str(error))

    async def _changes(self, parent: Version | None, draft: Draft) -> list[Change]:
        before = b"" if parent is None else await self._manifest(parent)

        def work() -> list[Change]:
            return list(differences(read_raw_lines(before) if before else (), read_raw_lines(draft.path)))

        return await asyncio.to_thread(work)

    async def _manifest(self, version: Version) -> bytes:
        return await self.objects.get(version.manifest.uri, expected_sha256=version.manifest.sha256)

    async def _take_number(self, task: Task, path: Path) -> int:
        workflow, sha256 = task.workflow.name, await asyncio.to_thread(file_sha256, path)
        above = task.parent.number if task.parent else 0
        taken = await self.versions.number_taken_for(workflow, sha256, above=above)
        if taken is not None:
            return taken
        while True:
            number = await self.versions.next_number(workflow)
            # Asked before the number is taken: a store that is down costs no number.
            if await self.objects.exists(f"s3://{self.bucket}/{manifest_key(workflow, number)}"):
                await self.versions.take_number(workflow, number, OCCUPIED)
            elif await self.versions.take_number(workflow, number, sha256):
                return number


def manifest_key(workflow: str, number: int) -> str:
    """Where a version's manifest lies."""
    return f"datasets/{workflow}/v{number}/manifest.jsonl.zst"


def cause_of(order: BuildOrder) -> Envelope:
    """The event a build happened because of, as far as its followers need it."""
    return Envelope(
        event_id=order.cause_id,
        topic="",
        source="",
        time=None,
        subject=order.workflow,
        correlation_id=order.correlation_id,
        causation_id=None,
        traceparent=order.traceparent,
        declared_type=None,
    )


def announcement(version: Version, order: BuildOrder, *, reused: bool) -> DatasetBuilt:
    """What everybody hears of a version. Reused, it changed nothing."""
    return DatasetBuilt(
        dataset_version_id=version.id,
        workflow=version.workflow,
        version=version.number,
        task=version.task,
        classes=version.classes,
        manifest=version.manifest,
        counts={split: version.counts[split] for split in SPLITS},
        boxes_per_class=dict(version.boxes_per_class),
        parent_version=version.parent,
        reused=reused,
        requested_by=order.requested_by,
        added=0 if reused else version.added,
        removed=0 if reused else version.removed,
        changed=0 if reused else version.changed,
        left_out=dict(version.left_out),
        seconds_per_step=dict(version.seconds_per_step),
    )


def _version(task: Task, draft: Draft, changes: Sequence[Change], number: int, manifest: Media) -> Version:
    numbers = {what: sum(change.what == what for change in changes) for what in ("added", "removed", "changed")}
    return Version(
        id=uuid7(),
        workflow=task.workflow.name,
        number=number,
        parent=task.parent.number if task.parent else None,
        task=task.workflow.task,
        classes=task.workflow.class_names,
        manifest=manifest,
        content_sha256=draft.content_sha256,
        counts=draft.counts,
        boxes_per_class=draft.boxes_per_class,
        seconds_per_step=draft.seconds_per_step,
        left_out=draft.reasons,
        added=numbers["added"],
        removed=numbers["removed"],
        changed=numbers["changed"],
        job_id=task.lease.job_id,
        requested_by=task.order.requested_by,
        reason=task.order.reason,
    )


def _same_task(version: Version, workflow: Workflow) -> bool:
    return (version.task, version.classes) == (workflow.task, workflow.class_names)


def _measure(version: Version) -> None:
    for split, count in version.counts.items():
        telemetry.dataset_size.labels(version.workflow, split).set(count)
