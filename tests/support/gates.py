"""A gate's world: a fresh database, the real bus, replicas of real services that are watched, and what they did."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import cv2
import httpx
import numpy as np

from libs.common.events import Event, WorkflowChanged
from libs.common.workflows import load_workflow
from libs.local.stack import LocalStack
from tests.support.replica import REPOSITORY, Replica
from tests.support.service_process import Bus, eventually

SERVICES = ("ingest", "cleaner", "dataset", "trainer", "evaluator", "registry", "console")


@dataclass
class Gate:
    """Starts replicas, says events, counts what they did. Every replica ends with the gate."""

    stack: LocalStack
    dsn: str
    environment: dict[str, str]
    folder: Path
    bus: Bus
    running: list[Replica] = field(default_factory=list)

    async def start(self, name: str, *, without: Iterable[str] = (), **switches: str) -> Replica:
        """Start a watched replica; it is not ready yet."""
        replica = await Replica.start_watched(
            name, self.environment, self.folder, without=without, watch="true", **switches
        )
        self.running.append(replica)
        return replica

    async def start_all(self, names: Iterable[str], *, without: Iterable[str] = (), **switches: str) -> list[Replica]:
        """One replica of each service, all of them ready."""
        started = [await self.start(name, without=without, **switches) for name in names]
        await asyncio.gather(*(replica.ready(180) for replica in started))
        return started

    async def say(self, event: Event) -> UUID:
        """Publish as a service does; the event's id."""
        return await self.bus.say(event)

    async def query(self, statement: str, *arguments: Any) -> list[Any]:
        """Rows of the gate's database, across all schemas."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def execute(self, script: str) -> None:
        """Run a script of several statements as the owner."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    async def value(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        rows = await self.query(statement, *arguments)
        return rows[0][0] if rows else None

    async def starts(self, event_id: UUID) -> dict[str, int]:
        """How often each consumer began to handle an event."""
        return await self._counted("gate_start", event_id)

    async def effects(self, event_id: UUID) -> dict[str, int]:
        """How often each consumer's effects of an event were committed."""
        return await self._counted("gate_effect", event_id)

    async def _counted(self, table: str, event_id: UUID) -> dict[str, int]:
        statement = f"select consumer, count(*) as n from public.{table} where event_id = $1 group by 1"
        return {row["consumer"]: row["n"] for row in await self.query(statement, event_id)}

    async def until(self, condition: Callable[[], Awaitable[Any]], timeout_seconds: float = 60) -> Any:
        """Wait for something to become true."""
        return await eventually(condition, seconds=timeout_seconds, every=0.1)

    async def close(self) -> None:
        """End every replica."""
        for replica in self.running:
            await replica.kill()


def hairnet(revision: int = 1, *, name: str = "hairnet") -> WorkflowChanged:
    """What the console says when somebody edits the file: every service hears it."""
    definition = load_workflow(REPOSITORY / "deploy" / "workflows" / "hairnet.yaml").model_dump(mode="json")
    return WorkflowChanged(workflow=name, revision=revision, definition=definition | {"name": name}, changed_by="gate")


def picture(seed: int) -> bytes:
    """A JPEG like no other: sharp, of middle brightness, 160 x 120."""
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (160, 120), interpolation=cv2.INTER_NEAREST))[1].tobytes()


async def post_snapshot(http: httpx.AsyncClient, name: str, seed: int) -> httpx.Response:
    """Send a picture to ingest as a camera does."""
    metadata = f'{{"snapshot_id": "{name}", "camera_id": "line-{seed % 3}", "workflow": "hairnet"}}'
    return await http.post("/v1/snapshots", files={"image": picture(seed)}, data={"metadata": metadata})
