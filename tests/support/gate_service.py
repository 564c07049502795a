"""A small service for the crash gates: one slow handler with an effect one can count. Run as a process, killed at will.

Environment: GATE_SECONDS (how long the handler takes), GATE_DIE (`after_commit`: exit between commit and ack;
`after_publish`: the relay exits between publish and delete), GATE_WITHOUT (protections taken away: `late_ack`,
`inbox`, `drain`), GATE_HEARS (`snapshot` or `rejected`), GATE_GROUP (the consumer group).
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from faststream import AckPolicy, Context

from libs.common import inbox, kafka, outbox
from libs.common.envelope import Envelope, stable_id
from libs.common.events import SampleRejected, SnapshotCaptured
from libs.common.kafka import DrainOnRevoke, Subscriptions
from libs.common.outbox import Relay
from libs.common.postgres import Connection, Pool
from libs.common.service import Runtime, Service
from libs.common.settings import CommonSettings

WITHOUT = set(os.environ.get("GATE_WITHOUT", "").split(","))
DIE = os.environ.get("GATE_DIE", "")
SECONDS = float(os.environ.get("GATE_SECONDS", "0"))
subscriptions = Subscriptions("cleaner")
TABLES = """
    create table if not exists cleaner.gate_start (snapshot_id text, pid int, at timestamptz default now());
    create table if not exists cleaner.gate_effect (subject text, pid int, at timestamptz default now());
    grant all on cleaner.gate_start, cleaner.gate_effect to camloop_cleaner
"""


async def count_snapshot(
    event: SnapshotCaptured, envelope: Annotated[Envelope, Context()], pool: Annotated[Pool, Context()]
) -> None:
    """Start, take a while, have an effect and announce it."""
    await pool.execute("insert into gate_start (snapshot_id, pid) values ($1, $2)", event.snapshot_id, os.getpid())
    await asyncio.sleep(SECONDS)
    async with inbox.transaction(pool, "cleaner", envelope) as connection:
        await connection.execute(
            "insert into gate_effect (subject, pid) values ($1, $2)", event.snapshot_id, os.getpid()
        )
        rejected = SampleRejected(sample_id=stable_id(event.snapshot_id), workflow="hairnet", reason="dark")
        await outbox.add(connection, rejected, cause=envelope)
    if DIE == "after_commit":
        os._exit(9)


async def count_rejection(
    event: SampleRejected, envelope: Annotated[Envelope, Context()], pool: Annotated[Pool, Context()]
) -> None:
    """The reader of what the relay published."""
    async with inbox.transaction(pool, "cleaner", envelope) as connection:
        await connection.execute(
            "insert into gate_effect (subject, pid) values ($1, $2)", str(event.sample_id), os.getpid()
        )


def use_a_group_of_its_own() -> None:
    """Gates share topics: each has its own group, whose offsets the fixture has put at the end. Dead members go soon."""
    kafka.SESSION_SECONDS = 6
    subscriptions.router.subscriber = partial(  # type: ignore[method-assign]
        _subscriber_in_group, subscriptions.router.subscriber, os.environ["GATE_GROUP"]
    )


def _subscriber_in_group(original: Any, group: str, *topics: str, **options: Any) -> Any:
    return original(*topics, **(options | {"group_id": group}))


def take_protections_away() -> None:
    """What the gate guards, gone: the gate must then fail."""
    if "inbox" in WITHOUT:
        inbox.transaction = _transaction_without_inbox  # type: ignore[assignment]
    if "drain" in WITHOUT:
        DrainOnRevoke.on_partitions_revoked = _no_drain  # type: ignore[assignment,method-assign]
    if "late_ack" in WITHOUT:
        kafka.ACK_POLICY = AckPolicy.ACK_FIRST
    if DIE == "after_publish":
        Relay._publish = _publish_and_die  # type: ignore[assignment,method-assign]


@asynccontextmanager
async def _transaction_without_inbox(pool: Pool, consumer: str, envelope: Envelope) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection, connection.transaction():
        yield connection


async def _no_drain(self: DrainOnRevoke, revoked: Any) -> None:
    return None


_publish = Relay._publish


async def _publish_and_die(self: Relay, rows: Any) -> None:
    await _publish(self, rows)
    os._exit(9)


def main() -> None:
    """Run until killed."""
    use_a_group_of_its_own()
    take_protections_away()
    if os.environ.get("GATE_HEARS") == "rejected":
        subscriptions.hears(SampleRejected)(count_rejection)
    else:
        subscriptions.hears(SnapshotCaptured)(count_snapshot)

    async def wire(runtime: Runtime) -> None:
        return None

    settings = CommonSettings(_env_file=None, http_port=int(os.environ["GATE_HTTP_PORT"]), log_format="console")  # type: ignore[call-arg]
    Service("cleaner", settings, subscriptions, wire).run()


if __name__ == "__main__":
    main()
