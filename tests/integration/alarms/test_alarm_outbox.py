"""OutboxStuck can fire: the age of the outbox is seen to grow while the broker takes nothing."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from libs.common import outbox, telemetry
from libs.common.envelope import uuid7
from libs.common.outbox import Relay
from libs.common.postgres import open_pool
from tests.conftest import Database

pytestmark = pytest.mark.connected


class NoBroker:
    """A broker that is away."""

    async def send(self, topic: str, value: Any, key: Any, *, headers: Any) -> Awaitable[Any]:
        raise KafkaConnectionError("nobody there")


async def test_the_outbox_grows_old_while_the_broker_is_away(database: Database) -> None:
    await database.migrate("cleaner")
    pool = await open_pool(database.dsn, "cleaner")
    await outbox.insert(pool, event_id=uuid7(), topic="t.made", key=b"k", headers={"ce_id": "x"}, value=b"{}")
    await pool.execute("update outbox set available_at = now() - interval '2 minutes'")
    await pool.close()
    telemetry.outbox_age.labels("cleaner").set(0)
    relay = asyncio.ensure_future(Relay(database.dsn, "cleaner", NoBroker()).run())
    try:
        async with asyncio.timeout(20):
            while _age() < 120:  # noqa: ASYNC110 a gauge has no event
                await asyncio.sleep(0.05)
    finally:
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


def _age() -> float:
    labels = {"service": "cleaner"}
    return telemetry.REGISTRY.get_sample_value("camloop_outbox_oldest_available_age_seconds", labels) or 0.0
