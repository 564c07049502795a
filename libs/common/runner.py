"""The loop that works through leased jobs: claim, beat, work, and say why when it does not work."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from libs.common import jobs, telemetry
from libs.common.errors import LeaseLost, Permanent
from libs.common.jobs import Jobs, Lease
from libs.common.postgres import DATABASE_TROUBLE, Connection

log = structlog.get_logger()
POLL_SECONDS = 1.0
SWEEP_SECONDS = 5.0


@dataclass
class Pulse:
    """What the next heartbeat tells the job's row. The work writes, the heartbeat reads.

    `lost`: the lease is gone. Work that is cancelled then has nothing to save, and stops at once.
    """

    progress: dict[str, Any] | None = None
    checkpoint_uri: str | None = None
    lost: bool = False


Work = Callable[[Lease, Pulse], Awaitable[None]]
OnFailed = Callable[[Connection, dict[str, Any], int, str], Awaitable[None]]


@dataclass
class JobRunner:
    """Works on jobs of one kind, one at a time. `work` finishes the job itself, in the transaction that announces it.

    `offers`: what jobs may need of this worker; None: everything.
    `on_failed(connection, spec, attempt, reason)` announces a job that failed for good, in the same transaction.
    """

    jobs: Jobs
    kind: str
    work: Work
    on_failed: OnFailed
    poll_seconds: float = POLL_SECONDS
    retry_seconds: float = 5.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    offers: tuple[str, ...] | None = None

    async def run(self) -> None:
        """Claim and work for ever; a database that is away for a while is waited for."""
        telemetry.jobs_born_at_zero(self.kind)
        telemetry.job_workers_idle.labels(self.kind).set(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_for_ever())
            while True:
                if not await self._guarded(self.run_one()):
                    await self._rest()

    async def run_one(self) -> bool:
        """Claim a job and work on it; False if there was none."""
        lease = await self.jobs.claim(self.kind, self.offers)
        if lease is None:
            return False
        with (
            structlog.contextvars.bound_contextvars(job_id=str(lease.job_id), attempt=lease.attempt),
            telemetry.job_seconds.labels(self.kind).time(),
        ):
            idle = telemetry.job_workers_idle.labels(self.kind)
            idle.set(0)
            try:
                await self._attempt(lease)
            finally:
                idle.set(1)
        return True

    async def _attempt(self, lease: Lease) -> None:
        pulse = Pulse()
        try:
            await self._work_with_heartbeat(lease, pulse)
            telemetry.jobs_finished.labels(self.kind, "succeeded").inc()
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(lease, pulse))
            raise
        except LeaseLost as error:
            telemetry.jobs_finished.labels(self.kind, "lease_lost").inc()
            log.warning("job_lease_lost", kind=self.kind, error=str(error))
        except Exception as error:  # noqa: BLE001 a run loop: whatever happened is the job's failure, said in its row
            await self._fail(lease, error)

    async def _give_back(self, lease: Lease, pulse: Pulse) -> None:
        try:
            await self.jobs.give_back(lease, "given back: the worker shuts down", checkpoint_uri=pulse.checkpoint_uri)
        except DATABASE_TROUBLE as error:
            # The lease will run out instead. The shutdown goes on: an error here would hide that we were cancelled.
            log.warning("job_not_given_back", kind=self.kind, error=str(error) or type(error).__name__)

    async def _work_with_heartbeat(self, lease: Lease, pulse: Pulse) -> None:
        work = asyncio.ensure_future(self.work(lease, pulse))
        beat = asyncio.ensure_future(self._beat(lease, pulse))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                pulse.lost = True
                beat.result()
            await work
        finally:
            # The heart beats until the work has wound down: a last checkpoint may take longer than a lease.
            for task in (work, beat):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _beat(self, lease: Lease, pulse: Pulse) -> None:
        deadline = asyncio.get_running_loop().time() + self.jobs.lease.total_seconds()
        while True:
            await asyncio.sleep(self.jobs.lease.total_seconds() / 4)
            try:
                await self.jobs.heartbeat(lease, progress=pulse.progress, checkpoint_uri=pulse.checkpoint_uri)
                deadline = asyncio.get_running_loop().time() + self.jobs.lease.total_seconds()
            except DATABASE_TROUBLE as error:
                log.warning("heartbeat_failed", error=str(error) or type(error).__name__)
                if asyncio.get_running_loop().time() > deadline:
                    raise LeaseLost(f"Job {lease.job_id}: no heartbeat got through for a whole lease") from error

    async def _fail(self, lease: Lease, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        log.error("job_failed", kind=self.kind, error=reason, exc_info=not isinstance(error, Permanent))
        delay = timedelta(seconds=min(self.retry_seconds * 2 ** (lease.attempt - 1), 300) * random.uniform(0.8, 1.2))
        try:
            async with self.jobs.pool.acquire() as connection, connection.transaction():
                state = await self.jobs.fail(
                    connection, lease, reason, delay=delay, permanent=isinstance(error, Permanent)
                )
                if state == "failed":
                    await self.on_failed(connection, lease.spec, lease.attempt, reason)
            telemetry.jobs_finished.labels(self.kind, state).inc()
        except LeaseLost as lost:
            log.warning("job_lease_lost", kind=self.kind, error=str(lost))

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._guarded(self.sweep())
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> bool:
        """Bury jobs whose last attempt went silent, announce them, and measure the queue."""
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            for dead in await jobs.sweep(connection, self.kind):
                await self.on_failed(connection, dead.spec, dead.attempt, dead.reason)
                telemetry.jobs_finished.labels(self.kind, "dead").inc()
        await self._measure()
        return True

    async def _measure(self) -> None:
        row = await self.jobs.pool.fetchrow(
            """
            select coalesce(extract(epoch from now() - min(run_after) filter (where state = 'queued' and run_after <= now())), 0) as age,
                count(*) filter (where state = 'running' and lease_until < now()) as expired,
                count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running
            from job where kind = $1 and state in ('queued', 'running')
            """,
            self.kind,
        )
        if row is not None:
            telemetry.job_queue_age.labels(self.kind).set(float(row["age"]))
            telemetry.job_lease_expired.labels(self.kind).set(row["expired"])
            for state in ("queued", "running"):
                telemetry.jobs_standing.labels(self.kind, state).set(row[state])

    async def _guarded(self, step: Awaitable[bool]) -> bool:
        try:
            return await step
        except DATABASE_TROUBLE as error:
            log.warning("job_runner_interrupted", kind=self.kind, error=str(error) or type(error).__name__)
            return False

    async def _rest(self) -> None:
        self.wake.clear()
        try:
            async with asyncio.timeout(self.poll_seconds):
                await self.wake.wait()
        except TimeoutError:
            return
