"""Puts the dataset service together."""

import os
import socket
from datetime import timedelta

from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from services.dataset import api
from services.dataset.domain.orders import KIND
from services.dataset.handlers import subscriptions
from services.dataset.runner.builds import Builder
from services.dataset.runner.policies import PolicyLoop
from services.dataset.settings import Settings
from services.dataset.store.samples import CONSUMER, SampleStore
from services.dataset.store.versions import VersionStore


def create_app(settings: Settings) -> Service:
    """The service, not yet connected to anything."""

    async def wire(runtime: Runtime) -> None:
        samples, versions = SampleStore(runtime.pool), VersionStore(runtime.pool)
        worker = f"{socket.gethostname()}:{os.getpid()}"
        jobs = Jobs(runtime.pool, worker, timedelta(seconds=settings.job_lease_seconds))
        builder = Builder(samples, versions, runtime.objects, runtime.configuration, jobs, settings.s3_bucket)
        runner = JobRunner(jobs, KIND, builder.build, builder.fail)
        policies = PolicyLoop(samples, versions, runtime.configuration, runner.wake, settings.poll_seconds)
        runtime.provide(samples=samples, versions=versions, wake=runner.wake)
        runtime.loops += [runner.run, policies.run]

    return Service(CONSUMER, settings, subscriptions, wire, routes=api.router)
