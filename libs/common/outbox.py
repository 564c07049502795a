"""The outbox: an event is a row in the same transaction as the state it announces; one relay publishes the rows.

A crash between publish and delete sends an event twice with the same `ce_id`; the reader's inbox absorbs the second.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from libs.common import telemetry
from libs.common.envelope import Envelope, uuid7
from libs.common.errors import Permanent
from libs.common.events import Event, to_json
from libs.common.postgres import DATABASE_TROUBLE, Connection, role_of

log = structlog.get_logger()
BATCH = 500
POLL_SECONDS = 1.0
# From one batch to the next: an event that comes alone goes out at once, those of a stream in handfuls.
GATHER_SECONDS = 0.02
# An active relay asks every second. One that hangs (a frozen machine) loses its session, and with it the lock, to another
# replica. Longer than a publish may take.
FROZEN_SECONDS = 60
CHANNEL = "camloop_outbox"
# Kafka takes a MiB. One row too large would stop the relay and with it everything behind: refused where it is made.
LARGEST_VALUE = 960_000

INSERT = """
    insert into outbox (event_id, topic, key, headers, value, available_at)
    values ($1, $2, $3, jsonb_build_object('ce_source', '/service/' || current_schema()) || $4::jsonb, $5,
            now() + coalesce($6, interval '0'))
    on conflict (event_id, topic) do nothing
"""
# A parked message may fail again before the relay has deleted the row of the try before: the row is renewed under a new
# seq, so that the relay's delete (by the old seq) misses it. "do nothing" would lose the message here.
RENEW = INSERT.replace(
    "do nothing",
    "do update set seq = default, xid = pg_current_xact_id(), headers = excluded.headers, value = excluded.value,"
    " available_at = excluded.available_at",
)
# Only rows of transactions older than every running one: sequences are not commit-ordered, a plain "seq > last" skips rows.
SELECT_READY = """
    select seq, topic, key, headers, value from outbox
    where available_at <= now() and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, seq limit $1
"""


async def add(
    connection: Connection,
    event: Event,
    *,
    cause: Envelope | None = None,
    event_id: UUID | None = None,
    delay: timedelta | None = None,
) -> UUID:
    """Announce `event` when the caller's transaction commits. A given `event_id` makes the announcement idempotent.

    Raises `Permanent` when the event is larger than Kafka takes.
    """
    identity = event_id or uuid7()
    headers = envelope_headers(event, event_id=identity, cause=cause)
    value = to_json(event)
    if len(value) > LARGEST_VALUE:
        raise Permanent(
            f"The {event.topic} of {event.key} has {len(value)} bytes and {LARGEST_VALUE} fit: put the bulk into an object"
        )
    await insert(
        connection,
        event_id=identity,
        topic=event.topic,
        key=event.key.encode(),
        headers=headers,
        value=value,
        delay=delay,
    )
    return identity


def envelope_headers(event: Event, *, event_id: UUID, cause: Envelope | None) -> dict[str, str]:
    """CloudEvents headers in Kafka binary mode; `ce_source` is filled in by the database (the schema's owner)."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": event.topic,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_subject": event.key,
        "content-type": "application/json",
        "correlationid": cause.correlation_id if cause else str(event_id),
    }
    if cause:
        headers["causationid"] = str(cause.event_id)
    if cause and cause.traceparent:
        headers["traceparent"] = cause.traceparent
    return headers


async def insert(
    connection: Connection,
    *,
    event_id: UUID,
    topic: str,
    key: bytes,
    headers: Mapping[str, str],
    value: bytes | None,
    delay: timedelta | None = None,
    renew: bool = False,
) -> None:
    """Add a row as it will be sent. The same id on the same topic stands once: the first, or with `renew` the last.

    A `delay` is counted by the database's clock, as the relay does: this process's clock may step.
    """
    await connection.execute(RENEW if renew else INSERT, event_id, topic, key, dict(headers), value, delay)


class Publisher(Protocol):
    """What the relay needs of aiokafka's producer."""

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[Any]: ...


@dataclass
class Relay:
    """Publishes the outbox of one schema, in commit order. Of several replicas one is active, by a session lock."""

    dsn: str
    service: str
    publisher: Publisher
    notify: bool = True
    connected: bool = False

    async def run(self) -> None:
        """Publish for ever; a lost connection or broker is tried again with a pause."""
        while True:
            try:
                await self._run_connected()
            except (*DATABASE_TROUBLE, KafkaError) as error:
                self.connected = False
                log.warning("outbox_relay_interrupted", error=str(error) or type(error).__name__)
                await asyncio.sleep(POLL_SECONDS * random.uniform(1, 2))  # not all replicas at once

    async def _run_connected(self) -> None:
        # A connection of its own: the pool drops session locks and LISTEN when a connection returns to it.
        connection = await asyncpg.connect(
            self.dsn,
            command_timeout=30,
            server_settings={
                "search_path": self.service,
                "role": role_of(self.service),
                "idle_session_timeout": str(FROZEN_SECONDS * 1000),
            },
        )
        try:
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=dumps, decoder=loads)
            await self._become_active(connection)
            wake = asyncio.Event()
            if self.notify:
                await connection.add_listener(f"{CHANNEL}_{self.service}", _waker(wake))
            self.connected = True
            measure_at = 0.0
            while True:
                wake.clear()
                began = time.monotonic()
                published = await self.publish_batch(connection)
                if began >= measure_at:  # also in a stream that never ends: a backlog must be seen to grow
                    await self._measure(connection)
                    measure_at = began + POLL_SECONDS
                if published < BATCH:
                    await self._wait(wake)
                    await asyncio.sleep(began + GATHER_SECONDS - time.monotonic())
        finally:
            self.connected = False
            with suppress(*DATABASE_TROUBLE):
                await connection.close(timeout=5)

    async def _become_active(self, connection: Connection) -> None:
        statement = "select pg_try_advisory_lock(hashtextextended('outbox-relay:' || current_schema(), 0))"
        while not await connection.fetchval(statement):
            self.connected = True  # on standby: another replica publishes
            await asyncio.sleep(POLL_SECONDS)

    @staticmethod
    async def _wait(wake: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), POLL_SECONDS)

    async def publish_batch(self, connection: Connection) -> int:
        """Publish what is ready, wait for every ack, delete it; return how many."""
        rows = await connection.fetch(SELECT_READY, BATCH)
        if rows:
            try:
                await self._publish(rows)
            except (OSError, TimeoutError, KafkaError):
                await self._measure(connection)  # while nothing gets out, the age must be seen to grow
                raise
            await connection.execute("delete from outbox where seq = any($1)", [row["seq"] for row in rows])
            telemetry.outbox_published.labels(self.service).inc(len(rows))
        return len(rows)

    async def _publish(self, rows: list[asyncpg.Record]) -> None:
        acks = [
            await self.publisher.send(
                row["topic"],
                row["value"],
                row["key"],
                headers=[(name, str(text).encode()) for name, text in row["headers"].items()],
            )
            for row in rows
        ]
        await asyncio.gather(*acks)

    async def _measure(self, connection: Connection) -> None:
        age = await connection.fetchval(
            "select coalesce(extract(epoch from now() - min(available_at)), 0) from outbox where available_at <= now()"
        )
        telemetry.outbox_age.labels(self.service).set(float(age))


def _waker(wake: asyncio.Event) -> Callable[..., None]:
    def notified(*_: object) -> None:
        wake.set()

    return notified
