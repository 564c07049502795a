"""Everything around a trainer: pictures and a dataset version, the events of its neighbours, the process itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import cv2
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.common.events import (
    Annotation,
    DatasetBuilt,
    Event,
    ModelTrained,
    TrainingCancelRequested,
    TrainingFailed,
    TrainingProgressed,
    TrainingQueued,
    TrainingRequested,
    TrainingStarted,
    WorkflowChanged,
    event_class,
    to_json,
)
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.objects import S3Objects

SAID: tuple[type[Event], ...] = (TrainingQueued, TrainingStarted, TrainingProgressed, TrainingFailed, ModelTrained)
TITLE = {"en": "Disc", "zh": "圆"}
HYPERPARAMETERS: dict[str, Any] = {
    "model": "yolov8n", "image_size": 64, "batch": 8, "nominal_batch": 8, "patience": 0, "mosaic": 0.0, "epochs": 2,
}  # fmt: skip
E = TypeVar("E", bound=Event)


def picture(number: int) -> tuple[bytes, tuple[float, float, float, float]]:
    """A grey 64 px scene with a disc, as PNG, and the disc's box."""
    random = np.random.default_rng(number)
    scene = np.clip(random.normal(128, 6, (64, 64, 3)), 0, 255).astype(np.uint8)
    radius, x, y = (int(random.integers(*bounds)) for bounds in ((9, 14), (15, 49), (15, 49)))
    cv2.circle(scene, (x, y), radius, (220, 40, 30), -1)
    return cv2.imencode(".png", scene)[1].tobytes(), (x - radius, y - radius, x + radius, y + radius)


async def publish_dataset(objects: S3Objects, folder: Path, workflow: str, **changes: Any) -> DatasetBuilt:
    """Ten pictures (6 train, 2 val, 2 test) as a dataset version in the store."""
    lines = []
    for number, split in enumerate(["train"] * 6 + ["val"] * 2 + ["test"] * 2):
        data, box = picture(number)
        media = await objects.put(f"snapshots/{workflow}/{number}.png", data, "image/png")
        lines.append(
            ManifestLine(
                sample_id=UUID(int=number), kind="image", media=media.model_copy(update={"width": 64, "height": 64}),
                camera_id="line-1", captured_at=datetime(2026, 3, 2, tzinfo=UTC), annotation_revision=1,
                annotations=(Annotation(label="disc", box=box),), annotated_by="rule:annotated", split=split,
                leakage_group=f"g{number}",
            )
        )  # fmt: skip
    path = folder / f"{uuid4()}.jsonl.zst"
    await asyncio.to_thread(write_manifest, path, lines)
    manifest = await objects.put_file(f"datasets/{workflow}/v1/manifest.jsonl.zst", path)
    values: dict[str, Any] = {
        "dataset_version_id": uuid4(), "workflow": workflow, "version": 1, "task": "detection", "classes": ("disc",),
        "manifest": manifest, "counts": {"train": 6, "val": 2, "test": 2}, "boxes_per_class": {"disc": 10},
    }  # fmt: skip
    return DatasetBuilt(**(values | changes))


def workflow_changed(name: str, **training: Any) -> WorkflowChanged:
    """A workflow of one class that trains very small."""
    definition = {
        "name": name,
        "title": TITLE,
        "task": "detection",
        "classes": [{"id": 0, "name": "disc", "title": TITLE}],
        "training": {"hyperparameters": HYPERPARAMETERS, "seed": 3, "maximum_attempts": 3, **training},
    }
    return WorkflowChanged(workflow=name, revision=1, definition=definition, changed_by="test")


@dataclass
class Neighbours:
    """Says what other services say to a trainer, and hears what it says."""

    bootstrap: str
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    heard: list[tuple[Event, dict[str, str]]] = field(default_factory=list)

    @classmethod
    async def meet(cls, bootstrap: str) -> "Neighbours":
        """Connect, and listen from now on."""
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        await producer.start()
        await consumer.start()
        consumer.subscribe([event.topic for event in SAID])
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=50)
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        return cls(bootstrap, producer, consumer)

    async def leave(self) -> None:
        """Disconnect."""
        await self.consumer.stop()
        await self.producer.stop()

    async def say(self, *events: Event) -> None:
        """Publish, each with an id of its own."""
        for event in events:
            headers = [("ce_id", str(uuid4()).encode()), ("correlationid", b"the test")]
            await self.producer.send_and_wait(event.topic, to_json(event), key=event.key.encode(), headers=headers)

    async def say_again(self, event: Event, *, times: int) -> None:
        """Publish the same event several times, as a broker may deliver it."""
        headers = [("ce_id", str(uuid4()).encode())]
        for _ in range(times):
            await self.producer.send_and_wait(event.topic, to_json(event), key=event.key.encode(), headers=headers)

    async def request(self, workflow: str, **changes: Any) -> UUID:
        """Ask for a run."""
        run_id = uuid4()
        hyperparameters = HYPERPARAMETERS | changes.pop("hyperparameters", {})
        await self.say(
            TrainingRequested(
                training_run_id=run_id, workflow=workflow, requested_by="li", reason="a test", seed=3,
                hyperparameters=hyperparameters, **changes,
            )
        )  # fmt: skip
        return run_id

    async def cancel(self, run_id: UUID) -> None:
        """Ask for a run's end."""
        await self.say(TrainingCancelRequested(training_run_id=run_id, requested_by="li", reason="wrong labels"))

    def all(self, kind: type[E], run_id: UUID) -> list[E]:
        """What was heard of a run, in order."""
        found = [event for event, _ in self.heard if isinstance(event, kind)]
        return [event for event in found if getattr(event, "training_run_id", None) == run_id]

    async def until(self, condition: Callable[[], Any], timeout_seconds: float = 150) -> None:
        """Listen until something is true."""
        async with asyncio.timeout(timeout_seconds):
            while not condition():
                await self._hear()

    async def first(self, kind: type[E], run_id: UUID, timeout_seconds: float = 150) -> E:
        """Listen until such an event of the run is there; fail early if the run does."""

        def is_there() -> bool:
            failed = self.all(TrainingFailed, run_id)
            assert kind is TrainingFailed or not failed, failed[0].reason
            return bool(self.all(kind, run_id))

        await self.until(is_there, timeout_seconds)
        return self.all(kind, run_id)[0]

    async def _hear(self) -> None:
        for records in (await self.consumer.getmany(timeout_ms=50)).values():
            for record in records:
                event = event_class(record.topic).model_validate_json(record.value)
                self.heard.append((event, {name: value.decode() for name, value in record.headers}))


def training_children(work_folder: Path) -> list[int]:
    """Process ids of trainings whose spec lies under a work folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "services.trainer.training" in command and str(work_folder) in command:
                found.append(int(entry.name))
    return found


async def gone(work_folder: Path, timeout_seconds: float) -> None:
    """Wait until no training under the work folder runs any more."""
    async with asyncio.timeout(timeout_seconds):
        while training_children(work_folder):  # noqa: ASYNC110 other processes
            await asyncio.sleep(0.1)


async def job(dsn: str, run_id: UUID) -> dict[str, Any]:
    """A run's job row; empty while there is none."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow("select * from trainer.job where id = $1", run_id)
        return dict(row) if row else {}
    finally:
        await connection.close()
