"""Dataset versions: a chain that never changes, what each one changed and left out, and why there is no newer one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.common.errors import NotFound, Transient
from libs.common.events import Media
from libs.common.postgres import Connection, Pool
from services.dataset.domain.differences import Change
from services.dataset.domain.groups import Assignment


class Outdated(Transient):
    """Another build of the workflow has finished since this one began."""


@dataclass(frozen=True)
class Version:
    """A dataset version. `content_sha256` covers task, classes and every line: equal content, equal digest."""

    id: UUID
    workflow: str
    number: int
    parent: int | None
    task: Literal["detection", "temporal"]
    classes: tuple[str, ...]
    manifest: Media
    content_sha256: str
    counts: dict[str, int]
    boxes_per_class: dict[str, int]
    left_out: dict[str, int]
    added: int
    removed: int
    changed: int
    job_id: UUID
    requested_by: str | None
    reason: str
    built_at: datetime | None = None
    seconds_per_step: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class VersionStore:
    """All dataset versions."""

    pool: Pool

    async def newest(self, workflow: str) -> Version | None:
        """The version a build starts from."""
        row = await self.pool.fetchrow(
            "select * from dataset_version where workflow = $1 order by number desc limit 1", workflow
        )
        return None if row is None else _version(row)

    async def all_of(self, workflow: str | None) -> list[Version]:
        """Versions, newest first."""
        rows = await self.pool.fetch(
            "select * from dataset_version where workflow = coalesce($1, workflow) order by workflow, number desc",
            workflow,
        )
        return [_version(row) for row in rows]

    async def find(self, version_id: UUID) -> Version:
        """Raises `NotFound`."""
        row = await self.pool.fetchrow("select * from dataset_version where id = $1", version_id)
        if row is None:
            raise NotFound(f"There is no dataset version {version_id}: list them at /v1/dataset-versions")
        return _version(row)

    async def number_taken_for(self, workflow: str, sha256: str, *, above: int) -> int | None:
        """The number an earlier attempt took for the very same bytes and did not live to use; None if there is none."""
        return await self.pool.fetchval(
            "select max(number) from version_number where workflow = $1 and manifest_sha256 = $2 and number > $3",
            workflow,
            sha256,
            above,
        )

    async def next_number(self, workflow: str) -> int:
        """The lowest number nobody has taken."""
        highest = await self.pool.fetchval("select max(number) from version_number where workflow = $1", workflow)
        return (highest or 0) + 1

    async def take_number(self, workflow: str, number: int, sha256: str) -> bool:
        """Bind a number to the bytes of one manifest, for ever; False if somebody was faster."""
        status = await self.pool.execute(
            "insert into version_number (workflow, number, manifest_sha256) values ($1, $2, $3) on conflict do nothing",
            workflow,
            number,
            sha256,
        )
        return status == "INSERT 0 1"

    async def add(self, connection: Connection, version: Version) -> None:
        """Append to the chain. Raises `Outdated` if the parent has a child already."""
        status = await connection.execute(
            """
            insert into dataset_version (id, workflow, number, parent, task, classes, manifest, content_sha256, counts,
                boxes_per_class, left_out, added, removed, changed, job_id, requested_by, reason, seconds_per_step)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) on conflict do nothing
            """,
            version.id,
            version.workflow,
            version.number,
            version.parent,
            version.task,
            list(version.classes),
            version.manifest.model_dump(mode="json", exclude_none=True),
            version.content_sha256,
            version.counts,
            version.boxes_per_class,
            version.left_out,
            version.added,
            version.removed,
            version.changed,
            version.job_id,
            version.requested_by,
            version.reason,
            version.seconds_per_step,
        )
        if status == "INSERT 0 0":
            raise Outdated(f"Another build of {version.workflow} has finished since version {version.parent or 0}")

    async def add_places(
        self, connection: Connection, workflow: str, number: int, places: Iterable[Assignment]
    ) -> None:
        """Give places for the first and last time."""
        await connection.copy_records_to_table(
            "place",
            records=[(a.sample_id, workflow, a.place.split, a.place.group, a.key, a.camera_id, number) for a in places],
            columns=["sample_id", "workflow", "split", "leakage_group", "leakage_key", "camera_id", "since"],
        )

    async def add_details(
        self, connection: Connection, version_id: UUID, changes: Iterable[Change], left_out: Mapping[UUID, str]
    ) -> None:
        """What the version changed and left out, sample by sample."""
        await connection.copy_records_to_table(
            "version_change",
            records=[(version_id, change.sample_id, change.what) for change in changes],
            columns=["version_id", "sample_id", "what"],
        )
        await connection.copy_records_to_table(
            "version_left_out",
            records=[(version_id, sample_id, reason) for sample_id, reason in left_out.items()],
            columns=["version_id", "sample_id", "reason"],
        )

    async def changes(self, version: Version, *, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        """What a version changed, by sample id. A first version's list is that of the places it gave."""
        statement = """
            select sample_id, what from version_change
            where version_id = $1 and ($2::uuid is null or sample_id > $2) order by sample_id limit $3
        """
        if version.parent is None:
            statement = """
                select sample_id, 'added' as what from place p join dataset_version v on v.workflow = p.workflow
                where v.id = $1 and p.since = v.number and ($2::uuid is null or sample_id > $2) order by sample_id limit $3
            """
        rows = await self.pool.fetch(statement, version.id, after, limit)
        return [(row["sample_id"], row["what"]) for row in rows]

    async def left_out(self, version_id: UUID, *, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        """Samples a version left out, and why, by sample id."""
        rows = await self.pool.fetch(
            """
            select sample_id, reason from version_left_out
            where version_id = $1 and ($2::uuid is null or sample_id > $2) order by sample_id limit $3
            """,
            version_id,
            after,
            limit,
        )
        return [(row["sample_id"], row["reason"]) for row in rows]

    async def may_order(self, connection: Connection, workflow: str) -> bool:
        """Is no build of this workflow queued or running, and no other replica ordering one in this instant?"""
        locked = await connection.fetchval(
            "select pg_try_advisory_xact_lock(hashtextextended('dataset-order:' || $1, 0))", workflow
        )
        return locked and not await connection.fetchval(
            "select exists(select 1 from job where kind = 'build' and state in ('queued', 'running')"
            " and spec ->> 'workflow' = $1)",
            workflow,
        )

    async def put_outlook(self, connection: Connection, workflow: str, reason: str) -> None:
        """Say why there is no newer version yet."""
        await connection.execute(
            """
            insert into outlook (workflow, reason) values ($1, $2)
            on conflict (workflow) do update set reason = excluded.reason, since = now() where outlook.reason <> excluded.reason
            """,
            workflow,
            reason,
        )

    async def outlooks(self) -> Sequence[tuple[str, str, datetime]]:
        """(workflow, why there is no newer version, since when)."""
        rows = await self.pool.fetch("select workflow, reason, since from outlook order by workflow")
        return [(row["workflow"], row["reason"], row["since"]) for row in rows]


def _version(row: asyncpg.Record) -> Version:
    values: dict[str, Any] = dict(row)
    values["classes"] = tuple(row["classes"])
    values["manifest"] = Media.model_validate(row["manifest"])
    return Version(**values)
