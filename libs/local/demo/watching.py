"""The demo's view of the running system: the console's API, followed event by event."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.local.client import Client, NotRunning, Refused
from libs.local.demo.chain import Chain
from libs.local.demo.pictures import Shot
from libs.local.demo.reviewer import answer_about
from libs.local.demo.story import Story

_LOOK_SECONDS = 0.4
_PAGE = 500
# A service may be starting again just now; longer than that something is wrong.
_PATIENCE_SECONDS = 30.0


@dataclass
class Watch:
    """Follows the loop of one workflow and tells its story; `until` waits for what has to come next."""

    console: Client
    chain: Chain
    story: Story
    truth: Mapping[str, Shot]
    after: int = 0
    heard_at: float = field(default_factory=time.monotonic)
    _quiet_since: float | None = None

    async def follow(self) -> None:
        """Take in all that happens, for ever."""
        while True:
            await self._patiently(self._hear_news)
            await asyncio.sleep(_LOOK_SECONDS)

    async def review(self) -> None:
        """Answer the review queue as it fills, for ever."""
        while True:
            await self._patiently(self._answer_queue)
            await asyncio.sleep(2 * _LOOK_SECONDS)

    async def until(self, reached: Callable[[], bool], stage: str, *, what: str, quiet_seconds: float) -> None:
        """Wait until `reached`; DemoFailed when the chain broke, or nothing at all was heard for `quiet_seconds`."""
        self.story.stage = stage
        self.heard_at = time.monotonic()
        while not reached():
            if self.chain.failure is not None:
                raise self.story.failure(self.chain.failure[1], self.chain.failure[0])
            if time.monotonic() - self.heard_at > quiet_seconds:
                raise self.story.failure(f"waited {quiet_seconds:.0f} s for {what}, and nothing happened")
            await asyncio.sleep(_LOOK_SECONDS)

    def skip_the_past(self) -> None:
        """Only what happens from now on is this demo's."""
        newest = self.console.get("/api/events", limit=1, newest_first=True)["events"]
        self.after = newest[0]["position"] if newest else 0

    def _hear_news(self) -> None:
        while page := self.console.get("/api/events", after=self.after, limit=_PAGE)["events"]:
            for event in page:
                self._hear(event)
                self.after = event["position"]

    def _hear(self, event: Mapping[str, Any]) -> None:
        self.heard_at = time.monotonic()
        told = self.chain.hear(event["topic"], event["body"])
        if told is not None:
            self.story.reach(*told)

    def _answer_queue(self) -> None:
        for sample in self._queue():
            answer = answer_about(self.chain.captured.get(str(sample["snapshot_id"])), self.truth)
            if answer is not None:
                self.console.post("/api/reviews", answer.body(sample))

    def _queue(self) -> Iterator[Mapping[str, Any]]:
        yield from self.console.get("/api/reviews", workflow=self.chain.workflow, limit=200)["reviews"]

    async def _patiently(self, deed: Callable[[], None]) -> None:
        """Once more after a short trouble of the console, which `up` starts again."""
        try:
            await asyncio.to_thread(deed)
            self._quiet_since = None
        except (NotRunning, Refused) as error:
            self._quiet_since = self._quiet_since or time.monotonic()
            if time.monotonic() - self._quiet_since > _PATIENCE_SECONDS:
                raise self.story.failure(f"the console does not answer: {error}", "summary") from error
            await asyncio.sleep(1)
