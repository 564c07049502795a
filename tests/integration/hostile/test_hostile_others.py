"""Bad messages to the registry and the dataset service: one dead letter each with origin and error, and the rest goes on."""

import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from libs.common.settings import CommonSettings
from tests.conftest import Database
from tests.support.hostile.other_events import OTHERS, OtherRow
from tests.support.hostile.stage import UNEXPECTED
from tests.support.replica import Replica
from tests.support.service_process import Bus, bus_on, eventually

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
TOPICS = {"registry": "prediction.reported", "dataset": "sample.approved"}
COUNTED = {"registry": "select count(*) from registry.prediction", "dataset": "select count(*) from dataset.sample"}


def value_of(row: OtherRow) -> bytes | None:
    """The row's message."""
    if row.value != b"\x00keep":
        return row.value
    body = {name: value for name, value in (row.good | row.changes).items() if value is not None}
    return json.dumps(body).encode()


async def letters(bus: Bus, service: str, count: int) -> dict[int, str]:
    """Error by offset at the origin, once there are so many."""

    async def found() -> list[Any]:
        records = await bus.records(f"{TOPICS[service]}.dlq.{service}")
        return records if len(records) >= count else []

    records = await eventually(found, seconds=60, every=0.5)
    told = [{name: value.decode() for name, value in record.headers} for record in records]
    assert len(told) == count
    assert all(each["x-origin-topic"] == TOPICS[service] for each in told)
    return {int(each["x-origin-offset"]): each["x-error"] for each in told}


@pytest.mark.parametrize("service", TOPICS)
async def test_every_message_has_its_letter_and_its_neighbours_arrive(
    service: str, environment: dict[str, str], settings: CommonSettings, database: Database, tmp_path: Path
) -> None:
    await database.migrate(service)
    rows = [row for row in OTHERS if row.service == service]
    patience = {"RETRY_ATTEMPTS": "2", "RETRY_BASE_SECONDS": "0.1"}
    replica = await Replica.start(service, environment | patience, tmp_path)
    try:
        await replica.ready()
        async with bus_on(settings.kafka_bootstrap_servers) as bus:
            offsets = await _sent(bus.producer, rows)
            told = await letters(bus, service, len(rows))
            await eventually(lambda: _count(database.dsn, service, len(rows)), seconds=60)
        faults = {
            row.name: told.get(at) for at, row in offsets.items() if not re.search(row.told, told.get(at, ""), re.S)
        }
        assert not faults, faults
        assert await replica.is_ready()
        log = replica.output.read_text(errors="replace").splitlines()
        assert [line for line in log if UNEXPECTED.search(line)] == []
    finally:
        await replica.stop()


async def _sent(producer: AIOKafkaProducer, rows: list[OtherRow]) -> dict[int, OtherRow]:
    offsets: dict[int, OtherRow] = {}
    for row in rows:
        offsets[(await producer.send_and_wait(row.topic, value_of(row), b"k", partition=0)).offset] = row
        neighbour = json.dumps(row.good | ({"images": len(offsets)} if row.service == "registry" else {})).encode()
        await producer.send_and_wait(row.topic, neighbour, b"k", partition=0)
    return offsets


async def _count(dsn: str, service: str, wanted: int) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(COUNTED[service]) == wanted
    finally:
        await connection.close()
