"""What became of samples, counted and logged once their transaction stands."""

from collections.abc import Iterable

import structlog

from libs.common import telemetry
from services.cleaner.domain.samples import Sample

log = structlog.get_logger()


def count(samples: Iterable[Sample]) -> None:
    """Say of each new sample how it was judged."""
    for sample in samples:
        reason = sample.reason or sample.decided_by or "queued"
        telemetry.samples.labels(sample.workflow, sample.verdict, reason).inc()
        log.info(
            "sample_judged",
            verdict=sample.verdict,
            sample_id=str(sample.sample_id),
            workflow=sample.workflow,
            snapshot_id=sample.snapshot_id,
            clip_id=sample.clip_id,
            reason=reason,
            why=sample.why or sample.detail,
        )
