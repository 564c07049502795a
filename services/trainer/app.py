"""Wires the trainer: store, runner of training runs, watch over the queue."""

import socket
from datetime import timedelta

import structlog

from libs.common import telemetry
from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from services.trainer.child import HINTS, MODULES, missing_modules
from services.trainer.handlers import subscriptions
from services.trainer.runner import QueueWatch, TrainingRunner
from services.trainer.settings import Settings
from services.trainer.store import JOB, TrainerStore

log = structlog.get_logger()


def create_app(settings: Settings) -> Service:
    """The trainer, ready to run. It takes runs of the back-ends that are installed, and says which are not."""

    async def wire(runtime: Runtime) -> None:
        store = TrainerStore(runtime.pool)
        jobs = Jobs(runtime.pool, owner=socket.gethostname(), lease=timedelta(seconds=settings.job_lease_seconds))
        runner = TrainingRunner(store, jobs, runtime.objects, runtime.configuration, settings)
        runtime.provide(store=store)
        telemetry.watch_disk("trainer", settings.work_folder)
        runtime.loops.append(QueueWatch(store).run)
        installed = tuple(name for name in MODULES if not missing_modules(name))
        for name in set(MODULES) - set(installed):
            log.warning("training_backend_missing", missing=missing_modules(name), what_to_do=HINTS[name])
        if installed:
            loop = JobRunner(jobs, JOB, runner.work, runner.announce_failure, offers=installed)
            runtime.loops.append(loop.run)

    return Service("trainer", settings, subscriptions, wire)
