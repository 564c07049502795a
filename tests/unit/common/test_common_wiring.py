"""How subscriptions, the envelope and parking fit together, on FastStream's broker in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import pytest
from common_fakes import FakePool
from faststream.kafka import KafkaBroker, TestKafkaBroker

from libs.common.envelope import Envelope, stable_id
from libs.common.errors import AlreadyHandled, Permanent, Transient
from libs.common.events import SampleRejected, SnapshotCaptured, to_json
from libs.common.injection import Given
from libs.common.kafka import Subscriptions, event_topics, make_broker
from libs.common.retry import Parking
from libs.common.settings import CommonSettings
from libs.common.testing import snapshot

SETTINGS = CommonSettings(
    _env_file=None,
    KAFKA_BOOTSTRAP_SERVERS="kafka.test:9092",
    DATABASE_URL="postgresql://db.test/camloop",
    S3_ENDPOINT="http://s3.test",
    S3_ACCESS_KEY="key",
    S3_SECRET_KEY="secret",
    CAMLOOP_ADMIN_TOKEN="x" * 24,
)


@dataclass
class Heard:
    """What the handler got, and what it shall raise."""

    events: list[tuple[SnapshotCaptured, Envelope]] = field(default_factory=list)
    error: Exception | None = None


def hears(heard: Heard) -> Subscriptions:
    subscriptions = Subscriptions("cleaner")

    @subscriptions.hears(SnapshotCaptured)
    async def hear(event: SnapshotCaptured, envelope: Annotated[Envelope, Given()]) -> None:
        heard.events.append((event, envelope))
        if heard.error is not None:
            raise heard.error

    return subscriptions


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def pool() -> FakePool:
    return FakePool()


@asynccontextmanager
async def connected(subscriptions: Subscriptions, pool: Any) -> AsyncIterator[KafkaBroker]:
    broker = make_broker(SETTINGS, Parking(subscriptions.consumer, pool, pause_seconds=0))
    broker.include_router(subscriptions.router)
    async with TestKafkaBroker(broker) as running:
        yield running


@pytest.fixture
async def send(heard: Heard, pool: FakePool) -> AsyncIterator[Callable[..., Any]]:
    async with connected(hears(heard), pool) as broker:

        async def publish(value: Any, topic: str = "snapshot.captured", **headers: str) -> None:
            await broker.publish(value, topic, headers=headers, key=b"line-1")

        yield publish


async def test_a_handler_gets_event_and_envelope(send: Callable[..., Any], heard: Heard, pool: FakePool) -> None:
    sent = snapshot(snapshot_id="s1")
    await send(to_json(sent))
    ((event, envelope),) = heard.events
    assert event == sent
    assert (envelope.event_id, envelope.subject) == (stable_id("snapshot.captured", "s1"), "line-1")
    assert pool.rows == []


async def test_the_retry_topic_has_the_same_handler(send: Callable[..., Any], heard: Heard) -> None:
    known = UUID(int=7)
    await send(to_json(snapshot()), topic="snapshot.captured.retry.cleaner", ce_id=str(known), **{"x-attempt": "2"})
    ((_, envelope),) = heard.events
    assert (envelope.event_id, envelope.attempt, envelope.topic) == (known, 2, "snapshot.captured")


@pytest.mark.parametrize(
    ("error", "topic"),
    [
        (Transient("down"), "snapshot.captured.retry.cleaner"),
        (KeyError("bug"), "snapshot.captured.retry.cleaner"),
        (Permanent("never"), "snapshot.captured.dlq.cleaner"),
    ],
)
async def test_a_handler_that_raises(
    send: Callable[..., Any], heard: Heard, pool: FakePool, error: Exception, topic: str
) -> None:
    heard.error = error
    await send(to_json(snapshot()))
    (row,) = pool.rows
    assert row["topic"] == topic
    assert row["headers"]["x-error"].startswith(type(error).__name__)


@pytest.mark.parametrize("value", [b"junk", b"{}", b"", b"[" * 5000, b"\xff\xfe", b'{"snapshot_id": "\\ud800"}'])
async def test_poison_goes_to_the_dead_letters(
    send: Callable[..., Any], heard: Heard, pool: FakePool, value: bytes
) -> None:
    await send(value)
    (row,) = pool.rows
    assert (row["topic"], row["value"] or b"") == ("snapshot.captured.dlq.cleaner", value)
    assert heard.events == []


async def test_a_type_that_does_not_belong_here(send: Callable[..., Any], heard: Heard, pool: FakePool) -> None:
    await send(to_json(snapshot()), ce_type="sample.approved")
    assert "'sample.approved' does not belong on topic 'snapshot.captured'" in pool.rows[0]["headers"]["x-error"]
    assert heard.events == []


async def test_what_was_handled_before_is_acknowledged(send: Callable[..., Any], heard: Heard, pool: FakePool) -> None:
    heard.error = AlreadyHandled("seen")
    await send(to_json(snapshot()))
    assert pool.rows == []


async def test_a_failure_that_cannot_be_parked_is_not_acknowledged(heard: Heard) -> None:
    heard.error = Transient("down")
    async with connected(hears(heard), FakePool(broken=OSError("no PostgreSQL"))) as broker:
        with pytest.raises(OSError, match="no PostgreSQL"):
            await broker.publish(to_json(snapshot()), "snapshot.captured")


async def test_a_running_handler_is_known_to_the_health_check(heard: Heard) -> None:
    parking = Parking("cleaner", FakePool())
    seen: list[int] = []
    subscriptions = Subscriptions("cleaner")

    @subscriptions.hears(SnapshotCaptured)
    async def look(event: SnapshotCaptured) -> None:
        seen.append(len(parking.busy_since))

    broker = make_broker(SETTINGS, parking)
    broker.include_router(subscriptions.router)
    async with TestKafkaBroker(broker):
        await broker.publish(to_json(snapshot()), "snapshot.captured")
    assert (seen, parking.busy_since) == ([1], {})


def test_topics_of_a_service() -> None:
    subscriptions = hears(Heard())
    names = {topic.name for topic in subscriptions.topics()}
    assert names >= {topic.name for topic in event_topics()}
    assert names >= {"snapshot.captured.retry.cleaner", "snapshot.captured.dlq.cleaner"}
    assert SampleRejected.topic + ".dlq.cleaner" not in names


def test_a_subscription_is_a_group_of_its_own() -> None:
    subscriptions = hears(Heard())
    subscriptions.hears(SampleRejected)
    groups = [drain.subscriber.group_id for drain in subscriptions.drains]
    assert groups == ["cleaner.snapshot.captured", "cleaner.sample.rejected"]
