"""The stage of hostile messages: a real cleaner that gives up after two tries, on a bus of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from libs.common.objects import connect
from libs.common.settings import CommonSettings
from tests.conftest import Database
from tests.support.hostile.stage import OpenStage, Stage
from tests.support.replica import Replica
from tests.support.service_process import bus_on


@pytest.fixture
def open_stage(environment: dict[str, str], settings: CommonSettings, database: Database, tmp_path: Path) -> OpenStage:
    """`async with open_stage() as stage`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stage]:
        await database.migrate("cleaner")
        objects = connect(settings)
        await objects.ensure_bucket()
        patience = {"RETRY_ATTEMPTS": "2", "RETRY_BASE_SECONDS": "0.1"}
        replica = await Replica.start("cleaner", environment | patience, tmp_path)
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers, max_request_size=8 << 20, compression_type="lz4"
        )
        try:
            await replica.ready()
            async with bus_on(settings.kafka_bootstrap_servers) as bus, producer:
                stage = Stage(database.dsn, bus, producer, objects, replica)
                await stage.open()
                yield stage
        finally:
            await replica.stop()

    return opened
