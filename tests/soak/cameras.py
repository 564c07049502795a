"""Simulated cameras, and a reviewer: as fast as the system decides, and never giving up on a snapshot."""

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import cv2
import httpx
import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.common.events import Annotation, Event, ReviewSubmitted, SnapshotCaptured, to_json
from libs.common.objects import S3Objects, StoreUnavailable
from libs.common.postgres import DATABASE_TROUBLE
from tests.soak.fleet import TOKEN, Fleet

CAMERAS = 6
MOST_IN_FLIGHT = 120
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)
BOX = Annotation(label="hairnet", box=(10, 10, 60, 60))


@dataclass
class Plant:
    """What was sent so far, and when to stop."""

    fleet: Fleet
    store: S3Objects
    sent: set[str] = field(default_factory=set)
    by_kind: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    decided: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def count_decided(self) -> None:
        """Keep the number the cameras are throttled by."""
        while True:
            try:
                self.decided = await self.fleet.value("select count(*) from cleaner.snapshot")
            except Exception:  # noqa: BLE001 the database is away for a while: the cameras wait
                self.answers["count failed"] += 1
            await asyncio.sleep(0.2)


async def camera(plant: Plant, number: int) -> None:
    """One camera: the last of each six publishes on Kafka itself, the others post to ingest."""
    direct = number == CAMERAS - 1
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=70) as http:
        for index in itertools.count():
            while len(plant.sent) - plant.decided > MOST_IN_FLIGHT and not plant.stop.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            if plant.stop.is_set():
                return
            kind, data = taken(number, index)
            event_id = f"soak-{number}-{index}"
            facts = {
                "snapshot_id": event_id, "camera_id": f"cam-{number}", "workflow": "soak",
                "captured_at": (BEGIN + timedelta(minutes=index)).isoformat(),
            }  # fmt: skip
            if kind != "unlabelled":
                facts["annotations"] = [BOX.model_dump(mode="json")]  # type: ignore[assignment]
            plant.sent.add(event_id)
            plant.by_kind[kind] += 1
            await (publish(plant, facts, data) if direct else post(plant, http, facts, data))


def taken(camera_number: int, index: int) -> tuple[str, bytes]:
    """What a camera sees: of ten pictures seven are good, one is dark, one is the one before again, one has no labels."""
    kind = {3: "dark", 6: "again", 9: "unlabelled"}.get(index % 10, "good")
    seed = camera_number * 1_000_000 + (index - 1 if kind == "again" else index)
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    scene = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_NEAREST)
    return kind, cv2.imencode(".jpg", scene // 12 if kind == "dark" else scene)[1].tobytes()


async def post(plant: Plant, http: httpx.AsyncClient, facts: dict[str, Any], data: bytes) -> None:
    """To ingest, until it takes it. Every answer but 202 and 503 is a fault."""
    while True:
        try:
            url = f"{plant.fleet.url('ingest')}/v1/snapshots"
            answer = await http.post(url, files={"image": data}, data={"metadata": json.dumps(facts)})
        except httpx.TransportError:
            plant.answers["no answer"] += 1
        else:
            plant.answers[str(answer.status_code)] += 1
            if answer.status_code == 202:
                return
            # The workflow's file may not have been read yet; a restarted ingest knows it from its database.
            assert answer.status_code == 503 or "UnknownWorkflow" in answer.text, answer.text
        await asyncio.sleep(0.5)


async def publish(plant: Plant, facts: dict[str, Any], data: bytes) -> None:
    """The picture into the store, the event onto the bus, each until it is there."""
    while True:
        try:
            image = await plant.store.put(f"snapshots/direct/{facts['snapshot_id']}.jpg", data, "image/jpeg")
            event = SnapshotCaptured.model_validate(facts | {"image": image})
            await publish_once(plant.fleet.stack.kafka_bootstrap, event)
        except (StoreUnavailable, KafkaError, OSError, TimeoutError):
            plant.answers["bus or store away"] += 1
            await asyncio.sleep(0.5)
        else:
            plant.answers["published"] += 1
            return


async def publish_once(bootstrap_servers: str, event: Event) -> None:
    """One attempt; raises what aiokafka raises when the broker does not take it."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", request_timeout_ms=5000)
    try:
        await producer.start()
        await producer.send_and_wait(event.topic, to_json(event), event.key.encode())
    finally:
        await producer.stop()


async def reviewer(plant: Plant) -> None:
    """Approves what waits for a person, with a box; whatever still waits after a while is answered again."""
    while True:
        await asyncio.sleep(2)
        try:
            for row in await plant.fleet.query("select sample_id, revision from cleaner.sample where waiting"):
                await publish_once(plant.fleet.stack.kafka_bootstrap, _approval(row["sample_id"], row["revision"]))
        except (*DATABASE_TROUBLE, KafkaError):
            plant.answers["reviewer waited"] += 1


def _approval(sample_id: UUID, revision: int) -> ReviewSubmitted:
    return ReviewSubmitted(
        sample_id=sample_id, decision="approve", annotations=(BOX,), based_on_revision=revision, reviewer="soak"
    )
