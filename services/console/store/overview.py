"""The whole loop at a glance: how much of what there is, and when each stage last said something."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import all_events
from libs.common.postgres import Pool
from services.console.store.rows import record_from

COUNTS = """
    select (select count(*) from snapshot where $1::text is null or workflow = $1) as snapshots,
        (select count(*) from dataset_version where $1::text is null or workflow = $1) as dataset_versions,
        (select count(*) from model_version where $1::text is null or workflow = $1) as model_versions
"""
VERDICTS = """
    select verdict, case when verdict = 'approved' then decided_by else reason end as why, count(*) as number
    from sample where $1::text is null or workflow = $1 group by 1, 2 order by 1, 3 desc, 2
"""
RUNS = """
    select state, count(*) as number from training_run where $1::text is null or workflow = $1 group by state order by 1
"""
WAITING = """
    select training_run_id, workflow, waits_for, requested_at from training_run
    where state = 'queued' and ($1::text is null or workflow = $1) order by requested_at limit 20
"""
LAST = """
    select e.topic, e.seq as position, e.event_id, e.key, e.at, e.source
    from unnest($2::text[]) with ordinality as t (topic, place)
    cross join lateral (
        select * from event where topic = t.topic and ($1::text is null or workflow = $1) order by seq desc limit 1
    ) e
    order by t.place
"""


@dataclass(frozen=True)
class LastEvent:
    """The newest event of a topic."""

    topic: str
    position: int
    event_id: UUID
    key: str
    at: datetime
    source: str


@dataclass(frozen=True)
class WaitingRun:
    """A training run that waits, and for what."""

    training_run_id: UUID
    workflow: str
    waits_for: str | None
    requested_at: datetime


@dataclass(frozen=True)
class Overview:
    """The loop at a glance. `samples` counts verdicts; `reasons` says why: rejection reason, approver, review reason."""

    workflow: str | None
    snapshots: int
    samples: dict[str, int]
    reasons: dict[str, dict[str, int]]
    dataset_versions: int
    training_runs: dict[str, int]
    model_versions: int
    waiting: list[WaitingRun]
    last_events: list[LastEvent]
    dead_letters: int


async def overview(pool: Pool, workflow: str | None) -> Overview:
    """Count everything of a workflow, or of all."""
    counts = await pool.fetchrow(COUNTS, workflow)
    assert counts is not None
    reasons: dict[str, dict[str, int]] = {"approved": {}, "rejected": {}, "queued": {}}
    for row in await pool.fetch(VERDICTS, workflow):
        reasons.setdefault(row["verdict"], {})[row["why"] or "unknown"] = row["number"]
    runs = {row["state"]: row["number"] for row in await pool.fetch(RUNS, workflow)}
    return Overview(
        workflow,
        counts["snapshots"],
        {verdict: sum(numbers.values()) for verdict, numbers in reasons.items()},
        reasons,
        counts["dataset_versions"],
        runs,
        counts["model_versions"],
        [record_from(WaitingRun, row) for row in await pool.fetch(WAITING, workflow)],
        await _last_events(pool, workflow),
        await pool.fetchval("select count(*) from dead_letter where state = 'open'"),
    )


async def _last_events(pool: Pool, workflow: str | None) -> list[LastEvent]:
    topics = [event.topic for event in all_events()]
    rows: list[Any] = await pool.fetch(LAST, workflow, topics)
    return [record_from(LastEvent, row) for row in rows]
