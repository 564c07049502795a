"""A real cleaner on the real bus, spoken to by strangers: what is sent, what becomes of it, and whether all still stands."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.common.envelope import read_envelope
from libs.common.events import SnapshotCaptured, WorkflowChanged, to_json
from libs.common.objects import S3Objects
from libs.common.retry import readable
from services.cleaner.domain.samples import sample_id_of
from tests.support.hostile.events import KEEP, EventRow
from tests.support.hostile.pictures import jpeg
from tests.support.replica import Replica
from tests.support.service_process import Bus, eventually
from tests.unit.cleaner.cleaner_kit import make_picture, make_workflow

TOPIC = SnapshotCaptured.topic
WORKFLOW = "hairnet"
Where = tuple[int, int]
# What an unforeseen error would leave in a log.
UNEXPECTED = re.compile(r"Traceback|message_held|Task exception|never retrieved|Error in sys.excepthook")


@dataclass(frozen=True)
class Message:
    """A message as it was sent: where it lies, and the event id the cleaner gives it."""

    name: str
    where: Where
    event_id: UUID
    snapshot_id: str
    bad: bool


@dataclass(frozen=True)
class Fate:
    """What became of a message: a dead letter with its error, or a verdict with its words."""

    kind: str
    words: str = ""


@dataclass
class Stage:
    """Sends, and finds out."""

    dsn: str
    bus: Bus
    producer: AIOKafkaProducer
    objects: S3Objects
    replica: Replica
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    sent: list[Message] = field(default_factory=list[Message])

    async def open(self) -> None:
        """The cleaner knows the workflow."""
        definition = make_workflow().model_dump(mode="json")
        await self.bus.say(WorkflowChanged(workflow=WORKFLOW, revision=1, definition=definition, changed_by="test"))
        await eventually(lambda: self.rows("select 1 from cleaner.workflow"), seconds=60)

    async def snapshot(self, name: str, picture: bytes, camera: str) -> dict[str, Any]:
        """The body of a good snapshot whose picture is stored."""
        key = f"snapshots/{self.run}/{sha256(picture).hexdigest()}.jpg"
        image = await self.objects.put(key, picture, "image/jpeg")
        event = SnapshotCaptured(
            snapshot_id=name, camera_id=camera, captured_at=datetime.now(UTC), image=image, workflow=WORKFLOW, annotations=()
        )  # fmt: skip
        return json.loads(to_json(event))

    async def neighbour(self, partition: int = 0) -> Message:
        """A good snapshot, like no other."""
        number = len(self.sent)
        name = f"good-{self.run}-{number}"
        body = await self.snapshot(name, make_picture(number), f"good-{number}")
        return await self.send(name, json.dumps(body).encode(), self.headers(body), partition, snapshot=name, bad=False)

    def headers(self, body: dict[str, Any]) -> dict[str, bytes | None]:
        """As a camera that speaks CloudEvents sends them, the id its own."""
        known = {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_type": TOPIC, "ce_source": f"/camera/{self.run}"}
        known |= {"ce_time": datetime.now(UTC).isoformat(), "content-type": "application/json"}
        return {name: text.encode() for name, text in known.items()}

    async def row(self, row: EventRow, partition: int = 0) -> Message:
        """A row of the table."""
        name = f"bad-{self.run}-{len(self.sent)}"
        body = await self.snapshot(name, row.picture if row.picture is not None else jpeg(), name)
        value, headers = message_of(row, body, self.headers(body))
        return await self.send(row.name, value, headers, partition, snapshot=name)

    async def send(
        self, name: str, value: bytes | None, headers: dict[str, bytes | None], partition: int, *, snapshot: str,
        bad: bool = True,
    ) -> Message:  # fmt: skip
        """Whatever it is, to one partition."""
        pairs: Any = list(headers.items())
        record = await self.producer.send_and_wait(TOPIC, value, key=b"k", headers=pairs, partition=partition)
        envelope = read_envelope(topic=TOPIC, key=b"k", headers=parsed(headers), value=value)
        self.sent.append(Message(name, (partition, record.offset), envelope.event_id, snapshot, bad))
        return self.sent[-1]

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """Of the cleaner's database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def dead(self) -> dict[Where, str]:
        """Error of each dead letter, by where its message lay; two letters of one message would be an error of ours."""
        found: dict[Where, str] = {}
        for record in await self.bus.records(f"{TOPIC}.dlq.cleaner"):
            told = {name: value.decode() for name, value in record.headers}
            where = (int(told["x-origin-partition"]), int(told["x-origin-offset"]))
            assert where not in found, f"two dead letters of {where}: {found[where]} and {told['x-error']}"
            assert told["x-origin-topic"] == TOPIC
            found[where] = told["x-error"]
        return found

    async def fates(self) -> dict[Where, list[Fate]]:
        """Every fate of every message."""
        dead = await self.dead()
        handled = {row["event_id"] for row in await self.rows("select event_id from cleaner.inbox")}
        statement = "select sample_id, verdict, coalesce(reason, '') || ' ' || coalesce(detail, why, '') as words from cleaner.sample"
        verdicts = {row["sample_id"]: Fate(row["verdict"], row["words"]) for row in await self.rows(statement)}
        # Of messages under one event id one may be handled and the others refused: only a dead letter is surely its own.
        shared = Counter(each.event_id for each in self.sent)
        found: dict[Where, list[Fate]] = {}
        for each in self.sent:
            own = [Fate("dead", dead[each.where])] if each.where in dead else []
            if each.event_id in handled and not (own and shared[each.event_id] > 1):
                own.append(verdicts.get(sample_id_of(WORKFLOW, each.snapshot_id), Fate("handled")))
            found[each.where] = own
        return found

    async def settled(self, seconds: float) -> dict[Where, list[Fate]]:
        """Once everything sent has a fate, nothing waits on the bus and nothing in the outbox."""

        async def all_done() -> bool:
            waiting = await self.rows("select 1 from cleaner.outbox limit 1")
            return not waiting and await self.lag() == 0 and all((await self.fates()).values())

        await eventually(all_done, seconds=seconds, every=0.5)
        return await self.fates()

    async def lag(self) -> int:
        """Messages of the topic and of its retries that the cleaner has not committed."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bus.bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bus.bootstrap)
        await admin.start()
        await consumer.start()
        try:
            parts = [TopicPartition(TOPIC, number) for number in range(12)] + [
                TopicPartition(f"{TOPIC}.retry.cleaner", 0)
            ]
            ends = await consumer.end_offsets(parts)
            done = await admin.list_consumer_group_offsets(f"cleaner.{TOPIC}")
            return sum(end - (done[part].offset if part in done else 0) for part, end in ends.items())
        finally:
            await admin.close()
            await consumer.stop()

    async def stands(self) -> list[str]:
        """What is not as it should be: the process, its readiness, its log."""
        troubles = [] if self.replica.is_running else ["the cleaner has ended"]
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.get(f"{self.replica.url}/readyz")
        if answer.status_code != 200:
            troubles.append(f"it is not ready: {answer.text}")
        lines = self.replica.output.read_text(errors="replace").splitlines()
        return troubles + [line for line in lines if UNEXPECTED.search(line)][:5]


OpenStage = Callable[[], AbstractAsyncContextManager[Stage]]
"""`async with open_stage() as stage`."""


def message_of(
    row: EventRow, body: dict[str, Any], headers: dict[str, bytes | None]
) -> tuple[bytes | None, dict[str, bytes | None]]:
    """The row's value and headers, made from a good body."""
    changed = headers | row.headers
    if row.value is not KEEP:
        return row.value, changed
    image = _with(body["image"], row.image)
    changes = {"image": image} | row.changes
    fields = [
        f"{json.dumps(name)}: {json.dumps(value)}"
        for name, value in _with(body, changes).items()
        if name not in row.body
    ]
    fields += [f"{json.dumps(name)}: {text}" for name, text in row.body.items()]
    return ("{" + ", ".join(fields) + "}").encode(), changed


def _with(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (values | changes).items() if value is not None}


def parsed(headers: dict[str, bytes | None]) -> Sequence[tuple[str, bytes]]:
    """As the cleaner sees them: what is not UTF-8 is written down, not decoded."""
    return [(name, readable(raw)) for name, raw in headers.items()]
