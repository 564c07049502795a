"""The trainer's tables: dataset versions it heard of, and training runs with their jobs."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import asyncpg

from libs.common import inbox, jobs
from libs.common.envelope import Envelope
from libs.common.events import DatasetBuilt, as_values
from libs.common.postgres import Connection, Pool
from services.trainer.domain import Competitor, TrainingRun

JOB = "train"


@dataclass(frozen=True)
class QueuedRun:
    """A run that has not started, and what was last said about it."""

    run: TrainingRun
    waits_for: str | None
    has_dataset: bool
    failure: str | None = None


@dataclass(frozen=True)
class TrainerStore:
    """SQL of the trainer."""

    pool: Pool

    def transaction(self, envelope: Envelope) -> AbstractAsyncContextManager[Connection]:
        """The handler's transaction, inbox included."""
        return inbox.transaction(self.pool, "trainer", envelope)

    async def lock(self, connection: Connection, workflow: str) -> None:
        """Until the transaction ends, nobody else queues runs of this workflow.

        Else a request sees no version while the first version sees no request, and the run waits for ever.
        """
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('trainer:' || $1, 0))", workflow)

    async def add_dataset_version(self, connection: Connection, built: DatasetBuilt) -> None:
        """Remember a version; the same one again changes nothing."""
        await connection.execute(
            "insert into dataset_version (id, workflow, version, built) values ($1, $2, $3, $4) on conflict do nothing",
            built.dataset_version_id, built.workflow, built.version, as_values(built),
        )  # fmt: skip

    async def dataset_version(self, version_id: UUID) -> DatasetBuilt | None:
        """A version by id."""
        row = await self.pool.fetchval("select built from dataset_version where id = $1", version_id)
        return None if row is None else DatasetBuilt.model_validate(row)

    async def latest_version_id(self, connection: Connection, workflow: str) -> UUID | None:
        """The newest version of a workflow."""
        return await connection.fetchval(
            "select id from dataset_version where workflow = $1 order by version desc limit 1", workflow
        )

    async def add_run(self, connection: Connection, run: TrainingRun, *, max_attempts: int) -> bool:
        """Add a run, with its job once a dataset version is known; False if the run exists."""
        status = await connection.execute(
            """
            insert into training_run (id, workflow, dataset_version_id, backend, hyperparameters, seed, priority,
                requested_by, reason, correlation_id, cause_id)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing
            """,
            run.run_id, run.workflow, run.dataset_version_id, run.backend, run.hyperparameters, run.seed, run.priority,
            run.requested_by, run.reason, run.correlation_id, run.cause_id,
        )  # fmt: skip
        if status == "INSERT 0 0":
            return False
        if run.dataset_version_id is not None:
            await self._enqueue(connection, run, max_attempts)
        return True

    async def give_version_to_waiting_runs(
        self, connection: Connection, built: DatasetBuilt, *, max_attempts: int
    ) -> list[TrainingRun]:
        """Runs that waited for a first version get this one, and their jobs."""
        rows = await connection.fetch(
            """
            update training_run set dataset_version_id = $2
            where workflow = $1 and dataset_version_id is null and not cancelled returning *
            """,
            built.workflow,
            built.dataset_version_id,
        )
        runs = [_run(row) for row in rows]
        for run in runs:
            await self._enqueue(connection, run, max_attempts)
        return runs

    @staticmethod
    async def _enqueue(connection: Connection, run: TrainingRun, max_attempts: int) -> None:
        spec = {"run_id": str(run.run_id), "workflow": run.workflow, "needs": run.backend}
        await jobs.enqueue(
            connection, job_id=run.run_id, kind=JOB, spec=spec, dedupe_key=str(run.run_id),
            reason="queued", priority=run.priority, max_attempts=max_attempts,
        )  # fmt: skip

    async def run(self, run_id: UUID) -> TrainingRun | None:
        """A run by id."""
        row = await self.pool.fetchrow("select * from training_run where id = $1", run_id)
        return None if row is None else _run(row)

    async def cancel_run(self, connection: Connection, run_id: UUID, reason: str) -> TrainingRun | None:
        """Cancel a run that has not ended; None if it has, or is unknown."""
        row = await connection.fetchrow("select * from training_run where id = $1 and not cancelled for update", run_id)
        if row is None:
            return None
        waiting = row["dataset_version_id"] is None
        if not waiting and not await jobs.cancel(connection, run_id, reason):
            return None
        await connection.execute("update training_run set cancelled = true where id = $1", run_id)
        return _run(row)

    async def queued_runs(self) -> list[QueuedRun]:
        """Runs nobody works on, in the order they will start."""
        rows = await self.pool.fetch(
            """
            select r.*, case when job.attempt > 0 then job.error end as failure
            from training_run r left join job on job.id = r.id
            where not r.cancelled and (r.dataset_version_id is null or job.state = 'queued')
            order by r.priority desc, r.requested_at
            """
        )
        return [
            QueuedRun(_run(row), row["waits_for"], row["dataset_version_id"] is not None, row["failure"])
            for row in rows
        ]

    async def running(self) -> list[Competitor]:
        """Runs somebody works on."""
        rows = await self.pool.fetch(
            """
            select r.id, r.workflow, job.lease_owner from training_run r join job on job.id = r.id
            where job.state = 'running' and job.lease_until > now() order by r.requested_at
            """
        )
        return [Competitor(row["id"], row["workflow"], row["lease_owner"]) for row in rows]

    async def say_what_it_waits_for(self, connection: Connection, run_id: UUID, text: str) -> bool:
        """Note it; False if the same was said before."""
        status = await connection.execute(
            "update training_run set waits_for = $2 where id = $1 and waits_for is distinct from $2", run_id, text
        )
        return status == "UPDATE 1"


def _run(row: asyncpg.Record) -> TrainingRun:
    return TrainingRun(
        row["id"],
        row["workflow"],
        row["dataset_version_id"],
        row["backend"],
        cast(dict[str, Any], row["hyperparameters"]),
        row["seed"],
        row["priority"],
        row["requested_by"],
        row["reason"],
        row["correlation_id"],
        row["cause_id"],
    )
