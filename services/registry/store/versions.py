"""Model versions: numbers are reserved, files are copied, then the version stands."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from libs.common.events import Artifact, Gate, ModelEvaluated, as_values
from libs.common.postgres import Connection, Pool
from services.registry.domain import ModelVersion

LOCK_MODEL = "select pg_advisory_xact_lock(hashtextextended('model:' || $1, 0))"
RESERVE = """
    insert into model_version (model, version, training_run_id, first_evaluation_id, workflow)
    select $1, coalesce(max(version), 0) + 1, $2, $3, $4 from model_version where model = $1
    on conflict (training_run_id) do nothing
"""
# An evaluation that arrives after a later one of the same run changes nothing.
COMPLETE = """
    update model_version set state = 'registered', registered_at = coalesce(registered_at, now()), evaluated_at = $3,
        evaluation_id = $4, dataset_version_id = $5, dataset_version = $6, abi = $7, artifacts = $8, metrics = $9,
        per_class = $10, per_camera = $11, gate = $12, licence = $13, lineage = $14, operating_confidence = $15
    where model = $1 and version = $2 and (evaluated_at is null or evaluated_at <= $3)
"""


@dataclass(frozen=True)
class Reservation:
    """The number a training run's model has. `standing`: its version, if it is registered already."""

    model: str
    version: int
    first_evaluation_id: UUID
    standing: ModelVersion | None


@dataclass(frozen=True)
class ModelSummary:
    """A model, its newest version and its aliases."""

    name: str
    workflow: str
    versions: int
    newest: int
    aliases: dict[str, int]


@dataclass(frozen=True)
class VersionStore:
    """SQL of model versions."""

    pool: Pool

    async def reserve(self, model: str, event: ModelEvaluated) -> Reservation:
        """The run's version number: the next one, or the one it has. Committed at once; copying comes after."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_MODEL, model)
            await connection.execute(RESERVE, model, event.training_run_id, event.evaluation_id, event.workflow)
            row = await connection.fetchrow(
                "select * from model_version where training_run_id = $1", event.training_run_id
            )
        assert row is not None
        standing = version_from(row) if row["state"] == "registered" else None
        return Reservation(row["model"], row["version"], row["first_evaluation_id"], standing)

    async def complete(self, connection: Connection, version: ModelVersion) -> bool:
        """Let the version stand, or give it a newer evaluation; False if it has a newer one already."""
        status = await connection.execute(
            COMPLETE, version.model, version.version, version.evaluated_at, version.evaluation_id,
            version.dataset_version_id, version.dataset_version, version.abi,
            [as_values(artifact) for artifact in version.artifacts], version.metrics, version.per_class,
            version.per_camera, as_values(version.gate), version.licence, version.lineage,
            version.operating_confidence,
        )  # fmt: skip
        return status == "UPDATE 1"

    async def find(self, model: str, version: int) -> ModelVersion | None:
        """A registered version."""
        row = await self.pool.fetchrow(
            "select * from model_version where model = $1 and version = $2 and state = 'registered'", model, version
        )
        return None if row is None else version_from(row)

    async def of_model(self, model: str) -> list[ModelVersion]:
        """All registered versions, newest first."""
        rows = await self.pool.fetch(
            "select * from model_version where model = $1 and state = 'registered' order by version desc", model
        )
        return [version_from(row) for row in rows]

    async def behind_alias(self, workflow: str, alias: str) -> ModelVersion | None:
        """The version an alias points at, by workflow."""
        row = await self.pool.fetchrow(
            """
            select v.* from model_version v join alias a on a.model = v.model and a.version = v.version
            where v.workflow = $1 and a.alias = $2
            """,
            workflow,
            alias,
        )
        return None if row is None else version_from(row)

    async def models(self) -> list[ModelSummary]:
        """Every model with a registered version."""
        rows = await self.pool.fetch(
            """
            select model, max(workflow) as workflow, count(*) as versions, max(version) as newest,
                (select coalesce(jsonb_object_agg(alias, a.version), '{}') from alias a where a.model = v.model) as aliases
            from model_version v where state = 'registered' group by model order by model
            """
        )
        return [
            ModelSummary(row["model"], row["workflow"], row["versions"], row["newest"], row["aliases"]) for row in rows
        ]


def version_from(row: asyncpg.Record) -> ModelVersion:
    """A registered row as a value."""
    artifacts: list[dict[str, Any]] = row["artifacts"]
    names = ("model", "version", "workflow", "training_run_id", "evaluation_id", "dataset_version_id",
             "dataset_version", "abi", "metrics", "per_class", "per_camera", "licence", "lineage",
             "operating_confidence", "evaluated_at", "registered_at")  # fmt: skip
    return ModelVersion(
        **{name: row[name] for name in names},
        artifacts=tuple(Artifact.model_validate(artifact) for artifact in artifacts),
        gate=Gate.model_validate(row["gate"]),
    )
