"""Aliases: the one place that moves them, with the audit trail and the announcement in the same transaction."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from libs.common import outbox
from libs.common.envelope import Envelope, stable_id
from libs.common.events import Event, Gate, ModelPromoted, ModelRolledBack, PromotionRejected
from libs.common.postgres import Connection, Pool
from services.registry.domain import (
    CHAMPION,
    PREVIOUS,
    AliasRequest,
    AliasState,
    ModelVersion,
    Outcome,
    decide,
    held_by,
)
from services.registry.store.versions import LOCK_MODEL, version_from

POINT = """
    insert into alias (model, alias, version, asked_at) values ($1, $2, $3, $4)
    on conflict (model, alias) do update
        set version = excluded.version, asked_at = excluded.asked_at, moved_at = now()
"""
AUDIT = """
    insert into alias_move (request_id, model, alias, before_version, after_version, deed, forced, by, reason, asked_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


@dataclass(frozen=True)
class AliasMove:
    """A line of the audit trail."""

    alias: str
    before_version: int | None
    after_version: int
    deed: str
    forced: bool
    by: str
    reason: str
    asked_at: datetime
    moved_at: datetime


@dataclass(frozen=True)
class Standing:
    """What an alias points at."""

    model: str
    alias: str
    version: int
    metrics: dict[str, float | None]
    gate_passed: bool


@dataclass(frozen=True)
class AliasStore:
    """SQL of aliases. `act` is what HTTP, Kafka and the automatic rule all go through."""

    pool: Pool

    async def act(self, connection: Connection, request: AliasRequest, cause: Envelope | None) -> Outcome:
        """Judge a request, move the alias or refuse, and announce which. The same request again gets the same answer."""
        await connection.execute(LOCK_MODEL, request.model)
        answered = await connection.fetchval(
            "select outcome from alias_request where request_id = $1", request.request_id
        )
        if answered is not None:
            return _outcome(answered)
        state = await self.state(connection, request.model, request.alias)
        outcome = decide(request, state, await self._gates(connection, request.model))
        if outcome.moved:
            await self._move(connection, request, outcome)
        await connection.execute(
            "insert into alias_request (request_id, outcome) values ($1, $2)", request.request_id, asdict(outcome)
        )
        event = await self._announcement(connection, request, outcome)
        await outbox.add(connection, event, cause=cause, event_id=stable_id(request.request_id, event.topic))
        return outcome

    async def state(self, connection: Connection, model: str, alias: str) -> AliasState:
        """Where an alias points and where it pointed."""
        row = await connection.fetchrow(
            "select version, asked_at from alias where model = $1 and alias = $2", model, alias
        )
        moves = await connection.fetch(
            "select before_version, after_version from alias_move where model = $1 and alias = $2 order by id",
            model,
            alias,
        )
        if row is None or not moves:
            return AliasState()
        held = held_by([(move["before_version"], move["after_version"]) for move in moves])
        return AliasState(row["version"], moves[-1]["before_version"], held, row["asked_at"])

    async def _gates(self, connection: Connection, model: str) -> dict[int, Gate]:
        rows = await connection.fetch(
            "select version, gate from model_version where model = $1 and state = 'registered'", model
        )
        return {row["version"]: Gate.model_validate(row["gate"]) for row in rows}

    async def _move(self, connection: Connection, request: AliasRequest, outcome: Outcome) -> None:
        assert outcome.after is not None
        await self._point(connection, request, request.alias, outcome.before, outcome.after)
        if request.alias == CHAMPION and outcome.before is not None:
            before = await self.state(connection, request.model, PREVIOUS)
            await self._point(connection, request, PREVIOUS, before.version, outcome.before)

    @staticmethod
    async def _point(connection: Connection, request: AliasRequest, alias: str, before: int | None, after: int) -> None:
        await connection.execute(POINT, request.model, alias, after, request.asked_at)
        await connection.execute(
            AUDIT, request.request_id, request.model, alias, before, after, request.deed, request.force, request.by,
            request.reason, request.asked_at,
        )  # fmt: skip

    async def _announcement(self, connection: Connection, request: AliasRequest, outcome: Outcome) -> Event:
        said: dict[str, Any] = {"model": request.model, "alias": request.alias, "by": request.by}
        if not outcome.accepted:
            return PromotionRejected(**said, version=outcome.after, reasons=outcome.reasons)
        version = await self._version(connection, request.model, outcome.after)
        said |= {"reason": request.reason, "workflow": version.workflow, "artifacts": version.artifacts}
        said |= {"metrics": version.metrics}
        if request.deed == "promote":
            return ModelPromoted(**said, version=version.version, previous_version=outcome.before)
        assert outcome.before is not None  # judged: there is something to roll back
        return ModelRolledBack(**said, from_version=outcome.before, to_version=version.version)

    async def _version(self, connection: Connection, model: str, version: int | None) -> ModelVersion:
        row = await connection.fetchrow("select * from model_version where model = $1 and version = $2", model, version)
        assert row is not None
        return version_from(row)

    async def find(self, model: str, alias: str) -> int | None:
        """The version an alias points at."""
        return await self.pool.fetchval("select version from alias where model = $1 and alias = $2", model, alias)

    async def moves(self, model: str, *, limit: int = 100) -> list[AliasMove]:
        """The audit trail, newest first."""
        rows = await self.pool.fetch(
            """
            select alias, before_version, after_version, deed, forced, by, reason, asked_at, moved_at
            from alias_move where model = $1 order by id desc limit $2
            """,
            model,
            limit,
        )
        return [AliasMove(**dict(row)) for row in rows]

    async def standing(self) -> list[Standing]:
        """Every version behind an alias."""
        rows = await self.pool.fetch(
            """
            select a.model, a.alias, a.version, v.metrics, coalesce((v.gate ->> 'passed')::boolean, false) as gate_passed
            from alias a join model_version v using (model, version)
            """
        )
        return [Standing(**dict(row)) for row in rows]


def _outcome(values: dict[str, Any]) -> Outcome:
    return Outcome(values["alias"], values["before"], values["after"], tuple(values["reasons"]))
