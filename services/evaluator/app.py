"""Wires the evaluator: store, cache of pictures and models, runner of evaluations."""

import asyncio
import socket
from datetime import timedelta

from libs.common import telemetry
from libs.common.derived import DerivedObjects
from libs.common.jobs import Jobs
from libs.common.runner import JobRunner
from libs.common.service import Runtime, Service
from libs.common.warm_child import CLIPS_PER_CHILD, WarmChild
from services.evaluator.domain.wash_orders import JOB as WASH_JOB
from services.evaluator.handlers import subscriptions
from services.evaluator.runner.cache import Cache
from services.evaluator.runner.temporal.fetching import ClipFetcher
from services.evaluator.runner.washes import WashJudge
from services.evaluator.runner.work import EvaluationRunner
from services.evaluator.settings import Settings
from services.evaluator.store import JOB, EvaluatorStore


def create_app(settings: Settings) -> Service:
    """The evaluator, ready to run."""

    async def wire(runtime: Runtime) -> None:
        store = EvaluatorStore(runtime.pool)
        jobs = Jobs(runtime.pool, owner=socket.gethostname(), lease=timedelta(seconds=settings.job_lease_seconds))
        cache = Cache(settings.cache_folder.resolve(), limit_bytes=int(settings.cache_gigabytes * 1e9))
        derived = DerivedObjects(runtime.objects, settings.s3_bucket, settings.cache_folder.resolve() / "clips")
        # A child for each of the two: an evaluation of many clips is not to hold up the verdicts on cameras' clips.
        clips, live = (
            ClipFetcher(derived, WarmChild(settings.child_limits, most_calls=CLIPS_PER_CHILD), settings.pose_weights)
            for _ in range(2)
        )
        runner = EvaluationRunner(store, jobs, runtime.objects, runtime.configuration, cache, settings, clips)
        wake = asyncio.Event()
        wash_wake = asyncio.Event()
        runtime.provide(store=store, wake=wake, wash_wake=wash_wake)
        telemetry.watch_disk("evaluator", settings.cache_folder)
        loop = JobRunner(
            jobs, JOB, runner.work, runner.announce_failure, retry_seconds=settings.retry_base_seconds, wake=wake
        )
        runtime.loops.append(loop.run)
        judge = WashJudge(store, jobs, runtime.objects, runtime.configuration, cache, live)
        washes = JobRunner(
            jobs, WASH_JOB, judge.work, judge.give_up, retry_seconds=settings.retry_base_seconds, wake=wash_wake
        )
        runtime.loops.append(washes.run)

    return Service("evaluator", settings, subscriptions, wire)
