"""The demo of hand washes: clips with segments become a model, which then judges clips that nobody has looked at."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from libs.common.events import ModelRegistered
from libs.common.workflows import Workflow
from libs.local.client import Client, read_endpoints
from libs.local.connections import console, object_store, registry
from libs.local.demo.acts import Stage, learned_from, promoted, request_build, until, with_company
from libs.local.demo.chain import Chain
from libs.local.demo.preparing import tokens_of
from libs.local.demo.story import Story
from libs.local.demo.summary import as_values, report_of, version_lines
from libs.local.demo.wash_workflow import lay_down, shortened, wait_until_known
from libs.local.demo.washes import CAMERAS, RIGHT_SHARE, Judged, Washes, compared, planned, right_share, send
from libs.local.demo.watching import Watch
from libs.local.output import pairs
from libs.local.settings import LocalSettings

_CLIPS_PER_BUILD = 1.5
_RULE = "-" * 78


@dataclass(frozen=True)
class WashStage(Stage):
    """A stage with cameras over sinks. `learn` are sent with their segments, `unseen` without."""

    learn: Washes
    unseen: Washes
    folder: Path
    ingest: str
    tokens: Mapping[str, str]


async def perform_washes(asked: Workflow, settings: LocalSettings, story: Story, seed: int) -> dict[str, Any]:
    """Run the demo on the running system. Raises `DemoFailed`; the system stays as it is."""
    workflow = shortened(asked)
    path = await asyncio.to_thread(lay_down, workflow, settings.workflows_folder)
    assert workflow.procedure is not None
    story.reach("start", f"{path}: {asked.name} with shorter times ({workflow.procedure.minimum_seconds:g} s in all)")
    story.tell("it reads shapes and motion (classic): nobody finds the points of drawn hands")
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="camloop-demo-") as temporary:
        enter = cast("Callable[[AbstractContextManager[Client]], Client]", stack.enter_context)
        talking, moved = enter(console()), enter(registry())
        if not await asyncio.to_thread(wait_until_known, talking, workflow):
            raise story.failure(f"the system does not read {path}: uv run camloop status")
        count = asked.dataset.build_after_samples
        watch = Watch(talking, Chain(workflow.name), story, {})
        await asyncio.to_thread(watch.skip_the_past)
        stage = WashStage(
            workflow, story, watch, moved,
            learn=planned(workflow, round(_CLIPS_PER_BUILD * count), seed, annotated=True),
            unseen=planned(workflow, count, seed + 1, annotated=False),
            folder=Path(temporary),
            ingest=read_endpoints(settings.data_folder).http["ingest"],
            tokens=await asyncio.to_thread(tokens_of, CAMERAS),
        )  # fmt: skip
        await with_company(watch, loop(stage))
        return await _end(stage, settings.data_folder)


async def loop(stage: WashStage) -> None:
    """From clips with segments to a champion that has judged others. Raises `DemoFailed`."""
    story, chain = stage.story, stage.chain
    clips, cameras = len(stage.learn.plans), ", ".join(stage.tokens)
    story.reach("cameras", f"{cameras}: drawing and sending {clips} washes with their segments")
    await _sent(stage, stage.learn)

    def judged() -> bool:
        return stage.learn.plans.keys() <= chain.captured.keys() and chain.judged >= clips

    await until(stage, judged, "cleaning", "verdicts")
    story.reach("cleaning", f"approved: {pairs(chain.rules())}; rejected: {pairs(chain.reasons())}")
    await request_build(stage)
    await until(stage, lambda: bool(chain.versions), "dataset", "a dataset version")
    model = await learned_from(stage, chain.versions[-1].dataset_version_id)
    if not await promoted(stage, model):
        raise story.failure(f"the model did not pass its gate: {'; '.join(model.gate.reasons)}", "evaluation")
    await _judge_unseen(stage, model)


async def _judge_unseen(stage: WashStage, model: ModelRegistered) -> None:
    wanted = stage.unseen.plans.keys()
    stage.story.reach("cameras", f"drawing {len(wanted)} other washes and sending them without segments")
    # All are drawn before the first is sent: the champion is known everywhere by then.
    await asyncio.to_thread(stage.unseen.draw, stage.folder)
    await _sent(stage, stage.unseen)
    await until(stage, lambda: wanted <= stage.chain.washes.keys(), "judging", "verdicts of the champion")
    said = {stage.chain.washes[clip_id].model.version for clip_id in wanted}
    if said != {model.version}:
        raise stage.story.failure(f"versions {sorted(said)} judged the clips, not only version {model.version}")


async def _sent(stage: WashStage, washes: Washes) -> None:
    await asyncio.to_thread(send, washes, stage.folder, ingest=stage.ingest, tokens=stage.tokens)
    stage.story.reach("cameras", f"all {len(washes.plans)} clips are sent, each by its camera's own token")


async def _end(stage: WashStage, data_folder: Path) -> dict[str, Any]:
    """Fetch the report, tell the summary. Raises `DemoFailed` when too many verdicts are wrong."""
    story, chain = stage.story, stage.chain
    story.stage = "judging"
    judged = compared(stage.unseen, chain.washes)
    reports = await _reports(chain, data_folder)
    for line in _summary(stage, judged, reports):
        story.write(line)
    if right_share(judged) < RIGHT_SHARE:
        raise story.failure(
            f"{100 * right_share(judged):.0f} % of the verdicts are right, {100 * RIGHT_SHARE:.0f} % should be"
        )
    return as_values(chain, reports) | {
        "clips": len(stage.learn.plans),
        "judged": len(judged),
        "right": sum(each.right for each in judged),
        "steps_missing": sum(len(each.truly_missing) for each in judged),
        "steps_named": sum(len(each.named) for each in judged),
    }


async def _reports(chain: Chain, data_folder: Path) -> list[Path]:
    reports: list[Path] = []
    for model in chain.registered:
        found = report_of(chain.evaluated[model.training_run_id])
        if found is not None:
            reports.append(data_folder / "reports" / f"{model.model}-v{model.version}.html")
            await object_store().get_file(found.uri, reports[-1], expected_sha256=found.sha256)
    return reports


def _summary(stage: WashStage, judged: Sequence[Judged], reports: Sequence[Path]) -> list[str]:
    chain, right = stage.chain, sum(each.right for each in judged)
    minutes = (time.monotonic() - stage.story.started) / 60
    newest = chain.registered[-1]
    return [
        _RULE,
        *(each.line() for each in judged),
        _RULE,
        f"The loop of {chain.workflow} went round in {minutes:.1f} minutes.",
        f"clips      {len(stage.learn.plans)} to learn from; approved: {pairs(chain.rules())}; "
        f"rejected: {pairs(chain.reasons())}",
        *version_lines(chain, newest),
        f"verdicts   {right} of {len(judged)} clips it had never seen are judged right",
        f"steps      {sum(len(each.named) for each in judged)} of {sum(len(each.truly_missing) for each in judged)} "
        "missing steps are named",
        *(f"report     {path}" for path in reports),
        f"next       uv run camloop analyze CLIP --workflow {chain.workflow} --out seen.mp4",
        f"           uv run camloop why {newest.model}@{newest.version}",
        "           make down stops it; until then it goes on in the background",
        _RULE,
    ]
