"""Builds the cleaner: the only place that knows what it is wired from."""

import asyncio
import socket
from datetime import timedelta
from functools import partial

from libs.common.children import Limits
from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from libs.common.warm_child import WarmChild
from services.cleaner.domain.clips import JOB
from services.cleaner.handlers import subscriptions
from services.cleaner.runner.clips import ClipCleaner
from services.cleaner.runner.queue import measure_queue
from services.cleaner.settings import Settings
from services.cleaner.store.clips import ClipStore
from services.cleaner.store.samples import CleanerStore


def create_app(settings: Settings) -> Service:
    """The cleaner, ready to run."""

    async def wire(runtime: Runtime) -> None:
        store = CleanerStore(runtime.pool)
        decoder = WarmChild(Limits(settings.decoder_memory_bytes, settings.decoder_seconds))
        clips, wake = ClipStore(runtime.pool), asyncio.Event()
        runtime.provide(store=store, clips=clips, decoder=decoder, wake=wake)
        runtime.loops.append(decoder.run)
        jobs = Jobs(runtime.pool, owner=socket.gethostname(), lease=timedelta(seconds=settings.job_lease_seconds))
        cleaner = ClipCleaner(store, clips, jobs, runtime.objects, runtime.configuration, settings)
        looking = JobRunner(
            jobs, JOB, cleaner.work, cleaner.give_up, retry_seconds=settings.retry_base_seconds, wake=wake
        )
        runtime.loops.append(looking.run)
        runtime.loops.append(partial(measure_queue, store, every_seconds=settings.queue_measure_seconds))

    return Service("cleaner", settings, subscriptions, wire)
