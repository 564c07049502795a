"""The books at the end of a soak: what went in, what became of it, what is left over. Anything off is named."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from libs.common.events import DatasetBuildRequested, to_json
from libs.common.manifests import read_manifest
from tests.soak.cameras import Plant
from tests.support.gates import SERVICES


@dataclass
class Books:
    """What the report says; `wrong` is empty when every account balances."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, *, expected: object, seen: object) -> None:
        """Note a figure, and that it is off if it is."""
        self.figures[what] = seen
        if seen != expected:
            self.wrong.append(f"{what}: {seen} instead of {expected}")


async def settle(plant: Plant, *, seconds: float) -> None:
    """Wait until nothing moves any more: all decided, all reviewed, outboxes and job queues empty."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await _at_rest(plant):
            await asyncio.sleep(2)
            if await _at_rest(plant):
                return
        await asyncio.sleep(0.5)


async def _at_rest(plant: Plant) -> bool:
    value = plant.fleet.value
    decided = await value("select count(distinct snapshot_id) from cleaner.sample where not waiting")
    known = await value("select count(*) from dataset.sample where live")
    approved = await value("select count(*) from cleaner.sample where verdict = 'approved'")
    shown = await value("select count(*) from console.sample where verdict in ('approved', 'rejected')")
    return (decided, known, shown) == (len(plant.sent), approved, decided) and await _left(plant) == (0, 0)


async def _left(plant: Plant) -> tuple[int, int]:
    """Rows in all outboxes; jobs that wait or run."""
    outbox = [await plant.fleet.value(f"select count(*) from {service}.outbox") for service in SERVICES]
    jobs = [
        await plant.fleet.value(f"select count(*) from {service}.job where state in ('queued', 'running')")
        for service in SERVICES
    ]
    return sum(outbox), sum(jobs)


async def request_build(plant: Plant) -> None:
    """One last version with everything in it."""
    request = DatasetBuildRequested(request_id=uuid4(), workflow="soak", requested_by="soak", reason="the end")
    async with AIOKafkaProducer(bootstrap_servers=plant.fleet.stack.kafka_bootstrap, acks="all") as producer:
        await producer.send_and_wait(request.topic, to_json(request), request.key.encode())
    for _ in range(240):
        if await _all_in_newest(plant):
            return
        await asyncio.sleep(0.5)


async def _all_in_newest(plant: Plant) -> bool:
    splits = await _splits(plant)
    approved = await plant.fleet.value("select count(*) from cleaner.sample where verdict = 'approved'")
    return bool(splits) and len(splits[-1]) == approved


async def _splits(plant: Plant) -> list[dict[str, list[str]]]:
    """Of every version: sample id -> the splits it is in."""
    keys = sorted(
        (
            key
            for key in await asyncio.to_thread(lambda: list(plant.store.list_keys("datasets/soak/")))
            if key.endswith(".zst")
        ),
        key=_number,
    )
    found = []
    for key in keys:
        lines = read_manifest(await plant.store.get(f"s3://{plant.store.bucket}/{key}"))
        splits: dict[str, list[str]] = {}
        for line in lines:
            splits.setdefault(str(line.sample_id), []).append(line.split)
        found.append(splits)
    return found


def _number(key: str) -> int:
    return int("".join(letter for letter in key.split("/")[2] if letter.isdigit()) or 0)


async def balance(plant: Plant) -> Books:
    """Check every account."""
    books = Books()
    await _fates(plant, books)
    await _one_split_each(plant, books)
    await _effects(plant, books)
    left = await _left(plant)
    books.check("rows left in outboxes", expected=0, seen=left[0])
    books.check("jobs left", expected=0, seen=left[1])
    books.check("dead letters", expected=0, seen=await plant.fleet.value("select count(*) from console.dead_letter"))
    return books


async def _fates(plant: Plant, books: Books) -> None:
    rows = await plant.fleet.query("select snapshot_id, verdict, coalesce(reason, '') as reason from cleaner.sample")
    times = Counter(row["snapshot_id"] for row in rows)
    books.figures["snapshots sent"] = len(plant.sent)
    books.check("snapshots with exactly one fate", expected=len(plant.sent), seen=sum(n == 1 for n in times.values()))
    books.check("snapshots nobody sent", expected=0, seen=len(set(times) - plant.sent))
    books.figures["fates"] = dict(Counter(f"{row['verdict']} {row['reason']}".strip() for row in rows))
    still = sum(row["verdict"] == "queued" for row in rows)
    books.check("samples still in review", expected=0, seen=still)
    shown = await plant.fleet.query("select verdict, count(*) as n from console.sample group by 1")
    books.check(
        "the console shows the same",
        expected=dict(Counter(row["verdict"] for row in rows)),
        seen={row["verdict"]: row["n"] for row in shown},
    )


async def _one_split_each(plant: Plant, books: Books) -> None:
    versions = await _splits(plant)
    books.figures["dataset versions built"] = len(versions)
    approved = {
        str(row["sample_id"])
        for row in await plant.fleet.query("select sample_id from cleaner.sample where verdict = 'approved'")
    }
    newest = versions[-1] if versions else {}
    books.check("approved samples in the newest version", expected=len(approved), seen=len(approved & newest.keys()))
    books.check("samples of it nobody approved", expected=0, seen=len(newest.keys() - approved))
    places: dict[str, set[str]] = {}
    for version in versions:
        for sample, splits in version.items():
            places.setdefault(sample, set()).update(splits)
    doubled = sum(len(splits) != 1 for version in versions for splits in version.values())
    books.check("samples twice in a version", expected=0, seen=doubled)
    books.check("samples that changed their split", expected=0, seen=sum(len(each) != 1 for each in places.values()))
    books.figures["splits"] = dict(Counter(split for splits in newest.values() for split in splits))


async def _effects(plant: Plant, books: Books) -> None:
    doubled = await plant.fleet.value(
        "select count(*) from (select 1 from public.gate_effect group by consumer, event_id having count(*) > 1) d"
    )
    books.figures["effects"] = await plant.fleet.value("select count(*) from public.gate_effect")
    books.check("event ids with two effects", expected=0, seen=doubled)


def as_json(books: Books) -> str:
    """The report's file."""
    return json.dumps({"figures": books.figures, "wrong": books.wrong}, indent=2, ensure_ascii=False)
