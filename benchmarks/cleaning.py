"""The whole cleaner, from the event on the bus to its verdict in the outbox, against pHash alone on the same pictures.

The other side is what a script does that only hashes: ImageHash's pHash in as many processes as there are cleaners.
"""

import asyncio
import io
import multiprocessing
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import imagehash
from aiokafka import AIOKafkaProducer
from PIL import Image

from benchmarks.rows import Row, at_least, middle
from benchmarks.stacks import environment_of, settings_of, value
from benchmarks.vision import made_pictures
from libs.common import objects
from libs.common.events import Annotation, Event, SnapshotCaptured, WorkflowChanged, to_json
from libs.common.kafka import event_topics, provision
from libs.common.postgres import migrate
from libs.common.testing import snapshot
from libs.common.workflows import load_workflow
from libs.local.stack import LocalStack
from tests.support.replica import REPOSITORY, Replica

PICTURES = 600
ROUNDS = 3
CLEANERS = 2
DECIDED = "select count(*) from cleaner.sample"


async def run() -> list[Row]:
    """One row: pictures a second of two cleaners."""
    pictures = made_pictures(PICTURES * ROUNDS + 1)
    async with LocalStack(durable=True) as stack:
        settings = settings_of(stack)
        await migrate(stack.postgres_dsn, "cleaner")
        await provision(settings, event_topics())
        store = objects.connect(settings)
        await store.ensure_bucket()
        events = [await _announced(store, number, data) for number, data in enumerate(pictures)]
        with tempfile.TemporaryDirectory(prefix="camloop-bench-") as folder:
            cleaners = [await Replica.start("cleaner", environment_of(stack), Path(folder)) for _ in range(CLEANERS)]
            try:
                await asyncio.gather(*(cleaner.ready() for cleaner in cleaners))
                ours, other = await _measured(stack, events, pictures)
            finally:
                for cleaner in cleaners:
                    await cleaner.stop()
    what = f"cleaner, {CLEANERS} processes: event, fetch, decode, measure, hash, search, state, verdict / pHash alone"
    return [at_least(what, f"{middle(ours):.0f}/s", f"{middle(other):.0f}/s", middle(ours) / middle(other), 1.0)]


async def _announced(store: objects.S3Objects, number: int, data: bytes) -> SnapshotCaptured:
    image = await store.put(f"snapshots/bench/{number:08}.jpg", data, "image/jpeg")
    box = (Annotation(label="hairnet", box=(10, 10, 60, 60)),)
    return snapshot(snapshot_id=f"s-{number}", image=image, camera_id=f"line-{number % 96}", annotations=box)


async def _measured(
    stack: LocalStack, events: list[SnapshotCaptured], pictures: list[bytes]
) -> tuple[list[float], list[float]]:
    """Pictures a second of ours and of the other side, round by round."""
    ours, other = list[float](), list[float]()
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all") as producer:
        await _say(producer, [_workflow(), events[-1]])
        await _until_decided(stack, 1)
        for turn in range(ROUNDS):
            part = slice(turn * PICTURES, (turn + 1) * PICTURES)
            began = time.perf_counter()
            await _say(producer, events[part])
            await _until_decided(stack, 1 + (turn + 1) * PICTURES)
            ours.append(PICTURES / (time.perf_counter() - began))
            other.append(PICTURES / await asyncio.to_thread(_hash_all, pictures[part]))
    return ours, other


async def _say(producer: AIOKafkaProducer, events: list[Event] | list[SnapshotCaptured]) -> None:
    await asyncio.gather(*[await producer.send(e.topic, to_json(e), e.key.encode()) for e in events])


async def _until_decided(stack: LocalStack, count: int) -> None:
    async with asyncio.timeout(600):
        while await value(stack, DECIDED) < count:  # noqa: ASYNC110 another process
            await asyncio.sleep(0.05)


def _workflow() -> WorkflowChanged:
    definition: Mapping[str, object] = load_workflow(REPOSITORY / "deploy/workflows/hairnet.yaml").model_dump(
        mode="json"
    )
    return WorkflowChanged(workflow="hairnet", revision=1, definition=dict(definition), changed_by="benchmark")


def _hash_all(pictures: list[bytes]) -> float:
    """Seconds; the processes are there before the clock starts."""
    with multiprocessing.get_context("spawn").Pool(CLEANERS) as pool:
        pool.map(_hash, pictures[: 2 * CLEANERS])
        began = time.perf_counter()
        pool.map(_hash, pictures, chunksize=20)
        return time.perf_counter() - began


def _hash(data: bytes) -> str:
    return str(imagehash.phash(Image.open(io.BytesIO(data))))
