"""What happens to a message whose handler fails: another try later, or the dead letters; never lost, never in the way.

The middleware turns a failure into an outbox row (retry or dead letter) and acknowledges the message. A breaker stops
dead-lettering when a handler fails on and on: a bad deploy must not drain a topic into the dead letters. A message that is
bad by itself never counts for it: one camera that talks nonsense must not stop its partition (ADR 0012).
"""

import asyncio
import base64
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from json import JSONDecodeError
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from aiokafka import ConsumerRecord
from fast_depends.exceptions import ValidationError as DependsValidationError
from faststream import BaseMiddleware
from faststream.exceptions import HandlerException, StopConsume
from pydantic import ValidationError

from libs.common import outbox, telemetry
from libs.common.envelope import Envelope, origin_topic, read_envelope, stable_id
from libs.common.errors import AlreadyHandled, NotYet, Permanent
from libs.common.needed import Needed
from libs.common.objects import StoreUnavailable
from libs.common.postgres import Connection, Pool

log = structlog.get_logger()
MAXIMUM_DELAY_SECONDS = 900.0
ERROR_TEXT = 2000
# Parked with its value. What is larger once unpacked (no event is) stays where it is; its dead letter tells where.
LARGEST_VALUE = 4 << 20
PAUSE_SECONDS = 5.0


def retry_topic(topic: str, consumer: str) -> str:
    """Where a consumer's failed messages wait for another try."""
    return f"{topic}.retry.{consumer}"


def dlq_topic(topic: str, consumer: str) -> str:
    """Where a consumer's dead letters lie."""
    return f"{topic}.dlq.{consumer}"


def is_permanent(error: BaseException) -> bool:
    """True when the same bytes will fail for ever."""
    return isinstance(
        error,
        Permanent
        | ValidationError
        | DependsValidationError
        | JSONDecodeError
        | UnicodeDecodeError
        | RecursionError
        | asyncpg.DataError,  # a value no column takes: too large a number, U+0000 in a text
    )


def is_the_messages_fault(error: BaseException) -> bool:
    """True for what no handler could have done better with."""
    return is_permanent(error) or isinstance(error, NotYet)


def retry_delay(attempt: int, *, base_seconds: float, jitter: float) -> timedelta:
    """Exponential back-off, factor 4, at most 15 minutes; `jitter` in -1..1 moves it by up to 20 %."""
    return timedelta(seconds=min(base_seconds * 4**attempt, MAXIMUM_DELAY_SECONDS) * (1 + 0.2 * jitter))


@dataclass
class Breaker:
    """Opens per partition after 20 failures for good in a row, or in more than 10 % of the last 200 messages."""

    in_a_row: int = 20
    window: int = 200
    share: float = 0.1
    _row: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    _recent: dict[tuple[str, int], deque[bool]] = field(default_factory=dict[tuple[str, int], deque[bool]])

    def record(self, partition: tuple[str, int], *, dead: bool) -> None:
        """Note how a message of the partition ended."""
        self._row[partition] = self._row.get(partition, 0) + 1 if dead else 0
        self._recent.setdefault(partition, deque(maxlen=self.window)).append(dead)

    def is_open(self, partition: tuple[str, int]) -> bool:
        """True while this partition must not dead-letter any more."""
        recent = self._recent.get(partition, deque[bool]())
        too_many = len(recent) == self.window and sum(recent) > self.share * self.window
        return self._row.get(partition, 0) >= self.in_a_row or too_many

    @property
    def any_open(self) -> bool:
        return any(self.is_open(partition) for partition in self._recent)


class PartDown(RuntimeError):
    """A part is down that every message needs: this one waits where it is, and the others behind it."""


class BreakerOpen(RuntimeError):
    """Dead-lettering is stopped for a partition: the message stays where it is."""


@dataclass
class Parking:
    """Puts failed messages of one consumer aside, through its outbox."""

    consumer: str
    pool: Pool
    base_seconds: float = 5.0
    attempts: int = 5
    breaker: Breaker = field(default_factory=Breaker)
    pause_seconds: float = PAUSE_SECONDS
    needed: Needed | None = None
    busy_since: dict[int, float] = field(default_factory=dict[int, float])

    async def park(self, record: "ConsumerRecord[bytes, bytes]", error: BaseException) -> None:
        """A retry row, or a dead letter when trying again cannot help or was tried often enough."""
        envelope = envelope_of(record)
        attempt = envelope.attempt + 1
        dead = is_permanent(error) or attempt >= self.attempts or not can_be_parked(record)
        partition = (record.topic, record.partition)
        failed = dead and not is_the_messages_fault(error)
        if failed:
            self._require_closed(partition, envelope)
        async with self.pool.acquire() as connection:
            await self._insert(connection, record, envelope, attempt=attempt, dead=dead, error=error)
        if failed:
            # Counted once it is parked: while PostgreSQL is down the same message comes again and again.
            self.breaker.record(partition, dead=True)
        counter = telemetry.dead_lettered if dead else telemetry.retried
        counter.labels(self.consumer, envelope.topic).inc()
        log.warning(
            "message_parked",
            dead=dead,
            attempt=attempt,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            event_id=str(envelope.event_id),
            error=storable(str(error)[:ERROR_TEXT]),
        )

    async def require_parts(self, error: BaseException) -> None:
        """Raises `PartDown` while the store is down for everybody. If it fails this one object only, there is a retry."""
        if not isinstance(error, StoreUnavailable) or self.needed is None:
            return
        # Looked at now: a look of before the failure says nothing about it.
        if await self.needed.is_down("s3", seconds=0):
            raise PartDown(f"s3 is down: {self.needed.down.get('s3')}")

    def _require_closed(self, partition: tuple[str, int], envelope: Envelope) -> None:
        if self.breaker.is_open(partition):
            telemetry.breaker_open.labels(self.consumer).set(1)
            raise BreakerOpen(f"Dead-lettering of {envelope.topic} for {self.consumer} is stopped: too many failures")

    async def _insert(
        self,
        connection: Connection,
        record: "ConsumerRecord[bytes, bytes]",
        envelope: Envelope,
        *,
        attempt: int,
        dead: bool,
        error: BaseException,
    ) -> None:
        name = dlq_topic if dead else retry_topic
        delay = retry_delay(attempt - 1, base_seconds=self.base_seconds, jitter=random.uniform(-1, 1))
        headers = parked_headers(record, envelope, attempt=attempt, consumer=self.consumer, error=error)
        whole = can_be_parked(record)
        if not whole:
            headers["x-value-left-at-origin"] = f"{len(record.value or b'')} bytes"
        await outbox.insert(
            connection,
            event_id=parked_id(envelope, headers),
            topic=name(envelope.topic, self.consumer),
            key=record.key or b"",
            headers=headers,
            value=record.value if whole else None,
            delay=None if dead else delay,
            renew=True,
        )

    def succeeded(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        """A message went through: the partition is healthy."""
        self.breaker.record((record.topic, record.partition), dead=False)
        telemetry.breaker_open.labels(self.consumer).set(1 if self.breaker.any_open else 0)


def can_be_parked(record: "ConsumerRecord[bytes, bytes]") -> bool:
    """Whether its value fits where parked messages lie."""
    return len(record.value or b"") <= LARGEST_VALUE


def parked_id(envelope: Envelope, headers: Mapping[str, str]) -> UUID:
    """Of the outbox row: the same message renews its row, another one under the same event id never takes it away."""
    return stable_id("parked", envelope.event_id, headers["x-origin-partition"], headers["x-origin-offset"])


def envelope_of(record: "ConsumerRecord[bytes, bytes]") -> Envelope:
    """The envelope of a raw record."""
    return read_envelope(topic=record.topic, key=record.key, headers=record.headers, value=record.value)


def parked_headers(
    record: "ConsumerRecord[bytes, bytes]", envelope: Envelope, *, attempt: int, consumer: str, error: BaseException
) -> dict[str, str]:
    """The message's own headers, plus where it came from and why it is here."""
    own = {name: readable(raw).decode() for name, raw in record.headers}
    known = own if record.topic != envelope.topic else {}  # a stranger may have written such headers, too
    origin = {
        "x-attempt": str(attempt),
        "x-origin-topic": known.get("x-origin-topic", envelope.topic),
        "x-origin-partition": known.get("x-origin-partition", str(record.partition)),
        "x-origin-offset": known.get("x-origin-offset", str(record.offset)),
        "x-error": storable(f"{type(error).__name__}: {error}"[:ERROR_TEXT]),
        "x-consumer": consumer,
    }
    kept = {storable(name): storable(text) for name, text in own.items()}
    return {"ce_id": str(envelope.event_id), "ce_source": envelope.source, **kept, **origin}


def storable(text: str) -> str:
    """Text that jsonb takes: no NUL, no half of a surrogate pair (both arrive in junk, and in errors that quote it)."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def readable(raw: bytes | None) -> bytes:
    """A header as UTF-8: a null or undecodable one must not stop a partition."""
    try:
        (raw or b"").decode()
    except UnicodeDecodeError:
        return b"base64:" + base64.b64encode(raw or b"")
    return raw or b""


async def lenient_parser(record: Any, original: Callable[[Any], Any]) -> Any:
    """FastStream's parser raises on null and non-UTF-8 headers, before any middleware can help."""
    record.headers = tuple((name, readable(raw)) for name, raw in record.headers)
    return await original(record)


async def plain_decoder(message: Any, original: Callable[[Any], Any]) -> Any:
    """Whatever a body's text does to the parser, it is the body's fault (numbers of thousands of digits are no JSON error)."""
    try:
        return await original(message)
    except ValueError as error:
        if is_permanent(error):
            raise
        raise Permanent(f"The body can't be read: {error}") from error


class RetryOrDeadLetter(BaseMiddleware[Any, Any]):
    """Sees parser, validation and handler errors alike; a message that failed is parked and acknowledged."""

    parking: Parking

    async def on_receive(self) -> None:
        """Note when this message began: liveness asks for how long a handler has run."""
        self.parking.busy_since[id(self)] = time.monotonic()

    async def consume_scope(self, call_next: Callable[[Any], Any], msg: Any) -> Any:
        """Offer the envelope to the handler; refuse a type that does not belong on this topic."""
        envelope = envelope_of(self.msg)
        if envelope.declared_type not in (None, "", envelope.topic):
            raise Permanent(
                f"ce_type {envelope.declared_type!r} does not belong on topic {envelope.topic!r}: "
                "send it to the topic named as its type"
            )
        with self.context.scope("envelope", envelope), _log_context(envelope, self.msg):
            return await call_next(msg)

    async def after_processed(
        self, exc_type: Any = None, exc_val: BaseException | None = None, exc_tb: Any = None
    ) -> bool:
        """True (suppress, then ack) once the failure is safely in the outbox; else nack after a pause."""
        self.parking.busy_since.pop(id(self), None)
        if exc_val is None:
            self.parking.succeeded(self.msg)
            return False
        if isinstance(exc_val, AlreadyHandled):
            return True
        if isinstance(
            exc_val, HandlerException | StopConsume | asyncio.CancelledError | SystemExit | KeyboardInterrupt
        ):
            return False
        try:
            await self.parking.require_parts(exc_val)
            await self.parking.park(self.msg, exc_val)
        except Exception as error:
            # A part is down, or the breaker is open: the offset stays, the pause is the back-pressure.
            log.error(
                "message_held",
                error=str(error),
                cause=storable(str(exc_val)[:ERROR_TEXT]),
                topic=origin_topic(self.msg.topic),
            )
            await asyncio.sleep(self.parking.pause_seconds * random.uniform(0.8, 1.2))
            raise
        return True


def _log_context(envelope: Envelope, record: Any) -> AbstractContextManager[None]:
    return structlog.contextvars.bound_contextvars(
        correlation_id=envelope.correlation_id,
        event_id=str(envelope.event_id),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )


def middleware_for(parking: Parking) -> type[RetryOrDeadLetter]:
    """The middleware bound to a consumer's parking place."""
    return type("RetryOrDeadLetter", (RetryOrDeadLetter,), {"parking": parking, "__slots__": ()})
