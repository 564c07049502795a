"""How the demo follows the loop, reviews, waits, and blames the right stage when something breaks."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common.testing import NOON, media, snapshot
from libs.local.client import Client
from libs.local.demo import watching
from libs.local.demo.cameras import Seen
from libs.local.demo.chain import Chain
from libs.local.demo.pictures import Shot
from libs.local.demo.story import DemoFailed, Story
from libs.local.demo.watching import Watch
from libs.local.scenes import SceneShot
from libs.vision.boxes import Annotation

SHOT = Shot(
    SceneShot("kitchen-1", NOON, b"a picture", (Annotation("hairnet", (1, 2, 3, 4)),), "usable"), annotated=False
)
FAILED = {
    "training_run_id": "00000000-0000-0000-0000-000000000001", "workflow": "hairnet", "reason": "no memory", "attempt": 1,
}  # fmt: skip

QUEUED = {
    "training_run_id": FAILED["training_run_id"], "workflow": "hairnet", "backend": "ultralytics", "waits_for": "a trainer",
    "requested_by": "rule:automatic", "reason": "new",
}  # fmt: skip


class FakeConsole:
    """The two paths the demo follows, as the console answers them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.queue: list[dict[str, Any]] = []
        self.reviews: list[dict[str, Any]] = []
        self.down = False

    def say(self, topic: str, body: dict[str, Any]) -> None:
        self.events.append({"position": len(self.events) + 1, "topic": topic, "body": body})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        if request.url.path == "/api/events":
            return httpx.Response(200, json={"events": self._page(request.url.params)})
        if request.method == "POST":
            self.reviews.append(json.loads(request.read()))
            return httpx.Response(202, json={})
        return httpx.Response(200, json={"reviews": self.queue})

    def _page(self, query: httpx.QueryParams) -> list[dict[str, Any]]:
        if query.get("newest_first") == "true":
            return self.events[-1:]
        return [event for event in self.events if event["position"] > int(query["after"])][: int(query["limit"])]


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(console: FakeConsole, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(watching, "_PATIENCE_SECONDS", 0.0)
    client = Client(httpx.Client(transport=httpx.MockTransport(console.answer), base_url="http://console.test"))
    story = Story(Path("var/log"), write=told.append)
    return Watch(client, Chain("hairnet"), story, {SHOT.digest: SHOT})


async def during(company: Callable[[], Any], acts: Any) -> None:
    """`acts` while the company goes on."""
    task = asyncio.ensure_future(company())
    try:
        await acts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def captured(snapshot_id: str) -> dict[str, Any]:
    image = media(SHOT.scene.jpeg)
    return snapshot(snapshot_id=snapshot_id, image=image).model_dump(mode="json", exclude_none=True)


async def test_only_what_happens_from_now_on_counts(console: FakeConsole, watch: Watch) -> None:
    console.say("snapshot.captured", captured("old"))
    watch.skip_the_past()
    console.say("snapshot.captured", captured("new"))
    reached = watch.until(lambda: "new" in watch.chain.captured, "cleaning", what="it", quiet_seconds=5)
    await during(watch.follow, reached)
    assert list(watch.chain.captured) == ["new"]


async def test_the_queue_is_answered_by_the_picture_not_by_its_id(console: FakeConsole, watch: Watch) -> None:
    watch.chain.hear("snapshot.captured", captured("s1"))
    console.queue = [
        {"sample_id": "a", "snapshot_id": "s1", "annotation_revision": 2},
        {"sample_id": "b", "snapshot_id": "somebody-else's", "annotation_revision": 0},
    ]
    await during(watch.review, watch.until(lambda: bool(console.reviews), "review", what="it", quiet_seconds=5))
    first = console.reviews[0]
    assert (first["sample_id"], first["decision"], first["based_on_revision"]) == ("a", "approve", 2)
    assert {each["sample_id"] for each in console.reviews} == {"a"}


async def test_a_failure_ends_the_wait_and_names_stage_and_log(console: FakeConsole, watch: Watch) -> None:
    console.say("training.queued", QUEUED)
    console.say("training.failed", FAILED)
    with pytest.raises(DemoFailed, match=r"stage training: no memory\.\nMore in var/log/trainer\.log"):
        await during(watch.follow, watch.until(lambda: False, "dataset", what="a version", quiet_seconds=5))


async def test_silence_ends_the_wait(watch: Watch) -> None:
    with pytest.raises(DemoFailed, match=r"stage dataset: waited 0 s for a version.*\n.*dataset\.log"):
        await during(watch.follow, watch.until(lambda: False, "dataset", what="a version", quiet_seconds=0.02))


async def test_a_console_that_stays_away_ends_the_demo(console: FakeConsole, watch: Watch) -> None:
    console.down = True
    with pytest.raises(DemoFailed, match="the console does not answer"):
        await asyncio.wait_for(watch.follow(), timeout=10)


def test_the_story_says_when_and_where(told: list[str], watch: Watch) -> None:
    watch.story.reach("dataset", "version 1 is built")
    assert told == ["[ 0:00] dataset      version 1 is built"]


def test_what_a_camera_prints_is_understood() -> None:
    seen = Seen()
    for line in (
        "kitchen-1 sent 20260302T120000-abc.jpg: 2 detections", "kitchen-1 runs hairnet version 1",
        "kitchen-1 keeps x.jpg: ConnectError('refused')", "kitchen-1 runs hairnet version 12",
    ):  # fmt: skip
        seen.hear(line)
    assert seen.sent == {"20260302T120000-abc.jpg"}
    assert seen.versions == [1, 12]
