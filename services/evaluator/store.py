"""The evaluator's tables: training runs it heard of, the champion of each workflow, evaluations with their jobs."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from libs.common import inbox, jobs
from libs.common.clip_orders import ClipOrder
from libs.common.envelope import Envelope
from libs.common.events import Artifact, Metrics, ModelEvaluated, ModelTrained, as_values
from libs.common.postgres import Connection, Pool
from services.evaluator.domain.wash_orders import JOB as WASH_JOB

JOB = "evaluate"
SAVE_CHAMPION = """
    insert into champion (workflow, model, version, artifacts, since, metrics) values ($1, $2, $3, $4, $5, $6)
    on conflict (workflow) do update set model = excluded.model, version = excluded.version,
        artifacts = excluded.artifacts, since = excluded.since, metrics = excluded.metrics
    where champion.since <= excluded.since
"""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation as it was asked for, and by which event."""

    evaluation_id: UUID
    training_run_id: UUID
    workflow: str
    requested_by: str
    reason: str
    correlation_id: str
    cause_id: UUID

    @property
    def cause(self) -> Envelope:
        """What the evaluation's announcements name as their cause."""
        return Envelope(self.cause_id, "model.trained", "", None, "", self.correlation_id, None, None, None)


@dataclass(frozen=True)
class RunningVersion:
    """The champion of a workflow, its files, and how right it was measured to be."""

    model: str
    version: int
    artifacts: tuple[Artifact, ...]
    metrics: Metrics = field(default_factory=dict[str, float | None])


@dataclass(frozen=True)
class EvaluatorStore:
    """SQL of the evaluator."""

    pool: Pool

    def transaction(self, envelope: Envelope) -> AbstractAsyncContextManager[Connection]:
        """The handler's transaction, inbox included."""
        return inbox.transaction(self.pool, "evaluator", envelope)

    async def add_training_run(self, connection: Connection, trained: ModelTrained) -> None:
        """Remember a run; the same one again changes nothing."""
        await connection.execute(
            "insert into training_run (id, workflow, trained) values ($1, $2, $3) on conflict do nothing",
            trained.training_run_id,
            trained.workflow,
            as_values(trained),
        )

    async def training_run(self, run_id: UUID) -> ModelTrained | None:
        """What a run produced, by its id."""
        row = await self.pool.fetchval("select trained from training_run where id = $1", run_id)
        return None if row is None else ModelTrained.model_validate(row)

    async def save_champion(
        self, connection: Connection, workflow: str, running: RunningVersion, since: datetime
    ) -> None:
        """Keep what runs since the latest moment; news that arrives late changes nothing."""
        artifacts = [as_values(each) for each in running.artifacts]
        await connection.execute(
            SAVE_CHAMPION, workflow, running.model, running.version, artifacts, since, running.metrics
        )

    async def champion(self, workflow: str) -> RunningVersion | None:
        """What runs now."""
        row = await self.pool.fetchrow(
            "select model, version, artifacts, metrics from champion where workflow = $1", workflow
        )
        if row is None:
            return None
        artifacts = tuple(Artifact.model_validate(each) for each in cast(list[Any], row["artifacts"]))
        return RunningVersion(row["model"], row["version"], artifacts, row["metrics"])

    async def order_wash(self, connection: Connection, order: ClipOrder, job_id: UUID) -> None:
        """Have a camera's clip judged, if its workflow has a champion."""
        if await connection.fetchval("select exists(select 1 from champion where workflow = $1)", order.clip.workflow):
            await jobs.enqueue(
                connection,
                job_id=job_id,
                kind=WASH_JOB,
                spec=order.spec(),
                dedupe_key=f"wash:{job_id}",
                reason="waits to be judged",
            )

    async def add_evaluation(self, connection: Connection, evaluation: Evaluation) -> bool:
        """Add an evaluation with its job; False if it was asked for before."""
        status = await connection.execute(
            """
            insert into evaluation (id, training_run_id, workflow, requested_by, reason, correlation_id, cause_id)
            values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
            """,
            evaluation.evaluation_id,
            evaluation.training_run_id,
            evaluation.workflow,
            evaluation.requested_by,
            evaluation.reason,
            evaluation.correlation_id,
            evaluation.cause_id,
        )
        if status == "INSERT 0 0":
            return False
        return await jobs.enqueue(
            connection,
            job_id=evaluation.evaluation_id,
            kind=JOB,
            spec={"evaluation_id": str(evaluation.evaluation_id), "training_run_id": str(evaluation.training_run_id)},
            dedupe_key=str(evaluation.evaluation_id),
            reason="waits for a free evaluator",
        )

    async def evaluation(self, evaluation_id: UUID) -> Evaluation | None:
        """An evaluation by its id."""
        row = await self.pool.fetchrow(
            """
            select id, training_run_id, workflow, requested_by, reason, correlation_id, cause_id
            from evaluation where id = $1
            """,
            evaluation_id,
        )
        return None if row is None else Evaluation(*row)

    async def close_evaluation(self, connection: Connection, evaluated: ModelEvaluated) -> None:
        """Note how it ended."""
        await connection.execute(
            "update evaluation set finished_at = now(), passed = $2, report_uri = $3 where id = $1",
            evaluated.evaluation_id,
            evaluated.gate.passed,
            evaluated.report.uri,
        )

    async def fail_evaluation(self, connection: Connection, evaluation_id: UUID, reason: str) -> None:
        """Note that it ended without a report, and why."""
        await connection.execute(
            "update evaluation set finished_at = now(), failure = $2 where id = $1", evaluation_id, reason
        )
