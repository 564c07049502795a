"""The loop no event triggers: how many samples wait for a person is measured, also while nothing arrives."""

import asyncio

import structlog

from libs.common import telemetry
from libs.common.postgres import DATABASE_TROUBLE
from services.cleaner.store.samples import CleanerStore

log = structlog.get_logger()


async def measure_queue(store: CleanerStore, *, every_seconds: float) -> None:
    """Keep the gauge true for ever; a database that is down for a while only leaves it old."""
    while True:
        try:
            for workflow, waiting in (await store.queue_lengths()).items():
                telemetry.review_queue.labels(workflow).set(waiting)
            for workflow, seconds in (await store.queue_ages()).items():
                telemetry.review_queue_age.labels(workflow).set(seconds)
        except DATABASE_TROUBLE as error:
            log.warning("review_queue_not_measured", error=str(error) or type(error).__name__)
        await asyncio.sleep(every_seconds)
