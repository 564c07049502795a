"""How long a dataset build takes: 100,000 approved samples, then the same again with nothing new, then with one change.

Run by hand: `uv run python -m benchmarks.dataset_build [SAMPLES]`. Starts its own PostgreSQL and S3 in a temporary folder
(Kafka too, unused), fills the service's tables, works through real build jobs and prints seconds as JSON. Goals: 10 s for
the first build, 1 s for the second. `blocked` is the longest time the event loop could do nothing else meanwhile: heartbeats
and handlers wait that long.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from benchmarks.rows import Row, limit
from benchmarks.stacks import settings_of
from libs.common import jobs as job_queue
from libs.common import objects
from libs.common.configuration import Configuration, put_workflow
from libs.common.events import Annotation, SampleApproved, WorkflowChanged, to_json
from libs.common.jobs import Jobs
from libs.common.postgres import Pool, migrate, open_pool
from libs.common.runner import JobRunner
from libs.common.testing import NOON, envelope_for, media
from libs.local.stack import LocalStack
from services.dataset.domain.orders import KIND, BuildOrder
from services.dataset.runner.builds import Builder
from services.dataset.store.samples import SampleStore, sample_line
from services.dataset.store.versions import VersionStore

BOXES = 3
PER_BLOCK = 40
COLUMNS = [
    "sample_id",
    "workflow",
    "line",
    "camera_id",
    "captured_at",
    "labels",
    "annotation_revision",
    "leakage_group",
    "approved_at",
]


@dataclass
class Measured:
    """One build: seconds on the clock and of this process's CPU, the longest gap between two ticks of the event loop."""

    what: str
    seconds: float
    cpu_seconds: float
    blocked: float
    result: dict[str, Any] = field(default_factory=dict[str, Any])


def workflow_event() -> WorkflowChanged:
    """A workflow of two classes with the default policy."""
    title = {"en": "x", "zh": "x"}
    classes = [{"id": i, "name": name, "title": title} for i, name in enumerate(("worn", "missing"))]
    definition: dict[str, Any] = {"name": "hairnet", "title": title, "task": "detection", "classes": classes}
    return WorkflowChanged(workflow="hairnet", revision=1, definition=definition, changed_by="benchmark")


def approval(number: int, revision: int = 1) -> SampleApproved:
    """A sample of one of 50 cameras; every tenth resembles the one before."""
    boxes = tuple(
        Annotation(label=("worn", "missing")[(number + i) % 2], box=(i * 10.5, 20.25, i * 10.5 + 9, 60.125))
        for i in range(BOXES)
    )
    return SampleApproved(
        sample_id=sample_id(number),
        workflow="hairnet",
        media=media(str(number).encode(), key=f"snapshots/hairnet/line-{number % 50}/{number}.jpg"),
        camera_id=f"line-{number % 50}",
        captured_at=NOON + timedelta(seconds=number),
        annotations=boxes,
        annotation_revision=revision,
        approved_by="rule:annotated",
        leakage_group=f"line-{number % 50}/{number // (50 * PER_BLOCK)}",
        near_duplicates=(sample_id(number - 1),) if number % 10 == 0 and number else (),
    )


def sample_id(number: int) -> UUID:
    """Spread over the whole range, as real ids are."""
    return UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128))


async def fill(samples: SampleStore, count: int) -> None:
    """As if `count` approvals had been handled, but by COPY."""
    events = [approval(number) for number in range(count)]
    async with samples.pool.acquire() as connection, connection.transaction():
        await connection.copy_records_to_table("sample", records=[_row(event) for event in events], columns=COLUMNS)
        await connection.execute(
            "insert into pending (sample_id, workflow, event_id, correlation_id)"
            " select sample_id, workflow, gen_random_uuid(), 'x' from sample"
        )
        links = [(event.sample_id, other, "hairnet") for event in events for other in event.near_duplicates]
        await connection.copy_records_to_table("link", records=links, columns=["sample_id", "other_id", "workflow"])


def _row(event: SampleApproved) -> tuple[object, ...]:
    labels = [annotation.label for annotation in event.annotations]
    return (
        event.sample_id,
        event.workflow,
        to_json(sample_line(event)).decode(),
        event.camera_id,
        event.captured_at,
        labels,
        event.annotation_revision,
        event.leakage_group,
        NOON,
    )


async def measure(what: str, pool: Pool, runner: JobRunner) -> Measured:
    """Order a build and work on it."""
    order = BuildOrder(uuid4(), "hairnet", "benchmark", uuid4(), "benchmark", "benchmark")
    async with pool.acquire() as connection:
        key = str(order.build_id)
        await job_queue.enqueue(
            connection, job_id=order.build_id, kind=KIND, spec=order.spec(), dedupe_key=key, reason="benchmark"
        )
    gaps: list[float] = [0.0]
    ticker = asyncio.ensure_future(tick(gaps))
    start, cpu = time.perf_counter(), time.process_time()
    await runner.run_one()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    ticker.cancel()
    row = await pool.fetchrow("select state, reason, result from job where id = $1", order.build_id)
    return Measured(what, round(seconds, 3), round(cpu, 3), round(max(gaps), 3), dict(row) if row else {})


async def tick(gaps: list[float]) -> None:
    """Note how late the event loop wakes us."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        gaps.append(time.perf_counter() - before - 0.005)


async def run(count: int) -> list[Measured]:
    """Fill, build, build again, change one sample, build."""
    async with LocalStack() as stack:
        settings = settings_of(stack)
        await migrate(settings.database_url, "dataset")
        pool = await open_pool(settings.database_url, "dataset")
        store = objects.connect(settings)
        await store.ensure_bucket()
        async with pool.acquire() as connection:
            await put_workflow(connection, workflow_event())
        samples, jobs = SampleStore(pool), Jobs(pool, "benchmark")
        builder = Builder(samples, VersionStore(pool), store, Configuration(pool), jobs, store.bucket)
        runner = JobRunner(jobs, KIND, builder.build, builder.fail)
        await fill(samples, count)
        found = [await measure("first", pool, runner), await measure("nothing new", pool, runner)]
        async with pool.acquire() as connection:
            event = approval(7, revision=2)
            await samples.add_approval(connection, event, envelope_for(event))
        found.append(await measure("one changed", pool, runner))
        await pool.close()
        return found


async def rows(count: int = 100_000) -> list[Row]:
    """The builds as lines of the table."""
    first, nothing, one = await run(count)
    return [
        limit(f"dataset build, {count:,} samples, nothing copied", first.seconds, "s", 10),
        limit("the same again with nothing new", nothing.seconds, "s", 1),
        Row(
            f"the same with one sample changed ({one.blocked:.2f} s without a tick)",
            f"{one.seconds:.2f} s",
            "",
            None,
            "",
            None,
        ),
    ]


if __name__ == "__main__":
    results = asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
    sys.stdout.write(json.dumps([asdict(result) for result in results], indent=1) + "\n")
