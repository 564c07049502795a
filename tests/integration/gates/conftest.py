"""The gate fixture."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from libs.common import objects
from libs.common.events import SampleRejected
from libs.common.kafka import connection_arguments, event_topics, parked_topics, provision
from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack
from tests.support.gates import SERVICES, Gate
from tests.support.service_process import bus_on
from tests.support.unprotected import TABLES


@pytest.fixture
async def gate(
    stack: LocalStack, database: Any, environment: dict[str, str], settings: CommonSettings, tmp_path: Path
) -> AsyncIterator[Gate]:
    """A fresh database with every service's schema, topics that exist and are empty, and no process left behind."""
    await database.migrate(*SERVICES)
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(TABLES)
    await connection.close()
    await _forget_the_past(settings)
    await provision(settings, [*event_topics(), *parked_topics("dataset", [SampleRejected.topic])])
    await objects.connect(settings).ensure_bucket()
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    quick = {
        "RETRY_BASE_SECONDS": "0.3",
        "WORKFLOWS_FOLDER": str(workflows),
        "TRAINER_WORK_FOLDER": str(tmp_path / "w"),
    }
    async with bus_on(stack.kafka_bootstrap) as bus:
        made = Gate(stack, database.dsn, environment | quick, tmp_path, bus)
        try:
            yield made
        finally:
            await made.close()


async def _forget_the_past(settings: CommonSettings) -> None:
    """Delete every topic, and with it where consumers stood: what another test left unread would be handled here first."""
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    await admin.start()
    try:
        past = [name for name in await admin.list_topics() if not name.startswith("__")]
        if past:
            await admin.delete_topics(past)
        while set(past) & set(await admin.list_topics()):  # noqa: ASYNC110 there is nothing to be told by
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
