"""Retry and dead letters end to end, on a real service: whatever a partition brings, its neighbours arrive."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from libs.common import inbox
from libs.common.envelope import Envelope
from libs.common.errors import Permanent
from libs.common.events import Body
from libs.common.injection import Given
from libs.common.kafka import Subscriptions, TopicSpec, provision
from libs.common.postgres import Pool, migrate
from libs.common.service import Runtime, Service
from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack

pytestmark = pytest.mark.connected
TOPIC = f"t{uuid4().hex[:10]}.poked"
DLQ = f"{TOPIC}.dlq.cleaner"
ATTEMPTS = 3
ALMOST_A_MEBIBYTE = 1_048_000


class Poked(Body):
    """An event of this file only: no `Event`, so that it joins no list of camloop's."""

    topic: ClassVar[str] = TOPIC
    name: str
    deed: str = "work"


@dataclass
class Handled:
    """What the handler did: names in order, and how often each was tried."""

    done: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    envelopes: dict[str, Envelope] = field(default_factory=dict)


def subscriptions_for(handled: Handled) -> Subscriptions:
    subscriptions = Subscriptions("cleaner")

    @subscriptions.hears(Poked)  # type: ignore[arg-type]  # needs a topic, and has one
    async def work(event: Poked, envelope: Annotated[Envelope, Given()], pool: Annotated[Pool, Given()]) -> None:
        handled.tries[event.name] = handled.tries.get(event.name, 0) + 1
        async with inbox.transaction(pool, "cleaner", envelope):
            await _do(event, handled.tries[event.name])
        handled.done.append(event.name)
        handled.envelopes[event.name] = envelope

    return subscriptions


async def _do(event: Poked, attempt: int) -> None:
    match event.deed:
        case "raise":
            raise RuntimeError("always \ud800 \x00")
        case "refuse":
            raise Permanent("never")
        case "flaky" if attempt == 1:
            raise OSError("not now")
        case _:
            return


@dataclass
class Story:
    """All messages of this file, sent to one partition, and what became of them."""

    handled: Handled
    dead: list[ConsumerRecord[bytes, bytes]]
    offsets: dict[str, int]
    dsn: str
    ready: int

    def letter(self, name: str) -> tuple[ConsumerRecord[bytes, bytes], dict[str, str]]:
        """The dead letter of a message, and its headers."""
        offset = str(self.offsets[name])
        (found,) = [record for record in self.dead if dict(record.headers)["x-origin-offset"].decode() == offset]
        return found, {header: value.decode() for header, value in found.headers}


def poke(name: str, deed: str = "work") -> bytes:
    return json.dumps({"name": name, "deed": deed}).encode()


MESSAGES: dict[str, tuple[bytes | None, list[tuple[str, Any]]]] = {
    "first": (poke("first"), []),
    "junk": (b"{junk", []),
    "junk that claims to be json": (b"{junk", [("content-type", b"application/json")]),
    "wrong body": (b'{"nome": 1}', []),
    "no object": (b"7", []),
    "tombstone": (None, []),
    "not utf-8": (b"\xff\xfe\x00", []),
    "nested": (b"[" * 50_000, []),
    "surrogate": (b'{"nome": "\\ud800"}', []),
    "digits": (b'{"name": ' + b"9" * 5000 + b"}", []),
    "large": (b"x" * ALMOST_A_MEBIBYTE, []),
    "odd headers": (
        poke("odd headers"),
        [("ce_id", None), ("x", b"\xff\xfe"), ("ce_time", b"\xc3("), ("y\x00", b"\x00")],
    ),
    "odd headers, refused": (poke("odd headers, refused", "refuse"), [("ce_id", b"\xff"), ("ce_type", None)]),
    "wrong type": (poke("wrong type"), [("ce_type", b"sample.approved")]),
    "huge attempt": (poke("huge attempt"), [("x-attempt", b"9" * 5000)]),
    "raise": (poke("raise", "raise"), []),
    "refuse": (poke("refuse", "refuse"), []),
    "flaky": (poke("flaky", "flaky"), [("ce_id", b"frame 7"), ("ce_source", b"/camera/line-1")]),
    "twice": (poke("twice"), [("ce_id", b"0195a7b0-0000-7000-8000-000000000001")]),
    "twice again": (poke("twice"), [("ce_id", b"0195a7b0-0000-7000-8000-000000000001")]),
    "last": (poke("last"), []),
}
DEAD = {
    "junk": "ValidationError",
    "junk that claims to be json": "JSONDecodeError",
    "wrong body": "ValidationError",
    "no object": "ValidationError",
    "tombstone": "",
    "not utf-8": "",
    "nested": "RecursionError",
    "surrogate": "ValidationError",
    "digits": "Permanent: The body can't be read: Exceeds the limit",
    "large": "ValidationError",
    "odd headers, refused": "Permanent: never",
    "wrong type": "Permanent: ce_type 'sample.approved' does not belong on topic",
    "raise": "RuntimeError: always",
    "refuse": "Permanent: never",
}


@pytest.fixture(scope="module")
async def story(stack: LocalStack) -> AsyncIterator[Story]:
    """Run the service, send everything, wait until the last message and the last dead letter are there."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(stack.postgres_dsn)
    await admin.execute(f"create database {name}")
    settings = _settings(stack, stack.postgres_dsn.replace("/camloop", f"/{name}", 1))
    await migrate(settings.database_url, "cleaner")
    await provision(settings, [TopicSpec(TOPIC, 1, {})])
    handled, stop = Handled(), asyncio.Event()
    service = asyncio.ensure_future(Service("cleaner", settings, subscriptions_for(handled), _wire).serve(stop))
    try:
        yield await _play(settings, handled)
    finally:
        stop.set()
        await asyncio.wait_for(service, 30)
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


async def _wire(runtime: Runtime) -> None:
    return None


def _settings(stack: LocalStack, dsn: str) -> CommonSettings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return CommonSettings(
        _env_file=None, KAFKA_BOOTSTRAP_SERVERS=stack.kafka_bootstrap, DATABASE_URL=dsn, S3_ENDPOINT=stack.s3_endpoint,
        S3_ACCESS_KEY=stack.s3_access_key, S3_SECRET_KEY=stack.s3_secret_key, CAMLOOP_ADMIN_TOKEN="x" * 24,
        RETRY_BASE_SECONDS=0.05, RETRY_ATTEMPTS=ATTEMPTS, http_port=port,
    )  # fmt: skip


async def _play(settings: CommonSettings, handled: Handled) -> Story:
    ready = await _ready(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    reader = AIOKafkaConsumer(DLQ, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    async with producer, reader, asyncio.timeout(120):
        offsets = {
            name: (await producer.send_and_wait(TOPIC, value, key=b"k", headers=headers)).offset
            for name, (value, headers) in MESSAGES.items()
        }
        dead = [await reader.getone() for _ in DEAD]
        await _until(lambda: {"last", "flaky"} <= set(handled.done))
    return Story(handled, dead, offsets, settings.database_url, ready)


async def _ready(settings: CommonSettings) -> int:
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            try:
                answer = await http.get(f"http://127.0.0.1:{settings.http_port}/readyz")
                if answer.status_code == 200:
                    return answer.status_code
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_neighbours_arrive_in_order(story: Story) -> None:
    in_order = ["first", "odd headers", "huge attempt", "twice", "last"]
    assert [name for name in story.handled.done if name != "flaky"] == in_order


async def test_the_partition_did_not_wait_for_retries(story: Story) -> None:
    assert story.handled.done.index("last") < story.handled.done.index("flaky")


async def test_what_failed_once_succeeds_later_with_its_own_identity(story: Story) -> None:
    envelope = story.handled.envelopes["flaky"]
    assert story.handled.tries["flaky"] == 2
    assert (envelope.attempt, envelope.topic, envelope.source) == (1, TOPIC, "/camera/line-1")


async def test_a_re_send_has_one_effect(story: Story) -> None:
    assert story.handled.done.count("twice") == 1
    connection = await asyncpg.connect(story.dsn)
    known = UUID("0195a7b0-0000-7000-8000-000000000001")
    rows = await connection.fetchval("select count(*) from cleaner.inbox where event_id = $1", known)
    await connection.close()
    assert rows == 1


@pytest.mark.parametrize("name", DEAD)
async def test_a_dead_letter_says_what_it_was_where_it_was_and_why(story: Story, name: str) -> None:
    record, headers = story.letter(name)
    assert record.value == MESSAGES[name][0]
    assert record.key == b"k"
    assert (headers["x-origin-topic"], headers["x-origin-partition"]) == (TOPIC, "0")
    assert headers["x-consumer"] == "cleaner"
    assert headers["x-error"].startswith(DEAD[name]), headers["x-error"]


async def test_nothing_else_is_dead(story: Story) -> None:
    assert len({dict(record.headers)["x-origin-offset"] for record in story.dead}) == len(DEAD) == len(story.dead)


@pytest.mark.parametrize(("name", "attempts"), [("raise", ATTEMPTS), ("refuse", 1), ("junk", 1), ("digits", 1)])
async def test_only_what_may_pass_is_tried_again(story: Story, name: str, attempts: int) -> None:
    assert story.letter(name)[1]["x-attempt"] == str(attempts)


async def test_null_and_undecodable_headers_survive_parking(story: Story) -> None:
    _, headers = story.letter("odd headers, refused")
    assert headers["ce_id"] == "base64:/w=="
    assert headers["ce_type"] == ""


async def test_the_outbox_is_empty_and_the_service_is_ready(story: Story) -> None:
    connection = await asyncpg.connect(story.dsn)
    async with asyncio.timeout(60):
        while await connection.fetchval("select count(*) from cleaner.outbox"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await connection.close()
    assert story.ready == 200
