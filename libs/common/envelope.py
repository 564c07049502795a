"""The CloudEvents envelope: who said what, when, and because of which other event (Kafka binary mode)."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from json import loads
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

CAMLOOP = uuid5(NAMESPACE_URL, "camloop")
# The field that tells one event of a topic from the next, where a body has one. Not a subject's id: a second review of
# the same sample is another event.
BODY_ID = {
    "snapshot.captured": "snapshot_id",
    "clip.captured": "clip_id",
    "training.requested": "training_run_id",
    "evaluation.requested": "evaluation_id",
    "dataset.build_requested": "request_id",
    "promotion.requested": "request_id",
    "rollback.requested": "request_id",
}


def uuid7() -> UUID:
    """A time-ordered random id (RFC 9562, version 7); `uuid.uuid7` exists from Python 3.14 only."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def stable_id(*parts: object) -> UUID:
    """The same id for the same parts, for ever: whatever is done twice is done once."""
    return uuid5(CAMLOOP, "|".join(map(str, parts)))


@dataclass(frozen=True)
class Envelope:
    """What the headers of a message say. `event_id` is always a UUID, whatever the sender wrote."""

    event_id: UUID
    topic: str
    source: str
    time: datetime | None
    subject: str
    correlation_id: str
    causation_id: str | None
    traceparent: str | None
    declared_type: str | None
    attempt: int = 0

    @property
    def age_seconds(self) -> float | None:
        """How long ago the sender says it happened."""
        return None if self.time is None else (datetime.now(UTC) - self.time).total_seconds()


def origin_topic(topic: str) -> str:
    """`snapshot.captured` for itself and for its retry and dead-letter topics."""
    for mark in (".retry.", ".dlq."):
        topic = topic.split(mark)[0]
    return topic


def read_envelope(
    *, topic: str, key: bytes | None, headers: Iterable[tuple[str, bytes]], value: bytes | None
) -> Envelope:
    """The envelope of a Kafka record; missing ids are derived from the content, so a re-send is still recognised."""
    texts = {name: (raw or b"").decode(errors="replace") for name, raw in headers}
    origin = origin_topic(topic)
    event_id = _event_id(origin, texts, value)
    return Envelope(
        event_id=event_id,
        topic=origin,
        source=texts.get("ce_source", "unknown"),
        time=_parse_time(texts.get("ce_time")),
        subject=texts.get("ce_subject") or (key or b"").decode(errors="replace"),
        correlation_id=texts.get("correlationid") or str(event_id),
        causation_id=texts.get("causationid"),
        traceparent=texts.get("traceparent"),
        declared_type=texts.get("ce_type"),
        attempt=_attempt(texts.get("x-attempt")),
    )


def _event_id(topic: str, headers: Mapping[str, str], value: bytes | None) -> UUID:
    declared = headers.get("ce_id")
    if declared:
        source = headers.get("ce_source", "unknown")
        try:
            return UUID(declared)
        except ValueError:
            return stable_id(source, declared)
    return stable_id(topic, _body_id(topic, value) or sha256(value or b"").hexdigest())


def _body_id(topic: str, value: bytes | None) -> str | None:
    name = BODY_ID.get(topic)
    if name is None:
        return None
    try:
        body: Any = loads(value or b"")
    except (ValueError, RecursionError):
        # Also digits by the thousand and brackets in brackets: whatever was sent, the envelope stands.
        return None
    if not isinstance(body, dict):
        return None
    identity = cast(dict[str, Any], body).get(name)
    # An escaped half of a surrogate pair is valid JSON and no text.
    return identity if isinstance(identity, str) and identity.isprintable() and identity else None


def _parse_time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _attempt(text: str | None) -> int:
    return int(text) if text and len(text) <= 4 and text.isdecimal() else 0
