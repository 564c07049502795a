"""Builds on real PostgreSQL and S3: what stands in a version, and that no crash or race makes a second one."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common import objects, telemetry
from libs.common.events import Annotation, Media

pytestmark = pytest.mark.connected


@dataclass
class HaltingObjects:
    """The real store; the first upload halts once until it is let go, as a slow or dying worker's would."""

    store: objects.S3Objects
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def put_file(self, key: str, path: Path, content_type: str | None = None) -> Media:
        self.reached.set()
        await self.go_on.wait()
        return await self.store.put_file(key, path, content_type)


async def test_a_first_version_holds_every_sample_once_in_order(plant) -> None:
    for number in range(60):
        await plant.approve(number)
    build_id = await plant.build()
    [event] = await plant.built()
    lines = await plant.lines(event)
    assert [line.sample_id for line in lines] == [UUID(int=number) for number in range(60)]
    assert event.manifest.uri.endswith(f"/datasets/{plant.workflow}/v1/manifest.jsonl.zst")
    assert (event.version, event.parent_version, event.reused, event.added) == (1, None, False, 60)
    assert event.classes == ("worn", "missing")
    assert event.boxes_per_class == {"worn": 30, "missing": 30}
    assert event.counts == {split: sum(line.split == split for line in lines) for split in ("train", "val", "test")}
    assert all(event.counts.values())
    assert lines[1].annotations == (Annotation(label="missing", box=(1, 2, 30, 40.5)),)
    assert (lines[1].annotated_by, lines[1].annotation_revision) == ("rule:annotated", 1)
    assert event.requested_by == "user:li"
    assert await plant.job_state(build_id) == ("succeeded", "done")
    [(workflow, reason, _)] = await plant.versions.outlooks()
    assert (workflow, reason) == (plant.workflow, "version 1 is up to date")


async def test_the_announcement_names_its_cause(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    build_id = await plant.build()
    [event] = await plant.said()
    spec = await plant.pool.fetchval("select spec from job where id = $1", build_id)
    assert event["headers"]["causationid"] == spec["cause_id"]
    assert event["headers"]["correlationid"] == "correlation"


async def test_nothing_new_is_the_same_version_again(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.build()
    await plant.build()
    first, again = await plant.built()
    assert again == first.model_copy(update={"reused": True, "added": 0})
    assert len(await plant.versions.all_of(plant.workflow)) == 1


async def test_changes_that_cancel_out_are_the_same_version_again(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.build()
    await plant.approve(50)
    await plant.reject(50)
    await plant.build()
    first, again = await plant.built()
    assert again.reused
    assert again.dataset_version_id == first.dataset_version_id
    assert await plant.samples.pending_work() == []


async def test_a_second_version_knows_its_parent_and_differences(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.build()
    await plant.approve(30)
    await plant.approve(3, revision=2, label="worn")
    await plant.reject(4)
    await plant.build()
    first, second = await plant.built()
    assert (second.version, second.parent_version) == (2, 1)
    assert (second.added, second.removed, second.changed) == (1, 1, 1)
    version = await plant.versions.find(second.dataset_version_id)
    assert await plant.versions.changes(version, after=None, limit=10) == [
        (UUID(int=3), "changed"),
        (UUID(int=4), "removed"),
        (UUID(int=30), "added"),
    ]
    before = {line.sample_id: line for line in await plant.lines(first)}
    after = {line.sample_id: line for line in await plant.lines(second)}
    assert all(before[i].split == after[i].split for i in before.keys() & after.keys())
    parent = await plant.versions.find(first.dataset_version_id)
    assert len(await plant.versions.changes(parent, after=None, limit=100)) == 20


async def test_a_sample_that_comes_back_has_its_old_split(plant) -> None:
    for number in range(30):
        await plant.approve(number)
    await plant.build()
    await plant.reject(7)
    await plant.build()
    await plant.approve(7, revision=100)
    await plant.build()
    first, _, third = [{line.sample_id: line for line in await plant.lines(e)} for e in await plant.built()]
    assert third[UUID(int=7)].split == first[UUID(int=7)].split


async def test_unknown_labels_are_left_out_and_said(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    odd = await plant.approve(40, label="beard")
    await plant.build()
    [event] = await plant.built()
    assert event.left_out == {"unknown_label": 1}
    assert sum(event.counts.values()) == 20
    assert await plant.versions.left_out(event.dataset_version_id, after=None, limit=5) == [(odd, "unknown_label")]


async def test_other_classes_are_another_version_of_the_same_samples(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.build()
    plant.classes = ("worn", "missing", "beard")
    await plant.configure(minimum_per_class=0)
    await plant.build()
    first, second = await plant.built()
    assert (second.version, second.reused, second.classes) == (2, False, plant.classes)
    assert first.manifest.sha256 == second.manifest.sha256


async def test_a_request_that_cannot_be_met_fails_with_what_to_do(plant) -> None:
    for number in range(3):
        await plant.approve(number)
    build_id = await plant.build()
    [event] = await plant.said("dataset.build_failed")
    assert event["build_id"] == str(build_id)
    assert "3 usable samples, at least 6 are needed: approve 3 more" in event["reason"]
    assert (await plant.job_state(build_id))[0] == "failed"
    assert await plant.said() == []


async def test_one_leakage_group_is_no_dataset(plant) -> None:
    for number in range(12):
        await plant.approve(number, leakage_group="line-1/12", camera_id="line-1")
    await plant.build()
    [event] = await plant.said("dataset.build_failed")
    assert "fewer leakage groups" in event["reason"]


async def test_a_build_of_the_policy_that_finds_too_little_waits_quietly(plant) -> None:
    await plant.approve(1)
    build_id = await plant.build(requested_by=None)
    assert (await plant.job_state(build_id))[0] == "succeeded"
    assert await plant.said() == []
    assert await plant.said("dataset.build_failed") == []
    [(workflow, reason, _)] = await plant.versions.outlooks()
    assert workflow == plant.workflow
    assert "1 usable samples" in reason


async def test_a_cancelled_builder_gives_back_and_another_builds_the_one_version(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    build_id = await plant.order()
    halting = HaltingObjects(plant.store)
    first = asyncio.ensure_future(plant.runner(store=halting).run_one())
    await halting.reached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await plant.job_state(build_id) == ("queued", "given back: the worker shuts down")
    assert await plant.runner("worker-2").run_one()
    [event] = await plant.built()
    assert (event.version, len(await plant.lines(event))) == (1, 20)


def refused() -> float:
    labels = {"kind": "build", "outcome": "lease_lost"}
    return telemetry.REGISTRY.get_sample_value("camloop_job_finished_total", labels) or 0.0


async def test_a_zombie_builder_changes_nothing(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.order()
    halting = HaltingObjects(plant.store)
    zombie = plant.runner(store=halting)
    zombie.jobs = replace(zombie.jobs, lease=timedelta(hours=1))  # it does not beat while it is frozen
    frozen = asyncio.ensure_future(zombie.run_one())
    await halting.reached.wait()
    await plant.pool.execute("update job set lease_until = now() - interval '1 s'")
    await plant.approve(33)
    assert await plant.runner("worker-2").run_one()
    [event] = await plant.built()
    refused_before = refused()
    halting.go_on.set()
    await frozen
    assert refused() == refused_before + 1
    assert [e.dataset_version_id for e in await plant.built()] == [event.dataset_version_id]
    assert len(await plant.versions.all_of(plant.workflow)) == 1
    assert len(await plant.lines(event)) == 21  # with its digest: the zombie's 20 lines did not overwrite it


async def test_two_requests_at_once_are_one_version(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    await plant.order()
    await plant.order()
    await asyncio.gather(plant.runner().run_one(), plant.runner("worker-2").run_one())
    events = await plant.built()
    assert sorted(event.reused for event in events) == [False, True]
    assert len({event.dataset_version_id for event in events}) == 1
    assert len(await plant.versions.all_of(plant.workflow)) == 1


async def test_bytes_of_an_older_database_are_not_overwritten(plant) -> None:
    for number in range(20):
        await plant.approve(number)
    old = await plant.store.put(f"datasets/{plant.workflow}/v1/manifest.jsonl.zst", b"old", "application/zstd")
    await plant.build()
    [event] = await plant.built()
    assert (event.version, event.parent_version) == (2, None)
    assert await plant.store.get(old.uri, expected_sha256=old.sha256) == b"old"


async def test_same_samples_same_bytes(plant) -> None:
    for _ in range(2):
        for table in ("version_change", "version_left_out", "dataset_version", "place", "pending", "link", "sample"):
            await plant.pool.execute(f"delete from {table}")
        plant.workflow = f"hairnet-{uuid4().hex[:8]}"
        await plant.configure()
        for number in range(40):
            await plant.approve(number)
        await plant.build()
    one, other = await plant.built()
    assert one.workflow != other.workflow
    assert one.manifest.sha256 == other.manifest.sha256
