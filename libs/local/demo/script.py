"""The demo from its first to its last line. Every stage has a name, a limit to its silence, and a log."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from libs.common.events import ModelRegistered
from libs.common.workflows import Workflow
from libs.local.client import Client, read_endpoints
from libs.local.connections import console, object_store, registry
from libs.local.demo.cameras import Cameras
from libs.local.demo.chain import Chain
from libs.local.demo.pictures import Batch
from libs.local.demo.preparing import camera_tokens, drawn_batches, newest_version, surroundings
from libs.local.demo.story import DemoFailed, Story
from libs.local.demo.summary import as_text, as_values, report_of
from libs.local.demo.watching import Watch
from libs.local.output import pairs

# measured on two busy cores: an epoch of 88 pictures takes 20 s, the first one and the export 60 s.
QUIET_SECONDS = {"cleaning": 60.0, "review": 60.0, "dataset": 60.0, "training": 240.0, "evaluation": 180.0}
_TAKEOVER_SECONDS = 30.0


@dataclass(frozen=True)
class Stage:
    """Everything the acts of the demo share."""

    workflow: Workflow
    story: Story
    watch: Watch
    cameras: Cameras
    registry: Client

    @property
    def chain(self) -> Chain:
        return self.watch.chain


async def perform(workflow: Workflow, data_folder: Path, story: Story) -> dict[str, Any]:
    """Run the demo on the running system. Raises `DemoFailed`; the system stays as it is."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="camloop-demo-") as temporary:
        enter = cast("Callable[[AbstractContextManager[Client]], Client]", stack.enter_context)
        asked, moved = enter(console()), enter(registry())
        known = await asyncio.to_thread(newest_version, moved, workflow.model_name)
        batches = await asyncio.to_thread(drawn_batches, workflow, story, rounds=1 if known else 2)
        chain = Chain(workflow.name)
        watch = Watch(asked, chain, story, {shot.digest: shot for batch in batches for shot in batch})
        await asyncio.to_thread(watch.skip_the_past)
        around = surroundings(workflow, data_folder, Path(temporary))
        async with Cameras(await asyncio.to_thread(camera_tokens, workflow, story), around) as cameras:
            stage = Stage(workflow, story, watch, cameras, moved)
            await _with_company(watch, _all_rounds(stage, batches, known))
        return await _end(stage, data_folder)


async def _with_company(watch: Watch, acts: Any) -> None:
    """Follow the loop and review while the acts go on; whatever fails first ends all three."""
    try:
        async with asyncio.TaskGroup() as group:
            company = [group.create_task(watch.follow()), group.create_task(watch.review())]
            await acts
            for task in company:
                task.cancel()
    except BaseExceptionGroup as troubles:
        raise troubles.exceptions[0] from None


async def _all_rounds(stage: Stage, batches: Sequence[Batch], known: int) -> None:
    for number, batch in enumerate(batches, start=1):
        await _round(stage, batch, number)
    if known:
        stage.story.tell(f"version {known} stood from an earlier demo, so one more round was enough")


async def _round(stage: Stage, batch: Batch, number: int) -> None:
    """Once around: from new snapshots to a version that is promoted, or refused by the gate."""
    story, chain = stage.story, stage.chain
    versions = len(chain.versions)
    await _send(stage, batch, number)
    await _clean_and_review(stage, batch)
    if len(chain.versions) == versions:
        await _request_build_if_too_few(stage)
    await _until(stage, lambda: len(chain.versions) > versions, "dataset", "a dataset version")
    built = chain.versions[-1].dataset_version_id
    await _until(stage, lambda: chain.trained_on(built) is not None, "training", "the training run")
    await _until(stage, lambda: chain.evaluated_on(built) is not None, "evaluation", "the evaluation")
    await _until(stage, lambda: chain.registered_from(built) is not None, "registration", "the model version")
    model = chain.registered_from(built)
    assert model is not None
    if await _promoted(stage, model):
        await _taken_over(stage, model.version)
    elif number == 1 and model.version == 1:
        raise story.failure(f"the first model did not pass its gate: {'; '.join(model.gate.reasons)}", "evaluation")


async def _send(stage: Stage, batch: Batch, number: int) -> None:
    annotated = sum(shot.annotated for shot in batch)
    stage.story.reach("cameras", f"batch {number}: {batch.size} snapshots, {annotated} of them with boxes")
    before = stage.cameras.sent
    await asyncio.to_thread(stage.cameras.take, batch)
    deadline = time.monotonic() + 30 + 5 * batch.size
    while stage.cameras.sent < before + batch.size:
        dead = stage.cameras.dead()
        if dead or time.monotonic() > deadline:
            raise stage.story.failure(dead or f"only {stage.cameras.sent - before} of {batch.size} snapshots were sent")
        await asyncio.sleep(0.3)
    stage.story.reach("cameras", f"all {batch.size} snapshots are sent")


async def _clean_and_review(stage: Stage, batch: Batch) -> None:
    story, chain = stage.story, stage.chain
    digests = {shot.digest for shot in batch}

    def judged() -> bool:
        return digests <= set(chain.captured.values()) and chain.judged >= len(chain.captured)

    await _until(stage, judged, "cleaning", "verdicts")
    story.reach("cleaning", f"approved: {pairs(chain.rules())}; rejected: {pairs(chain.reasons())}; "
                            f"asked a person about: {len(chain.queued)}")  # fmt: skip
    await _until(stage, lambda: not chain.waiting, "review", "the reviewer")
    story.reach("review", f"approved: {pairs(chain.rules())}; rejected: {pairs(chain.reasons())}")


async def _request_build_if_too_few(stage: Stage) -> None:
    """A workflow that waits for more samples than the demo sends is asked to build now."""
    fresh = len(stage.chain.fresh)
    needed = stage.workflow.dataset.build_after_samples
    if fresh >= needed:
        return
    stage.story.reach("dataset", f"{fresh} new samples; by itself it builds after {needed}: requested now")
    body = {"workflow": stage.workflow.name, "reason": "the demo does not send more"}
    await asyncio.to_thread(stage.watch.console.post, "/api/builds", body)


async def _promoted(stage: Stage, model: ModelRegistered) -> bool:
    """Whether cameras will run it: by the gate alone, or, where a person decides, because the demo says so."""
    if not model.gate.passed:
        stage.story.reach("promotion", f"{model.model}@{model.version} stays unused: {'; '.join(model.gate.reasons)}")
        return False
    if stage.workflow.promotion == "manual":
        path = f"/v1/models/{model.model}/versions/{model.version}/promote"
        body = {"reason": "its gate passed", "by": "demo-operator"}
        await asyncio.to_thread(stage.registry.post, path, body)
    await _until(stage, lambda: model.version in stage.chain.promoted, "promotion", "the promotion")
    return True


async def _taken_over(stage: Stage, version: int) -> None:
    """All cameras run the version. They ask every moment, so this takes seconds."""
    since, names = time.monotonic(), stage.cameras.names
    stage.story.stage = "takeover"
    while len(stage.cameras.running(version)) < len(names):
        lacking = [name for name in names if name not in stage.cameras.running(version)]
        if time.monotonic() - since > _TAKEOVER_SECONDS:
            log = stage.cameras.log_of(lacking[0])
            raise DemoFailed("takeover", f"{', '.join(lacking)} did not take over version {version}", log)
        await asyncio.sleep(0.2)
    took = time.monotonic() - since
    stage.story.tell(f"{', '.join(names)} run version {version}, {took:.1f} s after its promotion was seen")


async def _until(stage: Stage, reached: Callable[[], bool], name: str, what: str) -> None:
    await stage.watch.until(reached, name, what=what, quiet_seconds=QUIET_SECONDS.get(name, 60.0))


async def _end(stage: Stage, data_folder: Path) -> dict[str, Any]:
    """Fetch the reports and tell the summary."""
    story, chain = stage.story, stage.chain
    story.stage = "summary"
    reports: list[Path] = []
    for model in chain.registered:
        found = report_of(chain.evaluated[model.training_run_id])
        if found is not None:
            reports.append(data_folder / "reports" / f"{model.model}-v{model.version}.html")
            await object_store().get_file(found.uri, reports[-1], expected_sha256=found.sha256)
    web = f"cameras may send to {read_endpoints(data_folder).http['ingest']}: deploy/examples/camera.py shows how"
    for line in as_text(chain, reports, seconds=time.monotonic() - story.started, hint=web):
        story.write(line)
    return as_values(chain, reports)
