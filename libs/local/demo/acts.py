"""What every demo does between its cameras and a promoted model, whatever the cameras see."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.events import ModelRegistered
from libs.common.workflows import Workflow
from libs.local.client import Client
from libs.local.demo.chain import Chain
from libs.local.demo.story import Story
from libs.local.demo.watching import Watch

# measured on two busy cores: an epoch of 88 pictures takes 20 s, the first one and the export 60 s.
QUIET_SECONDS = {"cleaning": 60.0, "review": 60.0, "dataset": 60.0, "training": 240.0, "evaluation": 180.0}


@dataclass(frozen=True)
class Stage:
    """Everything the acts of a demo share."""

    workflow: Workflow
    story: Story
    watch: Watch
    registry: Client

    @property
    def chain(self) -> Chain:
        return self.watch.chain


async def with_company(watch: Watch, acts: Any) -> None:
    """Follow the loop and review while the acts go on; whatever fails first ends all three."""
    try:
        async with asyncio.TaskGroup() as group:
            company = [group.create_task(watch.follow()), group.create_task(watch.review())]
            await acts
            for task in company:
                task.cancel()
    except BaseExceptionGroup as troubles:
        raise troubles.exceptions[0] from None


async def until(stage: Stage, reached: Callable[[], bool], name: str, what: str) -> None:
    """Wait for what has to come next, as long as something goes on."""
    await stage.watch.until(reached, name, what=what, quiet_seconds=QUIET_SECONDS.get(name, 60.0))


async def request_build(stage: Stage) -> None:
    """A workflow that waits for more samples than the demo sends is asked to build now."""
    fresh, needed = len(stage.chain.fresh), stage.workflow.dataset.build_after_samples
    stage.story.reach("dataset", f"{fresh} new samples; by itself it builds after {needed}: requested now")
    body = {"workflow": stage.workflow.name, "reason": "the demo does not send more"}
    await asyncio.to_thread(stage.watch.console.post, "/api/builds", body)


async def learned_from(stage: Stage, built: UUID) -> ModelRegistered:
    """The model version that comes of a dataset version, once it is registered."""
    chain = stage.chain
    await until(stage, lambda: chain.trained_on(built) is not None, "training", "the training run")
    await until(stage, lambda: chain.evaluated_on(built) is not None, "evaluation", "the evaluation")
    await until(stage, lambda: chain.registered_from(built) is not None, "registration", "the model version")
    model = chain.registered_from(built)
    assert model is not None
    return model


async def promoted(stage: Stage, model: ModelRegistered) -> bool:
    """Whether cameras will run it: by the gate alone, or, where a person decides, because the demo says so."""
    if not model.gate.passed:
        stage.story.reach("promotion", f"{model.model}@{model.version} stays unused: {'; '.join(model.gate.reasons)}")
        return False
    if stage.workflow.promotion == "manual":
        path = f"/v1/models/{model.model}/versions/{model.version}/promote"
        body = {"reason": "its gate passed", "by": "demo-operator"}
        await asyncio.to_thread(stage.registry.post, path, body)
    await until(stage, lambda: model.version in stage.chain.promoted, "promotion", "the promotion")
    return True
