"""Makes the read tables anew from the log, out of sight, and then changes them over in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass

from libs.common.postgres import Connection, Pool
from services.console.domain.facts import fact_of
from services.console.store.log import Arrival, append, batch_after, lock_projection
from services.console.store.projection import apply

TABLES = ("snapshot", "sample", "dataset_version", "training_run", "training_epoch", "training_log", "model_version",
          "alias_change", "prediction", "workflow_revision", "clip", "wash")  # fmt: skip
# Unqualified names find the shadow's tables first; what has no shadow (the log, tokens) is the real thing.
SHADOW_FIRST = "set local search_path = console_shadow, console"
BATCH = 500


@dataclass(frozen=True)
class Rebuild:
    """The steps of a rebuild. Transactions stay short: an open one holds every outbox of the server back."""

    pool: Pool

    async def fill(self, arrivals: Iterable[Arrival]) -> None:
        """Add events the log does not have. They show once the tables change over."""
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_projection(connection)
            for arrival in arrivals:
                await append(connection, arrival)

    async def clear(self) -> None:
        """Forget a rebuild that broke off."""
        async with self.pool.acquire() as connection, connection.transaction():
            await _clear(connection)

    async def replay(self, after: int) -> int | None:
        """Apply the next events to the shadow; the last one's seq, or None at the end of the log."""
        async with self.pool.acquire() as connection, connection.transaction():
            return await _replay(connection, after)

    async def change_over(self, after: int) -> int:
        """Apply what came meanwhile and let the shadow's rows be the live ones; the last event's seq."""
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_projection(connection)
            last = after
            while (seq := await _replay(connection, last)) is not None:
                last = seq
            for table in TABLES:
                await connection.execute(f"delete from console.{table}")  # noqa: S608 our own table names
                await connection.execute(f"insert into console.{table} select * from console_shadow.{table}")  # noqa: S608
            await _clear(connection)
            return last


async def _replay(connection: Connection, after: int) -> int | None:
    await connection.execute(SHADOW_FIRST)
    batch = await batch_after(connection, after, BATCH)
    for logged in batch:
        fact = fact_of(logged)
        if fact is not None:
            await apply(connection, fact)
    return batch[-1].seq if batch else None


async def _clear(connection: Connection) -> None:
    for table in TABLES:
        await connection.execute(f"delete from console_shadow.{table}")  # noqa: S608 our own table names
