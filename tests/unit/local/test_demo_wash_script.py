"""The acts of the hand-wash demo in their order, against a console and a registry that answer at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.common.workflows import load_workflow
from libs.local.client import Client
from libs.local.demo import acts, wash_script, watching
from libs.local.demo.acts import with_company
from libs.local.demo.chain import Chain
from libs.local.demo.story import DemoFailed, Story
from libs.local.demo.wash_script import WashStage
from libs.local.demo.wash_workflow import shortened
from libs.local.demo.washes import Washes, compared, planned, right_share
from libs.local.demo.watching import Watch

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "workflows"
SAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "samples"
WORKFLOW = shortened(load_workflow(FOLDER / "handwash.yaml"))
IDS = {"dataset_version_id": str(UUID(int=5)), "training_run_id": str(UUID(int=6))}


class Plant:
    """Console and registry: what is asked for has happened when the answer comes."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.passed, self.version = True, 1

    def say(self, topic: str, **changes: Any) -> None:
        file = sorted(SAMPLES.glob(f"{topic}*.json"))[0]
        content = json.loads(file.read_text())
        body = (content.get("body") or content) | {"workflow": WORKFLOW.name} | changes
        self.events.append({"position": len(self.events) + 1, "topic": topic, "body": body})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/events":
            after = int(request.url.params["after"])
            return httpx.Response(200, json={"events": [each for each in self.events if each["position"] > after]})
        if request.method == "GET":
            return httpx.Response(200, json={"reviews": []})
        self.asked.append(request.url.path)
        if request.url.path == "/api/builds":
            self._learn()
        else:
            self.say("model.promoted", model=WORKFLOW.name, version=1)
        return httpx.Response(202, json={})

    def _learn(self) -> None:
        gate = {"passed": self.passed, "reasons": [] if self.passed else ["too little was learned"]}
        for topic in ("dataset.built", "training.queued", "model.trained", "model.evaluated", "model.registered"):
            self.say(topic, **IDS, model=WORKFLOW.name, version=1, gate=gate, reused=False)

    def draw(self, folder: Path) -> None:
        """Nothing: nobody looks at the clips."""

    def take(self, washes: Washes, *_: object, **__: object) -> None:
        """As ingest, the cleaner and the evaluator would."""
        for number, (clip_id, plan) in enumerate(washes.plans.items()):
            self.say("clip.captured", clip_id=clip_id)
            if washes.annotated:
                self.say("sample.approved", sample_id=str(UUID(int=100 + number)), approved_by="rule:annotated")
            else:
                model: Mapping[str, Any] = {"name": WORKFLOW.name, "version": self.version}
                missing = list(plan.verdict.missing)
                self.say(
                    "wash.judged", clip_id=clip_id, model=model, verdict=plan.verdict.outcome, missing_steps=missing
                )


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    plant = Plant()
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(wash_script, "send", plant.take)
    monkeypatch.setattr(Washes, "draw", plant.draw)
    monkeypatch.setattr(acts, "QUIET_SECONDS", {})
    return plant


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stage(plant: Plant, told: list[str], tmp_path: Path) -> WashStage:
    talking = Client(httpx.Client(transport=httpx.MockTransport(plant.answer), base_url="http://plant.test"))
    story = Story(tmp_path, write=told.append)
    learn, unseen = (planned(WORKFLOW, 6, seed, annotated=seed == 1) for seed in (1, 2))
    watch = Watch(talking, Chain(WORKFLOW.name), story, {})
    tokens = {"sink-1": "secret"}
    return WashStage(WORKFLOW, story, watch, talking, learn, unseen, tmp_path, "http://ingest.test", tokens)


async def test_clips_become_a_champion_that_judges_others(plant: Plant, stage: WashStage, told: list[str]) -> None:
    await with_company(stage.watch, wash_script.loop(stage))
    assert plant.asked == ["/api/builds", f"/v1/models/{WORKFLOW.name}/versions/1/promote"]
    judged = compared(stage.unseen, stage.chain.washes)
    assert (len(judged), right_share(judged)) == (6, 1.0)
    stages = list(dict.fromkeys(line.split("] ")[1].split()[0] for line in told))
    assert [each for each in stages if each in ("cleaning", "dataset", "training", "registration", "promotion")] == [
        "cleaning", "dataset", "training", "registration", "promotion"
    ]  # fmt: skip


async def test_a_model_that_fails_its_gate_ends_the_demo(plant: Plant, stage: WashStage) -> None:
    plant.passed = False
    with pytest.raises(DemoFailed, match="stage evaluation: the model did not pass its gate: too little was learned"):
        await with_company(stage.watch, wash_script.loop(stage))
    assert plant.asked == ["/api/builds"]


async def test_verdicts_of_another_version_are_none(plant: Plant, stage: WashStage) -> None:
    plant.version = 7
    with pytest.raises(DemoFailed, match=r"versions \[7\] judged the clips, not only version 1"):
        await with_company(stage.watch, wash_script.loop(stage))
