"""Leased jobs: long work as a row that one worker owns for a while. Every state has its reason.

The clock is the database's. A worker that lost its lease finds zero rows to update, and its result is discarded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg

from libs.common.errors import LeaseLost
from libs.common.postgres import Connection, Pool

CLAIM = """
    update job set state = 'running', attempt = attempt + 1, lease_token = $2, lease_owner = $3, lease_until = now() + $4,
        reason = 'running on ' || $3
    where id = (select id from job where kind = $1 and run_after <= now() and attempt < max_attempts
                and (spec ->> 'needs' is null or $5::text[] is null or spec ->> 'needs' = any($5))
                and (state = 'queued' or (state = 'running' and lease_until < now()))
                order by priority desc, run_after, created_at limit 1 for update skip locked)
    returning id, kind, spec, attempt, max_attempts, checkpoint_uri, lease_token
"""
HEARTBEAT = """
    update job set lease_until = now() + $3, progress = coalesce($4::jsonb, progress), checkpoint_uri = coalesce($5, checkpoint_uri)
    where id = $1 and lease_token = $2 and state = 'running'
"""
FINISH = """
    update job set state = 'succeeded', reason = 'done', lease_token = null, lease_until = null, lease_owner = null, result = $3::jsonb
    where id = $1 and lease_token = $2 and state = 'running'
"""
FAIL = """
    update job set state = case when attempt < max_attempts and not $5 then 'queued' else 'failed' end,
        run_after = now() + $3, error = $4, reason = $4, lease_token = null, lease_until = null, lease_owner = null
    where id = $1 and lease_token = $2 and state = 'running' returning state
"""
GIVE_BACK = """
    update job set state = 'queued', attempt = attempt - 1, run_after = now(), checkpoint_uri = coalesce($3, checkpoint_uri), reason = $4,
        lease_token = null, lease_until = null, lease_owner = null
    where id = $1 and lease_token = $2 and state = 'running'
"""
CANCEL = """
    update job set state = 'cancelled', reason = $2, lease_token = null, lease_until = null, lease_owner = null
    where id = $1 and state in ('queued', 'running') returning id
"""
# Without it an expired last attempt stays 'running' for ever.
SWEEP = """
    update job set state = 'dead', reason = 'lease expired on attempt ' || attempt || ' of ' || max_attempts,
        lease_token = null, lease_until = null, lease_owner = null
    where kind = $1 and state = 'running' and lease_until < now() and attempt >= max_attempts
    returning id, kind, spec, attempt, reason
"""


@dataclass(frozen=True)
class Lease:
    """The right to work on a job until `lease_until`; `token` fences everything the worker writes."""

    job_id: UUID
    kind: str
    spec: dict[str, Any]
    attempt: int
    max_attempts: int
    checkpoint_uri: str | None
    token: UUID

    @property
    def prefix(self) -> str:
        """Part of an object key that no other attempt writes to."""
        return f"{self.attempt}-{self.token}"


@dataclass(frozen=True)
class DeadJob:
    """A job whose last attempt went silent."""

    job_id: UUID
    spec: dict[str, Any]
    attempt: int
    reason: str


@dataclass(frozen=True)
class JobState:
    """Where a job stands, and why."""

    job_id: UUID
    state: str
    reason: str | None
    attempt: int
    progress: dict[str, Any]


async def enqueue(
    connection: Connection,
    *,
    job_id: UUID,
    kind: str,
    spec: dict[str, Any],
    dedupe_key: str,
    reason: str,
    priority: int = 0,
    max_attempts: int = 5,
    delay: timedelta = timedelta(0),
) -> bool:
    """Add a job in the caller's transaction; False if one with that dedupe key is there."""
    status = await connection.execute(
        """
        insert into job (id, kind, spec, dedupe_key, reason, priority, max_attempts, run_after)
        values ($1, $2, $3, $4, $5, $6, $7, now() + $8) on conflict do nothing
        """,
        job_id,
        kind,
        spec,
        dedupe_key,
        reason,
        priority,
        max_attempts,
        delay,
    )
    return status == "INSERT 0 1"


@dataclass(frozen=True)
class Jobs:
    """The job table of one service, seen by a worker called `owner`."""

    pool: Pool
    owner: str
    lease: timedelta = timedelta(seconds=60)

    async def claim(self, kind: str, offers: Sequence[str] | None = None) -> Lease | None:
        """Take the next job of `kind`: the most urgent queued one, or one whose worker went silent.

        A job whose spec says what it `needs` of its worker is only taken by one that offers it; None offers everything.
        """
        row = await self.pool.fetchrow(
            CLAIM, kind, uuid4(), self.owner, self.lease, None if offers is None else list(offers)
        )
        return None if row is None else _lease(row)

    async def heartbeat(
        self, lease: Lease, *, progress: dict[str, Any] | None = None, checkpoint_uri: str | None = None
    ) -> None:
        """Keep the lease. Raises `LeaseLost` when it is somebody else's or the job was cancelled."""
        status = await self.pool.execute(HEARTBEAT, lease.job_id, lease.token, self.lease, progress, checkpoint_uri)
        _require(status, lease)

    async def finish(self, connection: Connection, lease: Lease, result: dict[str, Any]) -> None:
        """Succeed, in the transaction that announces it. Raises `LeaseLost`: roll back and discard the result."""
        _require(await connection.execute(FINISH, lease.job_id, lease.token, result), lease)

    async def fail(
        self, connection: Connection, lease: Lease, error: str, *, delay: timedelta, permanent: bool = False
    ) -> str:
        """Back to the queue after `delay`, or failed for good; returns the new state. Raises `LeaseLost`."""
        state = await connection.fetchval(FAIL, lease.job_id, lease.token, delay, error, permanent)
        if state is None:
            raise LeaseLost(f"Job {lease.job_id} is no longer ours")
        return cast(str, state)

    async def give_back(self, lease: Lease, reason: str, *, checkpoint_uri: str | None = None) -> None:
        """Return the job unharmed (shutdown): the attempt is not counted. Silent if the lease is gone."""
        await self.pool.execute(GIVE_BACK, lease.job_id, lease.token, checkpoint_uri, reason)

    async def find(self, job_id: UUID) -> JobState | None:
        """Where a job stands."""
        row = await self.pool.fetchrow("select id, state, reason, attempt, progress from job where id = $1", job_id)
        return (
            None if row is None else JobState(row["id"], row["state"], row["reason"], row["attempt"], row["progress"])
        )


async def cancel(connection: Connection, job_id: UUID, reason: str) -> bool:
    """Cancel a queued or running job; its worker learns it at the next heartbeat."""
    return await connection.fetchval(CANCEL, job_id, reason) is not None


async def sweep(connection: Connection, kind: str) -> list[DeadJob]:
    """Bury jobs whose last attempt went silent; announce their failure in the same transaction."""
    rows = await connection.fetch(SWEEP, kind)
    return [DeadJob(row["id"], row["spec"], row["attempt"], row["reason"]) for row in rows]


def _lease(row: asyncpg.Record) -> Lease:
    return Lease(
        row["id"],
        row["kind"],
        row["spec"],
        row["attempt"],
        row["max_attempts"],
        row["checkpoint_uri"],
        row["lease_token"],
    )


def _require(status: str, lease: Lease) -> None:
    if status == "UPDATE 0":
        raise LeaseLost(f"Job {lease.job_id}: the lease of attempt {lease.attempt} is lost or the job was cancelled")
