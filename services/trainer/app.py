"""Wires the trainer: store, runner of training runs, watch over the queue."""

import socket
from datetime import timedelta

import structlog

from libs.common import telemetry
from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from services.trainer.child import HINTS, missing_modules
from services.trainer.handlers import subscriptions
from services.trainer.runner import QueueWatch, TrainingRunner
from services.trainer.settings import Settings
from services.trainer.store import JOB, TrainerStore

log = structlog.get_logger()
DEFAULT_BACKEND = "ultralytics"


def create_app(settings: Settings) -> Service:
    """The trainer, ready to run. Without a training back-end it takes no run, and says what is missing."""

    async def wire(runtime: Runtime) -> None:
        store = TrainerStore(runtime.pool)
        jobs = Jobs(runtime.pool, owner=socket.gethostname(), lease=timedelta(seconds=settings.job_lease_seconds))
        runner = TrainingRunner(store, jobs, runtime.objects, runtime.configuration, settings)
        runtime.provide(store=store)
        telemetry.watch_disk("trainer", settings.work_folder)
        runtime.loops.append(QueueWatch(store).run)
        missing = missing_modules(DEFAULT_BACKEND)
        if missing:
            log.warning("training_backend_missing", missing=missing, what_to_do=HINTS[DEFAULT_BACKEND])
        else:
            runtime.loops.append(JobRunner(jobs, JOB, runner.work, runner.announce_failure).run)

    return Service("trainer", settings, subscriptions, wire)
