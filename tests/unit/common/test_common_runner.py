"""The loop that works through jobs, with a job table in memory: every way an attempt can end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.errors import LeaseLost, Permanent, Transient
from libs.common.jobs import Lease
from libs.common.runner import JobRunner, Pulse


@dataclass
class FakeJobs:
    """One job; remembers what was said about it. `lost`: heartbeats find the lease gone; `broken`: nothing answers."""

    attempt: int = 1
    max_attempts: int = 2
    lease: timedelta = timedelta(seconds=0.04)
    said: list[Any] = field(default_factory=list)
    beats: list[tuple[Any, Any]] = field(default_factory=list)
    lost: bool = False
    broken: Exception | None = None
    claimed: bool = False

    @property
    def pool(self) -> "FakeJobs":
        return self

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["FakeJobs"]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def claim(self, kind: str, offers: object = None) -> Lease | None:
        if self.claimed:
            return None
        self.claimed = True
        return Lease(uuid4(), kind, {"run": 1}, self.attempt, self.max_attempts, None, uuid4())

    async def heartbeat(self, lease: Lease, *, progress: Any = None, checkpoint_uri: str | None = None) -> None:
        if self.broken:
            raise self.broken
        if self.lost:
            raise LeaseLost("somebody else has it")
        self.beats.append((progress, checkpoint_uri))

    async def fail(self, connection: Any, lease: Lease, error: str, *, delay: timedelta, permanent: bool) -> str:
        if self.lost:
            raise LeaseLost("somebody else has it")
        self.said.append(("fail", error, permanent))
        return "failed" if permanent or lease.attempt >= lease.max_attempts else "queued"

    async def give_back(self, lease: Lease, reason: str, *, checkpoint_uri: str | None = None) -> None:
        if self.broken:
            raise self.broken
        self.said.append(("give_back", checkpoint_uri))


@dataclass
class Announced:
    """What `on_failed` was told."""

    failures: list[tuple[int, str]] = field(default_factory=list)

    async def __call__(self, connection: Any, spec: dict[str, Any], attempt: int, reason: str) -> None:
        self.failures.append((attempt, reason))


def runner(jobs: FakeJobs, work: Any, announced: Any = None) -> JobRunner:
    return JobRunner(jobs, "train", work, announced or Announced(), poll_seconds=0.01)


async def for_ever(lease: Lease, pulse: Pulse) -> None:
    await asyncio.sleep(60)


async def test_nothing_to_do() -> None:
    assert not await runner(FakeJobs(claimed=True), for_ever).run_one()


async def test_work_that_ends_is_left_alone() -> None:
    async def work(lease: Lease, pulse: Pulse) -> None:
        pulse.progress, pulse.checkpoint_uri = {"epoch": 3}, "s3://b/c"
        await asyncio.sleep(0.03)

    jobs = FakeJobs()
    assert await runner(jobs, work).run_one()
    assert jobs.said == []
    assert ({"epoch": 3}, "s3://b/c") in jobs.beats


@pytest.mark.parametrize(
    ("attempt", "error", "announced"),
    [
        (1, Transient("disk full"), []),
        (1, KeyError("bug"), []),
        (2, Transient("disk full"), [(2, "disk full")]),
        (1, Permanent("no such label"), [(1, "no such label")]),
        (2, TimeoutError(), [(2, "TimeoutError")]),
    ],
)
async def test_failures_go_back_to_the_queue_or_are_announced(
    attempt: int, error: Exception, announced: list[Any]
) -> None:
    async def work(lease: Lease, pulse: Pulse) -> None:
        raise error

    jobs, told = FakeJobs(attempt=attempt), Announced()
    assert await runner(jobs, work, told).run_one()
    assert jobs.said == [("fail", str(error) or type(error).__name__, isinstance(error, Permanent))]
    assert told.failures == announced


async def test_a_lost_lease_cancels_the_work_and_says_so_to_it() -> None:
    seen: list[bool] = []

    async def work(lease: Lease, pulse: Pulse) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(pulse.lost)

    jobs = FakeJobs(lost=True)
    async with asyncio.timeout(5):
        assert await runner(jobs, work).run_one()
    assert seen == [True]
    assert jobs.said == []


async def test_a_failure_after_the_lease_is_gone_is_nobody_s_failure() -> None:
    async def work(lease: Lease, pulse: Pulse) -> None:
        raise Transient("too late")

    jobs, told = FakeJobs(lost=True, attempt=2), Announced()
    assert await runner(jobs, work, told).run_one()
    assert (jobs.said, told.failures) == ([], [])


async def test_a_heartbeat_may_fail_for_a_while_but_not_for_a_lease() -> None:
    jobs = FakeJobs(broken=asyncpg.InterfaceError("connection is closed"))
    async with asyncio.timeout(5):
        assert await runner(jobs, for_ever).run_one()
    assert jobs.said == []


async def _cancelled(jobs: FakeJobs, work: Any) -> asyncio.Future[None]:
    task = asyncio.ensure_future(runner(jobs, work).run())
    while not jobs.claimed:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    return task


@pytest.fixture(autouse=True)
def _no_sweeping(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(self: JobRunner) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(JobRunner, "_sweep_for_ever", sleep)


async def test_a_shutdown_gives_the_job_back_with_the_checkpoint_the_work_made_while_winding_down() -> None:
    async def work(lease: Lease, pulse: Pulse) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.shield(save(pulse))
            raise

    async def save(pulse: Pulse) -> None:
        before = len(jobs.beats)
        await asyncio.sleep(0.06)
        assert len(jobs.beats) > before, "the heart beats while a last checkpoint is written"
        pulse.checkpoint_uri = "s3://b/last"

    jobs = FakeJobs()
    task = await _cancelled(jobs, work)
    assert task.cancelled()
    assert jobs.said == [("give_back", "s3://b/last")]


async def test_a_shutdown_while_postgresql_is_away_still_ends() -> None:
    jobs = FakeJobs(lease=timedelta(seconds=60), broken=OSError("connection refused"))
    task = await _cancelled(jobs, for_ever)
    assert task.cancelled()


async def test_a_database_that_is_away_is_waited_for() -> None:
    class Away(FakeJobs):
        tries = 0

        async def claim(self, kind: str, offers: object = None) -> Lease | None:
            self.tries += 1
            if self.tries < 3:
                raise OSError("connection refused")
            return await super().claim(kind)

    done = asyncio.Event()

    async def work(lease: Lease, pulse: Pulse) -> None:
        done.set()

    jobs = Away()
    task = asyncio.ensure_future(runner(jobs, work).run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert jobs.tries >= 3


def test_an_attempt_s_prefix_is_its_own() -> None:
    lease = Lease(uuid4(), "train", {}, 3, 5, None, UUID(int=7))
    assert lease.prefix == "3-00000000-0000-0000-0000-000000000007"
