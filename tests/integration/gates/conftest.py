"""The gate fixture."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from libs.common.kafka import event_topics, provision
from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack
from tests.support import gate_service
from tests.support.gates import Gate


@pytest.fixture
async def gate(
    stack: LocalStack, database: Any, environment: dict[str, str], settings: CommonSettings, tmp_path: Path
) -> AsyncIterator[Gate]:
    """A fresh database, empty topics as far as this consumer is concerned, and no process left behind."""
    await database.migrate("cleaner")
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(gate_service.TABLES)
    await connection.close()
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
    await producer.start()
    made = Gate(stack, database.dsn, environment, tmp_path, producer)
    await provision(settings, event_topics())
    await made.begin_at_the_end()
    try:
        yield made
    finally:
        for process in made.running:
            await process.kill()
        await producer.stop()
