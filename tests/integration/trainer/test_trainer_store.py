"""Training runs and their jobs in a real PostgreSQL: who waits, for what, and who may end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from trainer_kit import workflow_changed

from libs.common.configuration import Configuration, put_workflow
from libs.common.events import DatasetBuilt, TrainingRequested
from libs.common.jobs import Jobs
from libs.common.postgres import Pool, open_pool
from libs.common.testing import envelope_for, media
from services.trainer import runner
from services.trainer.domain import TrainingRun
from services.trainer.handlers import queue_automatic_run, queue_requested_run
from services.trainer.runner import QueueWatch
from services.trainer.store import JOB, TrainerStore

pytestmark = pytest.mark.connected


@pytest.fixture
async def pool(database: Any) -> AsyncIterator[Pool]:
    await database.migrate("trainer")
    opened = await open_pool(database.dsn, "trainer")
    yield opened
    await opened.close()


@pytest.fixture
def trainer_store(pool: Pool) -> TrainerStore:
    return TrainerStore(pool)


@pytest.fixture
async def configuration(pool: Pool) -> Configuration:
    """Knows the workflow `discs`."""
    async with pool.acquire() as connection:
        await put_workflow(connection, workflow_changed("discs"))
    return Configuration(pool)


def version(number: int = 1) -> DatasetBuilt:
    return DatasetBuilt(
        dataset_version_id=uuid4(), workflow="discs", version=number, task="detection", classes=("disc",), manifest=media(),
        counts={"train": 1}, boxes_per_class={},
    )  # fmt: skip


def request() -> TrainingRequested:
    return TrainingRequested(training_run_id=uuid4(), workflow="discs", requested_by="li", reason="r")


async def jobs_of(pool: Pool) -> dict[UUID, str]:
    return {row["id"]: row["state"] for row in await pool.fetch("select id, state from job")}


async def announced(pool: Pool, topic: str = "training.queued") -> list[str]:
    rows = await pool.fetch(
        "select convert_from(value, 'utf8')::jsonb ->> 'waits_for' as text from outbox where topic = $1 order by seq",
        topic,
    )
    return [row["text"] for row in rows]


async def _request_while_the_first_version_arrives(store: TrainerStore, configuration: Configuration) -> UUID:
    """The request has looked for a version, and not committed, when the version is handled."""
    event, built = request(), version()
    async with store.transaction(envelope_for(event)) as unit:
        await store.lock(unit, "discs")
        assert await store.latest_version_id(unit, "discs") is None
        arrival = asyncio.ensure_future(queue_automatic_run(built, envelope_for(built), store, configuration))
        await asyncio.sleep(0.2)
        await store.add_run(unit, _waiting(event), max_attempts=3)
    await arrival
    return event.training_run_id


def _waiting(event: TrainingRequested) -> TrainingRun:
    return TrainingRun(
        event.training_run_id, "discs", None, "ultralytics", {}, 0, 0, "li", "r", "correlation", event.training_run_id
    )


async def test_a_request_and_the_first_version_at_the_same_moment_meet(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration
) -> None:
    run_id = await _request_while_the_first_version_arrives(trainer_store, configuration)
    assert await jobs_of(pool) == {run_id: "queued"}


async def test_without_the_lock_the_request_would_wait_for_ever(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_lock(self: TrainerStore, connection: Any, workflow: str) -> None:
        return None

    monkeypatch.setattr(TrainerStore, "lock", no_lock)
    run_id = await _request_while_the_first_version_arrives(trainer_store, configuration)
    assert run_id not in await jobs_of(pool), "as expected"


async def test_the_latest_version_is_the_newest(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration
) -> None:
    for built in (second := version(2), version(1)):
        await queue_automatic_run(built, envelope_for(built), trainer_store, configuration)
    event = request()
    await queue_requested_run(event, envelope_for(event), trainer_store, configuration)
    run = await trainer_store.run(event.training_run_id)
    assert run is not None
    assert run.dataset_version_id == second.dataset_version_id


async def _queued(store: TrainerStore, configuration: Configuration) -> UUID:
    built, event = version(), request()
    for deed, said in ((queue_automatic_run, built), (queue_requested_run, event)):
        await deed(said, envelope_for(said), store, configuration)  # type: ignore[operator,arg-type]
    return event.training_run_id


async def test_cancelling_a_run_that_waits_for_a_version(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration
) -> None:
    event = request()
    await queue_requested_run(event, envelope_for(event), trainer_store, configuration)
    async with pool.acquire() as connection:
        assert await trainer_store.cancel_run(connection, event.training_run_id, "cancelled: r (li)") is not None
        assert await trainer_store.cancel_run(connection, event.training_run_id, "again") is None
    built = version()
    await queue_automatic_run(built, envelope_for(built), trainer_store, configuration)
    assert event.training_run_id not in await jobs_of(pool)


async def test_cancelling_a_run_that_has_ended_leaves_it_as_it_is(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration
) -> None:
    run_id = await _queued(trainer_store, configuration)
    await pool.execute("update job set state = 'succeeded', reason = 'done' where id = $1", run_id)
    async with pool.acquire() as connection:
        assert await trainer_store.cancel_run(connection, run_id, "too late") is None
    assert await pool.fetchval("select cancelled from training_run where id = $1", run_id) is False


async def test_the_watch_says_once_what_a_run_waits_for_and_again_when_that_changes(
    pool: Pool, trainer_store: TrainerStore, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "missing_modules", lambda backend: [])
    await _queued(trainer_store, configuration)
    watch, worker = QueueWatch(trainer_store), Jobs(pool, "gpu-1")
    before = len(await announced(pool))
    await watch.look()
    assert len(await announced(pool)) == before, "nothing holds them back but a moment"

    lease = await worker.claim(JOB)
    assert lease is not None
    await watch.look()
    await watch.look()
    ahead = f"a free trainer: in training now: run {lease.job_id} of discs on gpu-1"
    assert (await announced(pool))[before:] == [ahead]

    async with pool.acquire() as connection:
        await worker.fail(connection, lease, "disk full", delay=timedelta(hours=1))
    await watch.look()
    assert (await announced(pool))[before + 1 :] == ["its next try: the one before failed: disk full"]
