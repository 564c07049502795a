"""Runs gate services as processes and counts what they did."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.common.events import Event, SampleRejected, SnapshotCaptured, to_json
from libs.local.stack import LocalStack

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class GateProcess:
    """One replica of the gate service."""

    process: asyncio.subprocess.Process
    port: int
    output: Path

    async def ready(self, timeout_seconds: float = 60) -> None:
        """Wait until it has its partitions."""
        async with asyncio.timeout(timeout_seconds), httpx.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert self.process.returncode is None, self.output.read_text()
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@dataclass
class Gate:
    """A gate's database, broker and processes."""

    stack: LocalStack
    dsn: str
    environment: dict[str, str]
    folder: Path
    producer: AIOKafkaProducer
    group: str = field(default_factory=lambda: f"gate-{uuid4().hex}")
    running: list[GateProcess] = field(default_factory=list)

    async def start(self, **switches: str) -> GateProcess:
        """Start a replica with GATE_* switches."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        variables = {f"GATE_{name.upper()}": text for name, text in switches.items()} | {
            "GATE_HTTP_PORT": str(port),
            "GATE_GROUP": f"{self.group}-{switches.get('hears', 'snapshot')}",
        }
        output = self.folder / f"gate-{port}.log"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "tests/support/gate_service.py", cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self.environment, **variables}, stdout=file, stderr=file,
            )  # fmt: skip
        self.running.append(GateProcess(process, port, output))
        return self.running[-1]

    async def begin_at_the_end(self) -> None:
        """Commit the topics' ends for this gate's groups: what other tests sent is none of its business."""
        for event, name in ((SnapshotCaptured, "snapshot"), (SampleRejected, "rejected")):
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.stack.kafka_bootstrap, group_id=f"{self.group}-{name}", enable_auto_commit=False
            )
            await consumer.start()
            try:
                parts = [
                    TopicPartition(event.topic, n)
                    for n in consumer.partitions_for_topic(event.topic) or await _partitions(consumer, event.topic)
                ]
                consumer.assign(parts)
                await consumer.commit({part: end for part, end in (await consumer.end_offsets(parts)).items()})
            finally:
                await consumer.stop()

    async def publish(self, event: Event) -> None:
        """As a camera does: no CloudEvents headers, a good body."""
        await self.producer.send_and_wait(event.topic, to_json(event), key=event.key.encode())

    async def count(self, table: str, subject: str | None = None) -> int:
        """Rows of gate_start or gate_effect."""
        column = "snapshot_id" if table == "gate_start" else "subject"
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetchval(
                f"select count(*) from cleaner.{table} where $1::text is null or {column} = $1", subject
            )
        finally:
            await connection.close()

    async def until(self, condition: Callable[[], Awaitable[bool]], timeout_seconds: float = 60) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(timeout_seconds):
            while not await condition():  # noqa: ASYNC110 the condition lies in another process
                await asyncio.sleep(0.1)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.force_metadata_update()
    return consumer.partitions_for_topic(topic) or set()
