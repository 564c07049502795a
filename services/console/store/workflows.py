"""Workflow definitions: files become revisions, and people see which file is wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.common import outbox
from libs.common.configuration import put_workflow
from libs.common.events import WorkflowChanged
from libs.common.postgres import Connection, Pool
from services.console.store.rows import record_from

LOCK = "select pg_advisory_xact_lock(hashtextextended('console-workflow-files', 0))"
PUT_FILE = """
    insert into workflow_file (name, sha256, error) values ($1, $2, $3)
    on conflict (name) do update set sha256 = excluded.sha256, error = excluded.error, read_at = now()
"""
ALL = """
    select coalesce(w.name, f.name) as name, w.revision, w.definition, r.changed_by, r.at as changed_at,
        f.name is not null as has_file, f.error
    from workflow w
    full join workflow_file f on f.name = w.name
    left join workflow_revision r on r.workflow = w.name and r.revision = w.revision
    order by 1
"""


@dataclass(frozen=True)
class WorkflowEntry:
    """A workflow as the console knows it; a file that could not be read has an error and perhaps no revision."""

    name: str
    revision: int | None
    definition: dict[str, Any] | None
    changed_by: str | None
    changed_at: datetime | None
    has_file: bool
    error: str | None


@dataclass(frozen=True)
class ReadFile:
    """A workflow file as found: its definition, or what is wrong with it."""

    name: str
    sha256: str
    definition: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class WorkflowStore:
    """SQL of workflow definitions."""

    pool: Pool

    async def known_files(self) -> dict[str, str]:
        """Digest by name of every file as it was last read."""
        return {row["name"]: row["sha256"] for row in await self.pool.fetch("select name, sha256 from workflow_file")}

    async def take_over(self, file: ReadFile) -> int | None:
        """Remember a file; its new revision, if it says something new. Of several replicas one announces it."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK)
            known = await connection.fetchval("select sha256 from workflow_file where name = $1", file.name)
            if known == file.sha256:
                return None
            await connection.execute(PUT_FILE, file.name, file.sha256, file.error)
            return None if file.definition is None else await self._revise(connection, file.name, file.definition)

    async def _revise(self, connection: Connection, name: str, definition: dict[str, Any]) -> int | None:
        row = await connection.fetchrow("select revision, definition from workflow where name = $1", name)
        if row is not None and row["definition"] == definition:
            return None
        revision = 1 if row is None else row["revision"] + 1
        event = WorkflowChanged(workflow=name, revision=revision, definition=definition, changed_by=f"file:{name}.yaml")
        await put_workflow(connection, event)
        await outbox.add(connection, event)
        return revision

    async def forget_file(self, name: str) -> None:
        """The file is gone: the workflow stays as it was last defined."""
        await self.pool.execute("delete from workflow_file where name = $1", name)

    async def all(self) -> list[WorkflowEntry]:
        """Every workflow and every file, by name."""
        return [record_from(WorkflowEntry, row) for row in await self.pool.fetch(ALL)]
