"""What cameras report of the versions they run."""

from dataclasses import dataclass

from libs.common.envelope import Envelope
from libs.common.events import PredictionReported
from libs.common.postgres import Connection, Pool
from services.registry.domain import CameraReport

ADD = """
    insert into prediction (event_id, model, version, camera_id, at, window_seconds, images, detections_per_class,
        confidence_histogram, latency_ms, verdicts)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing
"""
PER_CAMERA = """
    with mine as (select * from prediction where model = $1 and version = $2),
    detected as (
        select camera_id, jsonb_object_agg(label, number) as detections_per_class from (
            select camera_id, key as label, sum(value::bigint) as number
            from mine, jsonb_each_text(detections_per_class) group by camera_id, key
        ) as by_label group by camera_id
    )
    select camera_id, count(*) as windows, sum(images)::bigint as images, sum(window_seconds) as seconds, max(at) as last_at,
        coalesce((select d.detections_per_class from detected d where d.camera_id = mine.camera_id), '{}') as detections_per_class,
        (array_agg(latency_ms order by at desc, event_id))[1] as latency_ms
    from mine group by camera_id order by camera_id
"""


@dataclass(frozen=True)
class PredictionStore:
    """SQL of predictions."""

    pool: Pool

    async def add(self, connection: Connection, envelope: Envelope, event: PredictionReported) -> None:
        """Keep a window."""
        await connection.execute(
            ADD, envelope.event_id, event.model.name, event.model.version, event.camera_id, event.at,
            event.window_seconds, event.images, event.detections_per_class, event.confidence_histogram,
            event.latency_ms, event.verdicts,
        )  # fmt: skip

    async def per_camera(self, model: str, version: int) -> list[CameraReport]:
        """All windows of a version, added up per camera; latency is that of the newest."""
        rows = await self.pool.fetch(PER_CAMERA, model, version)
        return [CameraReport(**dict(row)) for row in rows]
