"""Judges the clips of cameras by the champion of their workflow, one leased job each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from libs.common import outbox
from libs.common.clip_orders import ClipOrder
from libs.common.configuration import Configuration
from libs.common.envelope import stable_id
from libs.common.errors import Permanent
from libs.common.events import ModelRef, WashJudged
from libs.common.jobs import Jobs, Lease
from libs.common.objects import Objects
from libs.common.postgres import Connection
from libs.common.runner import Pulse
from libs.vision.procedures import procedure_of
from libs.vision.segments import TimedSegment
from services.evaluator.domain.temporal_assignment import ShippedClipModel
from services.evaluator.domain.wash_orders import announcement
from services.evaluator.domain.washes import judged_wash
from services.evaluator.domain.words import Words
from services.evaluator.runner.cache import Cache
from services.evaluator.runner.fetching import Fetcher
from services.evaluator.runner.temporal.fetching import ClipFetcher
from services.evaluator.store import EvaluatorStore

log = structlog.get_logger()


@dataclass(frozen=True)
class WashJudge:
    """`work` is what the job runner calls for a lease on a camera's clip."""

    store: EvaluatorStore
    jobs: Jobs
    objects: Objects
    configuration: Configuration
    cache: Cache
    clips: ClipFetcher

    async def work(self, lease: Lease, pulse: Pulse) -> None:
        """Run the champion on one clip and say what it saw. Without a champion any more there is nothing to say."""
        order = ClipOrder.read(lease.spec)
        clip, workflow = order.clip, await self.configuration.workflow(order.clip.workflow)
        running = await self.store.champion(clip.workflow)
        if running is None or workflow.procedure is None:
            return await self._nothing_to_say(lease)
        async with self.cache.desk(f"{lease.job_id}-{lease.prefix}") as desk:
            pulse.progress = {"stage": "features"}
            fetcher = Fetcher(self.objects, self.cache, desk)
            model = await fetcher.clip_model(f"{running.model}@{running.version}", running.artifacts, None)
            features = await self.clips.features(clip.video, model.reads)
            segments, visible = await self.clips.child.call(watch, model, str(features))
        procedure = procedure_of(workflow.procedure)
        wash = judged_wash(segments, procedure, visible_share=visible)
        said = announcement(
            clip,
            wash,
            procedure,
            {each.name: Words(each.title.en, each.title.zh) for each in workflow.all_classes},
            model=ModelRef(name=running.model, version=running.version),
            measured=running.metrics,
            visible_share=visible,
        )
        await self._announce(lease, order, said)

    async def _nothing_to_say(self, lease: Lease) -> None:
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self.jobs.finish(connection, lease, {"verdict": None, "why": "the workflow has no champion"})

    async def _announce(self, lease: Lease, order: ClipOrder, said: WashJudged) -> None:
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self.jobs.finish(connection, lease, {"verdict": said.verdict, "model": str(said.model)})
            identity = stable_id(lease.job_id, WashJudged.topic)
            await outbox.add(connection, said, cause=order.cause, event_id=identity)
        log.info("wash_judged", clip_id=said.clip_id, verdict=said.verdict, missing=said.missing_steps)

    async def give_up(self, connection: Connection, spec: dict[str, Any], attempt: int, reason: str) -> None:
        """A clip that can't be judged is the cleaner's to reject; here it is only said why there is no verdict."""
        log.warning("wash_not_judged", clip_id=spec["clip"]["clip_id"], attempts=attempt, reason=reason)


def watch(model: ShippedClipModel, features: str) -> tuple[tuple[TimedSegment, ...], float]:
    """What the model says of a clip, and the share of it in which hands are in sight. Runs in the child."""
    from libs.vision.features import from_bytes
    from libs.vision.onnx_sessions import SignatureError
    from libs.vision.temporal_inference import TemporalModel, decode

    read = from_bytes(Path(features).read_bytes())
    try:
        posteriors = TemporalModel(model.path, model.classes, threads=1).posteriors(read)
    except SignatureError as error:
        raise Permanent(f"{model.name} can't be run: {error}") from error
    segments = decode(
        posteriors,
        model.classes,
        frames_per_second=read.frames_per_second,
        smooth_seconds=model.decoding.smooth_seconds,
        shortest_seconds=model.decoding.shortest_seconds,
        background=model.classes[0],
    )
    return segments, read.visible_share
