"""Judged washes, as they are listed and as they are counted. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from libs.common.errors import Permanent
from libs.common.postgres import Pool
from services.console.domain.compliance import MeasuredModel, Wash
from services.console.domain.washes import JudgedWash
from services.console.store.rows import record_from
from services.console.store.views import Page

MOST = 200_000
"""Washes of one report: what fits into memory and onto a page. A plant with 20 sinks fills it in about a quarter."""


@dataclass(frozen=True)
class WashFilter:
    """Which washes somebody wants to see: captured from `since` on and before `until`."""

    workflow: str | None = None
    camera: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    verdict: str | None = None

    def values(self) -> tuple[object, ...]:
        """In the order of the statement."""
        return self.workflow, self.camera, self.since, self.until, self.verdict


WASHES = """
    from wash where ($1::text is null or workflow = $1) and ($2::text is null or camera_id = $2)
        and ($3::timestamptz is null or captured_at >= $3) and ($4::timestamptz is null or captured_at < $4)
        and ($5::text is null or verdict = $5)
"""
COUNTED = f"""
    select clip_id, camera_id, captured_at, verdict, missing_steps, total_seconds, model, version,
        (measured_error ->> 'sensitivity')::float8 as sensitivity, (measured_error ->> 'specificity')::float8 as specificity
    {WASHES} order by captured_at, clip_id limit {MOST + 1}
"""


@dataclass(frozen=True)
class WashViews:
    """SQL of washes."""

    pool: Pool

    async def page(self, wanted: WashFilter, *, limit: int, offset: int) -> Page[JudgedWash]:
        """Washes, the newest first."""
        total = await self.pool.fetchval(f"select count(*) {WASHES}", *wanted.values())
        rows = await self.pool.fetch(
            f"select * {WASHES} order by captured_at desc, clip_id, model, version limit $6 offset $7",
            *wanted.values(),
            limit,
            offset,
        )
        return Page([record_from(JudgedWash, row) for row in rows], total or 0, limit, offset)

    async def of_clip(self, clip_id: str) -> list[JudgedWash]:
        """What models made of a clip, the last verdict first."""
        rows = await self.pool.fetch(
            "select * from wash where clip_id = $1 order by judged_at desc, event_id desc", clip_id
        )
        return [record_from(JudgedWash, row) for row in rows]

    async def counted(self, wanted: WashFilter) -> list[Wash]:
        """All of them, as a report counts them. Raises `Permanent` for more than a report can hold."""
        rows = await self.pool.fetch(COUNTED, *wanted.values())
        if len(rows) > MOST:
            raise Permanent(f"More than {MOST} washes are too many for one report: ask for a shorter time")
        return [
            Wash(
                row["clip_id"], row["camera_id"], row["captured_at"], row["verdict"], tuple(row["missing_steps"]),
                row["total_seconds"], MeasuredModel(row["model"], row["version"], row["sensitivity"], row["specificity"]),
            )
            for row in rows
        ]  # fmt: skip
