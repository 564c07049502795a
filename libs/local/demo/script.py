"""The demo from its first to its last line. Every stage has a name, a limit to its silence, and a log."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from libs.common.workflows import Workflow
from libs.local.client import Client, read_endpoints
from libs.local.connections import console, object_store, registry
from libs.local.demo.acts import Stage, learned_from, promoted, request_build, until, with_company
from libs.local.demo.cameras import Cameras
from libs.local.demo.chain import Chain
from libs.local.demo.pictures import Batch
from libs.local.demo.preparing import camera_tokens, drawn_batches, newest_version, surroundings
from libs.local.demo.story import DemoFailed, Story
from libs.local.demo.summary import as_text, as_values, report_of
from libs.local.demo.watching import Watch
from libs.local.output import pairs

_TAKEOVER_SECONDS = 30.0


@dataclass(frozen=True)
class PictureStage(Stage):
    """A stage with cameras that take pictures."""

    cameras: Cameras


async def perform(workflow: Workflow, data_folder: Path, story: Story, seed: int) -> dict[str, Any]:
    """Run the demo on the running system. Raises `DemoFailed`; the system stays as it is."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="camloop-demo-") as temporary:
        enter = cast("Callable[[AbstractContextManager[Client]], Client]", stack.enter_context)
        asked, moved = enter(console()), enter(registry())
        known = await asyncio.to_thread(newest_version, moved, workflow.model_name)
        batches = await asyncio.to_thread(drawn_batches, workflow, story, seed, rounds=1 if known else 2)
        chain = Chain(workflow.name)
        watch = Watch(asked, chain, story, {shot.digest: shot for batch in batches for shot in batch})
        await asyncio.to_thread(watch.skip_the_past)
        around = surroundings(workflow, data_folder, Path(temporary))
        async with Cameras(await asyncio.to_thread(camera_tokens, workflow, story), around) as cameras:
            stage = PictureStage(workflow, story, watch, moved, cameras)
            await with_company(watch, _all_rounds(stage, batches, known))
        return await _end(stage, data_folder)


async def _all_rounds(stage: PictureStage, batches: Sequence[Batch], known: int) -> None:
    for number, batch in enumerate(batches, start=1):
        await _round(stage, batch, number)
    if known:
        stage.story.tell(f"version {known} stood from an earlier demo, so one more round was enough")


async def _round(stage: PictureStage, batch: Batch, number: int) -> None:
    """Once around: from new snapshots to a version that is promoted, or refused by the gate."""
    story, chain = stage.story, stage.chain
    versions = len(chain.versions)
    await _send(stage, batch, number)
    await _clean_and_review(stage, batch)
    if len(chain.versions) == versions and len(chain.fresh) < stage.workflow.dataset.build_after_samples:
        await request_build(stage)
    await until(stage, lambda: len(chain.versions) > versions, "dataset", "a dataset version")
    model = await learned_from(stage, chain.versions[-1].dataset_version_id)
    if await promoted(stage, model):
        await _taken_over(stage, model.version)
    elif number == 1 and model.version == 1:
        raise story.failure(f"the first model did not pass its gate: {'; '.join(model.gate.reasons)}", "evaluation")


async def _send(stage: PictureStage, batch: Batch, number: int) -> None:
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


async def _clean_and_review(stage: PictureStage, batch: Batch) -> None:
    story, chain = stage.story, stage.chain
    digests = {shot.digest for shot in batch}

    def judged() -> bool:
        return digests <= set(chain.captured.values()) and chain.judged >= len(chain.captured)

    await until(stage, judged, "cleaning", "verdicts")
    story.reach("cleaning", f"approved: {pairs(chain.rules())}; rejected: {pairs(chain.reasons())}; "
                            f"asked a person about: {len(chain.queued)}")  # fmt: skip
    await until(stage, lambda: not chain.waiting, "review", "the reviewer")
    story.reach("review", f"approved: {pairs(chain.rules())}; rejected: {pairs(chain.reasons())}")


async def _taken_over(stage: PictureStage, version: int) -> None:
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


async def _end(stage: PictureStage, data_folder: Path) -> dict[str, Any]:
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
