"""Rebuilds that are asked for: one that waits is enough."""

from uuid import UUID

from libs.common import jobs
from libs.common.envelope import uuid7
from libs.common.postgres import Connection

JOB = "rebuild"


async def ask_for_rebuild(connection: Connection, reason: str) -> UUID:
    """Queue a rebuild, or find the one that waits; its job id."""
    waiting = await connection.fetchval("select id from job where kind = $1 and state = 'queued' limit 1", JOB)
    if waiting is not None:
        return waiting
    job_id = uuid7()
    await jobs.enqueue(connection, job_id=job_id, kind=JOB, spec={}, dedupe_key=str(job_id), reason=reason)
    return job_id
