"""Wires the console: stores, routes, workflow files, dead letters, rebuilding."""

import socket
from datetime import timedelta

from fastapi import APIRouter

from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from services.console.api import operating, reading, requesting, streaming, washing
from services.console.handlers import subscriptions
from services.console.runner.dead_letters import DeadLetterReader
from services.console.runner.lag import LagMeter
from services.console.runner.rebuilding import Rebuilder
from services.console.runner.workflow_files import WorkflowFiles
from services.console.settings import Settings
from services.console.store.dead_letters import DeadLetterStore
from services.console.store.log import EventLog
from services.console.store.rebuilds import JOB, ask_for_rebuild
from services.console.store.views import Views
from services.console.store.washes import WashViews
from services.console.store.why import Causes
from services.console.store.workflows import WorkflowStore

routes = APIRouter()
for part in (reading, washing, streaming, requesting, operating):
    routes.include_router(part.router)


def create_app(settings: Settings) -> Service:
    """The console's back end, ready to run."""

    async def wire(runtime: Runtime) -> None:
        pool = runtime.pool
        views, log, letters, washes = Views(pool), EventLog(pool), DeadLetterStore(pool), WashViews(pool)
        workflows, streams = WorkflowStore(pool), streaming.Streams()
        jobs = Jobs(pool, owner=socket.gethostname(), lease=timedelta(seconds=settings.job_lease_seconds))
        rebuilder = Rebuilder(pool, jobs, settings)
        runtime.provide(
            views=views,
            washes=washes,
            event_log=log,
            dead_letters=letters,
            causes=Causes(log, views, washes, letters, runtime.objects),
            workflow_store=workflows,
            streams=streams,
            jobs=jobs,
        )
        runtime.loops += [
            WorkflowFiles(workflows, settings.workflows_folder, settings.workflow_poll_seconds).run,
            DeadLetterReader(settings, letters).run,
            LagMeter(settings, settings.lag_measure_seconds).run,
            JobRunner(jobs, JOB, rebuilder.work, rebuilder.on_failed).run,
            streams.run,
        ]
        if settings.rebuild_on_start:
            async with pool.acquire() as connection, connection.transaction():
                await ask_for_rebuild(connection, "CONSOLE_REBUILD_ON_START is set")

    return Service("console", settings, subscriptions, wire, routes=routes, pool_size=12)
