"""RedeliveryStorm can fire: a duplicate is counted wherever the inbox stops it."""

import pytest

from libs.common import inbox, telemetry
from libs.common.errors import AlreadyHandled
from libs.common.postgres import open_pool
from libs.common.testing import envelope_for, snapshot
from tests.conftest import Database

pytestmark = pytest.mark.connected
CONSUMER = "cleaner"


def counted() -> tuple[float, float]:
    """(events, duplicates)"""
    names = ("camloop_inbox_events_total", "camloop_inbox_duplicates_total")
    events, duplicates = (telemetry.REGISTRY.get_sample_value(name, {"service": CONSUMER}) or 0 for name in names)
    return events, duplicates


async def test_a_duplicate_counts_once_at_the_first_look_and_once_in_the_transaction(database: Database) -> None:
    await database.migrate(CONSUMER)
    pool = await open_pool(database.dsn, CONSUMER)
    envelope = envelope_for(snapshot())
    events, duplicates = counted()
    try:
        assert not await inbox.has_handled(pool, CONSUMER, envelope)
        async with inbox.transaction(pool, CONSUMER, envelope):
            pass
        assert counted() == (events + 1, duplicates), "a look that finds nothing counts nothing"
        assert await inbox.has_handled(pool, CONSUMER, envelope)
        assert counted() == (events + 2, duplicates + 1)
        with pytest.raises(AlreadyHandled):
            async with inbox.transaction(pool, CONSUMER, envelope):
                pass
        assert counted() == (events + 3, duplicates + 2)
    finally:
        await pool.close()
