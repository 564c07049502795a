"""How long the cleaner's search for near-duplicates takes among 1,000,000 samples."""

import asyncio
import time
from uuid import uuid4

import asyncpg
import numpy as np

from benchmarks.rows import Row, limit, quantile
from libs.common.postgres import migrate, open_pool
from libs.common.testing import NOON, media
from libs.local.stack import LocalStack
from services.cleaner.domain.samples import Sample
from services.cleaner.store.samples import CleanerStore

SEARCHES = 200
DISTANCE = 10
FILL = """
    insert into snapshot (snapshot_id, sha256, camera_id, captured_at)
        select 's' || n, 'x', 'line-' || n % 50, now() from generate_series(1, $1::int) n;
"""
SAMPLES = """
    insert into sample (sample_id, workflow, snapshot_id, camera_id, captured_at, media, leakage_group, verdict, look)
        select gen_random_uuid(), 'hairnet', 's' || n, 'line-' || n % 50, now(), '{}', 'g' || n / 40, 'approved',
            ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint
        from generate_series(1, $1::int) n
"""


async def run(count: int = 1_000_000) -> list[Row]:
    """The row of the search."""
    async with LocalStack() as stack:
        await migrate(stack.postgres_dsn, "cleaner")
        pool = await open_pool(stack.postgres_dsn, "cleaner")
        try:
            store = CleanerStore(pool)
            async with pool.acquire() as connection:
                await connection.execute(FILL.strip().rstrip(";"), count, timeout=600)
                await connection.execute(SAMPLES, count, timeout=1200)
                await _vacuum(stack.postgres_dsn)
                dice = np.random.default_rng(0)
                taken = list[float]()
                for look in dice.integers(-(2**63), 2**63 - 1, SEARCHES, dtype=np.int64):
                    began = time.perf_counter()
                    await store.near_duplicates(connection, _sample(int(look)), DISTANCE)
                    taken.append(time.perf_counter() - began)
        finally:
            await pool.close()
    return [limit(f"near-duplicate search in {count:,} looks, p50", quantile(taken, 0.5) * 1000, "ms", 10.0)]


async def _vacuum(dsn: str) -> None:
    """As autovacuum does after so many rows, and as their owner: the service's own role may not, and is told so by nobody.

    An index answers alone only for pages known to be visible to all, which they are once no older transaction is left.
    """
    owner = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(120):
            while not await owner.fetchval(
                "select relallvisible > 0 from pg_class where oid = 'cleaner.sample'::regclass"
            ):
                await owner.execute("vacuum analyze cleaner.sample", timeout=600)
                await asyncio.sleep(1)
    finally:
        await owner.close()


def _sample(look: int) -> Sample:
    number = uuid4()
    return Sample(
        sample_id=number, workflow="hairnet", snapshot_id=f"s-{number}", camera_id="line-1", captured_at=NOON,
        media=media(), leakage_group="g", verdict="queued", measures={}, look=look,
    )  # fmt: skip
