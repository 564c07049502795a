"""What people look at: samples, dataset versions, training runs, models, cameras. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from libs.common.postgres import Pool
from libs.common.workflows import Workflow, parse_workflow
from services.console.domain.runs import TrainingRun
from services.console.domain.samples import Sample
from services.console.domain.versions import AliasChange, DatasetVersion, ModelVersion, aliases_of
from services.console.store.rows import record_from

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A piece of a list, and how long the list is."""

    items: list[T]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True)
class LogLine:
    """A line of a training log. Go on after the last `position`."""

    position: int
    attempt: int
    seq: int
    at: datetime
    level: str
    text: str


@dataclass(frozen=True)
class Epoch:
    """How a training run did in an epoch."""

    attempt: int
    epoch: int
    epochs: int
    metrics: dict[str, float | None]
    eta_seconds: float | None
    at: datetime


@dataclass(frozen=True)
class Camera:
    """What came from a camera, and what it runs."""

    camera_id: str
    snapshots: int
    clips: int
    first_at: datetime
    last_at: datetime
    approved: int
    rejected: int
    queued: int
    model: str | None
    model_version: int | None
    reported_at: datetime | None


@dataclass(frozen=True)
class SampleFilter:
    """Which samples somebody wants to see."""

    workflow: str | None = None
    verdict: str | None = None
    reason: str | None = None
    camera: str | None = None


SAMPLES = """
    from sample where ($1::text is null or workflow = $1) and ($2::text is null or verdict = $2)
        and ($3::text is null or reason = $3) and ($4::text is null or camera_id = $4)
"""
CAMERAS = """
    with seen as (
        select camera_id, count(*) filter (where not is_clip) as snapshots, count(*) filter (where is_clip) as clips,
            min(captured_at) as first_at, max(captured_at) as last_at
        from (
            select camera_id, captured_at, false as is_clip from snapshot
            union all select camera_id, captured_at, true from clip
        ) captured
        group by camera_id
    ), judged as (
        select camera_id, count(*) filter (where verdict = 'approved') as approved,
            count(*) filter (where verdict = 'rejected') as rejected, count(*) filter (where verdict = 'queued') as queued
        from sample group by camera_id
    )
    select seen.*, coalesce(approved, 0) as approved, coalesce(rejected, 0) as rejected, coalesce(queued, 0) as queued,
        p.model, p.version as model_version, p.at as reported_at
    from seen left join judged using (camera_id)
    left join lateral (
        select model, version, at from prediction where camera_id = seen.camera_id order by at desc, event_id limit 1
    ) p on true
    order by camera_id
"""


@dataclass(frozen=True)
class Views:
    """SQL of what is shown."""

    pool: Pool

    async def samples(self, wanted: SampleFilter, *, limit: int, offset: int) -> Page[Sample]:
        """Samples, the last decided first."""
        values = (wanted.workflow, wanted.verdict, wanted.reason, wanted.camera)
        total = await self.pool.fetchval(f"select count(*) {SAMPLES}", *values)
        rows = await self.pool.fetch(
            f"select * {SAMPLES} order by decided_at desc, sample_id limit $5 offset $6", *values, limit, offset
        )
        return Page([record_from(Sample, row) for row in rows], total or 0, limit, offset)

    async def sample(self, sample_id: UUID) -> Sample | None:
        """One sample."""
        row = await self.pool.fetchrow("select * from sample where sample_id = $1", sample_id)
        return None if row is None else record_from(Sample, row)

    async def samples_by_id(self, ids: Sequence[UUID]) -> list[Sample]:
        """Those of the ids that are known."""
        rows = await self.pool.fetch("select * from sample where sample_id = any($1)", list(ids))
        return [record_from(Sample, row) for row in rows]

    async def approved_until(self, workflow: str, moment: datetime) -> list[Sample]:
        """What was approved in a workflow by then."""
        rows = await self.pool.fetch(
            "select * from sample where workflow = $1 and verdict = 'approved' and decided_at <= $2", workflow, moment
        )
        return [record_from(Sample, row) for row in rows]

    async def review_queue(self, workflow: str | None, *, limit: int, offset: int) -> Page[Sample]:
        """Samples that wait for a person, the most urgent first."""
        where = "from sample where verdict = 'queued' and ($1::text is null or workflow = $1)"
        total = await self.pool.fetchval(f"select count(*) {where}", workflow)
        rows = await self.pool.fetch(
            f"select * {where} order by priority desc, decided_at, sample_id limit $2 offset $3",
            workflow,
            limit,
            offset,
        )
        return Page([record_from(Sample, row) for row in rows], total or 0, limit, offset)

    async def dataset_versions(self, workflow: str | None, *, limit: int, offset: int) -> Page[DatasetVersion]:
        """Dataset versions, newest first."""
        where = "from dataset_version where ($1::text is null or workflow = $1)"
        total = await self.pool.fetchval(f"select count(*) {where}", workflow)
        rows = await self.pool.fetch(
            f"select * {where} order by built_at desc, version desc limit $2 offset $3", workflow, limit, offset
        )
        return Page([record_from(DatasetVersion, row) for row in rows], total or 0, limit, offset)

    async def dataset_version(self, version_id: UUID) -> DatasetVersion | None:
        """One by id."""
        row = await self.pool.fetchrow("select * from dataset_version where dataset_version_id = $1", version_id)
        return None if row is None else record_from(DatasetVersion, row)

    async def dataset_version_number(self, workflow: str, version: int) -> DatasetVersion | None:
        """One by workflow and number."""
        row = await self.pool.fetchrow(
            "select * from dataset_version where workflow = $1 and version = $2", workflow, version
        )
        return None if row is None else record_from(DatasetVersion, row)

    async def runs(self, workflow: str | None, state: str | None, *, limit: int, offset: int) -> Page[TrainingRun]:
        """Training runs, newest first."""
        where = "from training_run where ($1::text is null or workflow = $1) and ($2::text is null or state = $2)"
        total = await self.pool.fetchval(f"select count(*) {where}", workflow, state)
        rows = await self.pool.fetch(
            f"select * {where} order by requested_at desc, training_run_id limit $3 offset $4",
            workflow,
            state,
            limit,
            offset,
        )
        return Page([record_from(TrainingRun, row) for row in rows], total or 0, limit, offset)

    async def run(self, run_id: UUID) -> TrainingRun | None:
        """One training run."""
        row = await self.pool.fetchrow("select * from training_run where training_run_id = $1", run_id)
        return None if row is None else record_from(TrainingRun, row)

    async def epochs(self, run_id: UUID) -> list[Epoch]:
        """The run's epochs, in order, over all its attempts."""
        rows = await self.pool.fetch(
            "select * from training_epoch where training_run_id = $1 order by attempt, epoch", run_id
        )
        return [record_from(Epoch, row) for row in rows]

    async def log_lines(self, run_id: UUID, *, after: int, limit: int) -> list[LogLine]:
        """Log lines that arrived after a position."""
        rows = await self.pool.fetch(
            "select * from training_log where training_run_id = $1 and position > $2 order by position limit $3",
            run_id,
            after,
            limit,
        )
        return [record_from(LogLine, row) for row in rows]

    async def model_versions(self, model: str | None = None) -> list[ModelVersion]:
        """Model versions by name, newest first."""
        rows = await self.pool.fetch(
            "select * from model_version where ($1::text is null or model = $1) order by model, version desc", model
        )
        return [record_from(ModelVersion, row) for row in rows]

    async def model_version(self, model: str, version: int) -> ModelVersion | None:
        """One model version."""
        row = await self.pool.fetchrow("select * from model_version where model = $1 and version = $2", model, version)
        return None if row is None else record_from(ModelVersion, row)

    async def version_of_run(self, run_id: UUID) -> ModelVersion | None:
        """What a training run was registered as."""
        row = await self.pool.fetchrow("select * from model_version where training_run_id = $1", run_id)
        return None if row is None else record_from(ModelVersion, row)

    async def alias_changes(self, model: str) -> list[AliasChange]:
        """The history of a model's aliases, newest first, refusals included."""
        rows = await self.pool.fetch(
            "select * from alias_change where model = $1 order by at desc, event_id desc", model
        )
        return [record_from(AliasChange, row) for row in rows]

    async def aliases(self, model: str) -> dict[str, int]:
        """Where a model's aliases point."""
        return aliases_of(await self.alias_changes(model))

    async def workflow(self, name: str) -> Workflow | None:
        """A workflow by name."""
        definition = await self.pool.fetchval("select definition from workflow where name = $1", name)
        return None if definition is None else parse_workflow(definition, origin=f"workflow {name}")

    async def cameras(self) -> list[Camera]:
        """Every camera that sent a snapshot or a clip."""
        return [record_from(Camera, row) for row in await self.pool.fetch(CAMERAS)]

    async def snapshot(self, snapshot_id: str) -> dict[str, Any] | None:
        """One snapshot."""
        row = await self.pool.fetchrow("select * from snapshot where snapshot_id = $1", snapshot_id)
        return None if row is None else dict(row)

    async def clip(self, clip_id: str) -> dict[str, Any] | None:
        """One clip."""
        row = await self.pool.fetchrow("select * from clip where clip_id = $1", clip_id)
        return None if row is None else dict(row)

    async def samples_of_clip(self, clip_id: str) -> list[Sample]:
        """What became of a clip."""
        rows = await self.pool.fetch("select * from sample where clip_id = $1 order by workflow", clip_id)
        return [record_from(Sample, row) for row in rows]

    async def samples_of_snapshot(self, snapshot_id: str) -> list[Sample]:
        """What became of a snapshot, in each workflow."""
        rows = await self.pool.fetch("select * from sample where snapshot_id = $1 order by workflow", snapshot_id)
        return [record_from(Sample, row) for row in rows]
