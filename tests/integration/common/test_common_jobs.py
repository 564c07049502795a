"""The job table on a real PostgreSQL: one owner at a time, nothing lost, every state with its reason."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common import jobs
from libs.common.errors import LeaseLost
from libs.common.jobs import Jobs, Lease
from libs.common.postgres import Pool
from libs.common.runner import JobRunner, Pulse

pytestmark = pytest.mark.connected
NOW = timedelta(0)


async def enqueue(pool: Pool, *, key: str | None = None, **changes: Any) -> UUID:
    job_id = uuid4()
    values: dict[str, Any] = {"kind": "train", "spec": {"n": 1}, "dedupe_key": key or str(job_id), "reason": "queued"}
    async with pool.acquire() as connection:
        await jobs.enqueue(connection, job_id=job_id, **(values | changes))
    return job_id


async def claim(worker: Jobs) -> Lease:
    lease = await worker.claim("train")
    assert lease is not None
    return lease


async def row(pool: Pool, job_id: UUID) -> Any:
    return await pool.fetchrow("select * from job where id = $1", job_id)


async def let_the_lease_run_out(pool: Pool) -> None:
    await pool.execute("update job set lease_until = now() - interval '1 second' where state = 'running'")


@pytest.fixture
def first(pool: Pool) -> Jobs:
    return Jobs(pool, "first")


@pytest.fixture
def second(pool: Pool) -> Jobs:
    return Jobs(pool, "second")


async def test_twenty_claimers_share_fifty_jobs_without_a_quarrel(pool: Pool) -> None:
    ids = {await enqueue(pool) for _ in range(50)}

    async def work(number: int) -> list[UUID]:
        worker, mine = Jobs(pool, f"worker {number}"), list[UUID]()
        while (lease := await worker.claim("train")) is not None:
            mine.append(lease.job_id)
        return mine

    claimed = [job_id for mine in await asyncio.gather(*map(work, range(20))) for job_id in mine]
    assert len(claimed) == 50
    assert set(claimed) == ids


async def test_a_job_is_enqueued_once(pool: Pool) -> None:
    async with pool.acquire() as connection:
        added = [
            await jobs.enqueue(connection, job_id=uuid4(), kind="train", spec={}, dedupe_key="same", reason="queued")
            for _ in range(2)
        ]
    assert added == [True, False]


async def test_urgent_jobs_first_then_old_ones(pool: Pool, first: Jobs) -> None:
    old, new, urgent = await enqueue(pool), await enqueue(pool), await enqueue(pool, priority=5)
    later = await enqueue(pool, priority=9, delay=timedelta(hours=1))
    await enqueue(pool, kind="another", priority=9)
    assert [(await claim(first)).job_id for _ in range(3)] == [urgent, old, new]
    assert await first.claim("train") is None
    assert (await row(pool, later))["state"] == "queued"


async def test_a_job_goes_to_a_worker_that_offers_what_it_needs(pool: Pool, first: Jobs, second: Jobs) -> None:
    needy = await enqueue(pool, spec={"needs": "ultralytics"}, priority=9)
    plain = await enqueue(pool)
    lease = await first.claim("train", ("temporal", "classic"))
    assert lease is not None
    assert lease.job_id == plain
    assert await first.claim("train", ("temporal",)) is None
    other = await second.claim("train", ("ultralytics",))
    assert other is not None
    assert other.job_id == needy


async def test_a_claim_says_who_and_why(pool: Pool, first: Jobs) -> None:
    job_id = await enqueue(pool, spec={"run": "r"})
    lease = await claim(first)
    assert (lease.job_id, lease.spec, lease.attempt, lease.max_attempts) == (job_id, {"run": "r"}, 1, 5)
    state = await first.find(job_id)
    assert state is not None
    assert (state.state, state.reason, state.attempt) == ("running", "running on first", 1)
    assert await first.find(uuid4()) is None


async def test_a_heartbeat_keeps_the_lease_and_what_it_tells(pool: Pool, first: Jobs, second: Jobs) -> None:
    job_id = await enqueue(pool)
    lease = await claim(first)
    await let_the_lease_run_out(pool)
    await first.heartbeat(lease, progress={"epoch": 2}, checkpoint_uri="s3://b/c")
    assert await second.claim("train") is None
    await first.heartbeat(lease)
    kept = await row(pool, job_id)
    assert (kept["progress"], kept["checkpoint_uri"]) == ({"epoch": 2}, "s3://b/c")


async def test_a_stolen_lease_is_worth_nothing(pool: Pool, first: Jobs, second: Jobs) -> None:
    job_id = await enqueue(pool)
    stale = await claim(first)
    await first.heartbeat(stale, checkpoint_uri="s3://b/c")
    await let_the_lease_run_out(pool)
    fresh = await claim(second)
    assert (fresh.job_id, fresh.attempt, fresh.checkpoint_uri) == (job_id, 2, "s3://b/c")
    assert fresh.token != stale.token
    assert fresh.prefix != stale.prefix
    async with pool.acquire() as connection:
        with pytest.raises(LeaseLost, match="the lease of attempt 1 is lost"):
            await first.heartbeat(stale, checkpoint_uri="s3://b/zombie")
        with pytest.raises(LeaseLost):
            await first.finish(connection, stale, {"by": "zombie"})
        with pytest.raises(LeaseLost):
            await first.fail(connection, stale, "zombie", delay=NOW)
        await first.give_back(stale, "zombie", checkpoint_uri="s3://b/zombie")
        untouched = await row(pool, job_id)
        assert (untouched["lease_owner"], untouched["checkpoint_uri"]) == ("second", "s3://b/c")
        await second.finish(connection, fresh, {"by": "second"})
    done = await row(pool, job_id)
    assert (done["state"], done["result"], done["reason"], done["lease_token"]) == (
        "succeeded", {"by": "second"}, "done", None,
    )  # fmt: skip


async def test_what_failed_comes_back_after_a_while_and_then_no_more(pool: Pool, first: Jobs) -> None:
    job_id = await enqueue(pool, max_attempts=2)
    async with pool.acquire() as connection:
        assert await first.fail(connection, await claim(first), "disk full", delay=timedelta(hours=1)) == "queued"
        waiting = await row(pool, job_id)
        assert (waiting["reason"], waiting["error"]) == ("disk full", "disk full")
        assert await first.claim("train") is None, "not yet"
        await connection.execute("update job set run_after = now()")
        assert await first.fail(connection, await claim(first), "disk full", delay=NOW) == "failed"
    assert await first.claim("train") is None


async def test_what_fails_for_good_is_not_tried_again(pool: Pool, first: Jobs) -> None:
    job_id = await enqueue(pool)
    async with pool.acquire() as connection:
        state = await first.fail(connection, await claim(first), "no such label", delay=NOW, permanent=True)
    assert (state, (await row(pool, job_id))["state"]) == ("failed", "failed")


async def test_a_job_given_back_has_lost_no_attempt(pool: Pool, first: Jobs, second: Jobs) -> None:
    await enqueue(pool, max_attempts=1)
    for _ in range(3):
        await first.give_back(await claim(first), "shutdown", checkpoint_uri="s3://b/c")
    lease = await claim(second)
    assert (lease.attempt, lease.checkpoint_uri) == (1, "s3://b/c")


async def test_cancelling(pool: Pool, first: Jobs) -> None:
    queued, running = await enqueue(pool, delay=timedelta(hours=1)), await enqueue(pool)
    lease = await claim(first)
    async with pool.acquire() as connection:
        assert await jobs.cancel(connection, queued, "changed my mind")
        assert await jobs.cancel(connection, running, "changed my mind")
        assert not await jobs.cancel(connection, running, "again")
        assert not await jobs.cancel(connection, uuid4(), "unknown")
        with pytest.raises(LeaseLost, match="or the job was cancelled"):
            await first.heartbeat(lease)
        with pytest.raises(LeaseLost):
            await first.finish(connection, lease, {})
    assert {(await row(pool, job))["reason"] for job in (queued, running)} == {"changed my mind"}


async def test_the_sweeper_buries_only_silent_last_attempts(pool: Pool, first: Jobs) -> None:
    last, not_last = await enqueue(pool, max_attempts=1, priority=1), await enqueue(pool, max_attempts=2)
    alive = await enqueue(pool, max_attempts=1, priority=-1)
    await claim(first), await claim(first)
    await let_the_lease_run_out(pool)
    lease = await first.claim("train")
    assert lease is not None
    assert lease.job_id == not_last, "an expired lease with attempts left is claimed again"
    assert (await claim(first)).job_id == alive
    async with pool.acquire() as connection:
        (dead,) = await jobs.sweep(connection, "train")
        assert await jobs.sweep(connection, "train") == []
    assert (dead.job_id, dead.reason) == (last, "lease expired on attempt 1 of 1")
    assert (await row(pool, last))["state"] == "dead"


async def test_the_runner_works_buries_and_announces_in_one_transaction(pool: Pool) -> None:
    worker, announced = Jobs(pool, "w", lease=timedelta(seconds=5)), list[Any]()

    async def work(lease: Lease, pulse: Pulse) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await worker.finish(connection, lease, {"n": lease.spec["n"]})

    async def announce(connection: Any, spec: dict[str, Any], attempt: int, reason: str) -> None:
        announced.append((spec, attempt, reason))
        raise OSError("the announcement fails")

    runner = JobRunner(worker, "train", work, announce)
    done, silent = await enqueue(pool, spec={"n": 1}), await enqueue(pool, spec={"n": 2}, max_attempts=1)
    assert await runner.run_one()
    assert (await row(pool, done))["result"] == {"n": 1}
    await claim(worker)
    await let_the_lease_run_out(pool)
    with pytest.raises(OSError, match="announcement"):
        await runner.sweep()
    assert announced == [({"n": 2}, 1, "lease expired on attempt 1 of 1")]
    assert (await row(pool, silent))["state"] == "running", "unannounced, so not buried"
