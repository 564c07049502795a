"""Outbox, relay and inbox on real PostgreSQL and Kafka; each protection also taken away, to see the loss it prevents."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from libs.common import inbox, outbox
from libs.common.envelope import uuid7
from libs.common.errors import AlreadyHandled, Permanent
from libs.common.events import SampleRejected
from libs.common.outbox import Relay
from libs.common.postgres import Connection, Pool, open_pool
from libs.common.testing import envelope_for, snapshot
from tests.support.protections import take_away
from tests.support.proving import hold

pytestmark = pytest.mark.connected
Listen = Callable[..., Awaitable[Any]]


class Recorder:
    """A publisher in memory: the order in which the relay sent things, and failures on demand."""

    def __init__(self, *failures: Exception) -> None:
        self.sent: list[bytes] = []
        self.failures = list(failures)
        self.hold: asyncio.Event | None = None

    async def send(self, topic: str, value: Any, key: Any, *, headers: Any) -> Awaitable[Any]:
        if self.failures:
            raise self.failures.pop(0)
        if self.hold is not None:
            await self.hold.wait()
        self.sent.append(value)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def put(
    connection: Connection | Pool, value: str, *, topic: str = "t.made", event_id: UUID | None = None
) -> None:
    await outbox.insert(
        connection, event_id=event_id or uuid7(), topic=topic, key=b"k", headers={"ce_id": "x"}, value=value.encode()
    )


@asynccontextmanager
async def running(dsn: str, publisher: Any, *, delay: float = 0, **options: Any) -> AsyncIterator[Relay]:
    relay = Relay(dsn, "cleaner", publisher, **options)

    async def run() -> None:
        await asyncio.sleep(delay)
        await relay.run()

    task = asyncio.ensure_future(run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Any], timeout_seconds: float = 60) -> None:
    async with asyncio.timeout(timeout_seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# --- the inbox -------------------------------------------------------------------------------------------------------


async def test_an_event_has_its_effects_once(pool: Pool) -> None:
    envelope = envelope_for(snapshot())
    async with inbox.transaction(pool, "cleaner", envelope) as connection:
        await put(connection, "effect")
    with pytest.raises(AlreadyHandled, match=str(envelope.event_id)):
        async with inbox.transaction(pool, "cleaner", envelope):
            pytest.fail("a duplicate must not get in")
    assert await pool.fetchval("select count(*) from outbox") == 1
    assert await inbox.has_handled(pool, "cleaner", envelope)
    assert not await inbox.has_handled(pool, "another", envelope)


async def test_a_handler_that_fails_leaves_no_trace(pool: Pool) -> None:
    envelope = envelope_for(snapshot())

    async def fail() -> None:
        async with inbox.transaction(pool, "cleaner", envelope) as connection:
            await put(connection, "effect")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        await fail()
    assert await pool.fetchval("select (select count(*) from inbox) + (select count(*) from outbox)") == 0
    async with inbox.transaction(pool, "cleaner", envelope):
        pass


async def test_of_two_handlers_at_once_the_second_waits_and_learns_it(pool: Pool) -> None:
    envelope = envelope_for(snapshot())
    outcomes: list[str] = []

    async def handle() -> None:
        try:
            async with inbox.transaction(pool, "cleaner", envelope):
                await asyncio.sleep(0.1)
                outcomes.append("handled")
        except AlreadyHandled:
            outcomes.append("duplicate")

    await asyncio.gather(handle(), handle(), handle())
    assert outcomes == ["handled", "duplicate", "duplicate"]


async def test_the_inbox_forgets_what_is_old(pool: Pool) -> None:
    old, new = envelope_for(snapshot()), envelope_for(snapshot())
    for envelope in (old, new):
        async with inbox.transaction(pool, "cleaner", envelope):
            pass
    await pool.execute("update inbox set received_at = now() - interval '40 days' where event_id = $1", old.event_id)
    await inbox.purge(pool, days=30)
    assert [await inbox.has_handled(pool, "cleaner", envelope) for envelope in (old, new)] == [False, True]


# --- what goes into the outbox ---------------------------------------------------------------------------------------


async def test_an_event_carries_its_cause(pool: Pool) -> None:
    cause = envelope_for(snapshot(camera_id="line-9"), traceparent="00-1-2-01")
    event = SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark")
    async with pool.acquire() as connection:
        identity = await outbox.add(connection, event, cause=cause)
    row = await pool.fetchrow("select * from outbox")
    assert row is not None
    assert (row["event_id"], row["topic"], row["key"]) == (identity, "sample.rejected", str(event.sample_id).encode())
    headers = row["headers"]
    assert headers.pop("ce_time")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": str(identity),
        "ce_type": "sample.rejected",
        "ce_source": "/service/cleaner",
        "ce_subject": str(event.sample_id),
        "content-type": "application/json",
        "correlationid": "line-9",
        "causationid": str(cause.event_id),
        "traceparent": "00-1-2-01",
    }


async def test_an_announcement_with_a_given_id_is_made_once(pool: Pool) -> None:
    event, identity = SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark"), uuid7()
    async with pool.acquire() as connection:
        await outbox.add(connection, event, event_id=identity)
        await outbox.add(connection, event, event_id=identity)
    assert await pool.fetchval("select count(*) from outbox") == 1


async def test_an_event_kafka_would_not_take_is_refused_where_it_is_made(pool: Pool) -> None:
    event = SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark", detail="x" * 1_000_000)
    async with pool.acquire() as connection:
        with pytest.raises(Permanent, match=r"sample\.rejected of .* has 1000\d\d\d bytes and 960000 fit"):
            await outbox.add(connection, event)


# --- the relay -------------------------------------------------------------------------------------------------------


async def test_events_of_one_key_arrive_in_the_order_of_their_commits(
    pool: Pool, database: Any, topic: str, producer: Any, listen: Listen
) -> None:
    heard = await listen(topic)
    async with running(database.dsn, producer):
        for number in range(700):
            await put(pool, str(number), topic=topic)
        await heard.until(lambda: len(heard.records) >= 700)
    assert heard.values() == [str(number).encode() for number in range(700)]
    assert dict(heard.records[0].headers)["ce_source"] == b"/service/cleaner"
    assert await pool.fetchval("select count(*) from outbox") == 0


async def test_of_two_relays_one_publishes_and_the_other_takes_over(pool: Pool, database: Any) -> None:
    first, second = Recorder(), Recorder()
    async with running(database.dsn, second, delay=0.3) as standby:
        async with running(database.dsn, first) as active:
            await until(lambda: active.connected)
            await put(pool, "1")
            await until(lambda: first.sent)
            await until(lambda: standby.connected)
            await put(pool, "2")
            await until(lambda: len(first.sent) == 2)
        await put(pool, "3")
        await until(lambda: second.sent)
    assert (first.sent, second.sent) == ([b"1", b"2"], [b"3"])


async def test_a_relay_whose_session_is_ended_comes_back(pool: Pool, database: Any) -> None:
    publisher = Recorder()
    async with running(database.dsn, publisher):
        await put(pool, "1")
        await until(lambda: publisher.sent)
        await _end_sessions_with_advisory_locks(database.dsn)
        await put(pool, "2")
        await until(lambda: publisher.sent[-1] == b"2")  # the first may come twice: its delete may have been cut off


async def _end_sessions_with_advisory_locks(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    ended = await connection.fetch(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    await connection.close()
    assert len(ended) == 1


async def test_a_relay_outlives_its_broker(pool: Pool, database: Any) -> None:
    publisher = Recorder(KafkaConnectionError("no broker"))
    async with running(database.dsn, publisher):
        await put(pool, "1")
        await until(lambda: publisher.sent)
    assert publisher.sent == [b"1"]


async def test_a_row_waits_for_its_time(pool: Pool) -> None:
    publisher = Recorder()
    async with pool.acquire() as connection:
        await put(connection, "now")
        await put(connection, "later")
        await connection.execute("update outbox set available_at = now() + interval '1 hour' where value = 'later'")
        assert await Relay("", "cleaner", publisher).publish_batch(connection) == 1
    assert publisher.sent == [b"now"]


# --- gate 8: concurrent commits in reverse order ---------------------------------------------------------------------


async def _commit_in_reverse_order(pool: Pool) -> tuple[list[bytes], list[bytes]]:
    """What the relay sent before and after the transaction that had taken the lower number committed."""
    publisher = Recorder()
    relay = Relay("", "cleaner", publisher)
    async with pool.acquire() as slow, pool.acquire() as fast, pool.acquire() as relaying:
        transaction = slow.transaction()
        await transaction.start()
        await put(slow, "1")
        await put(fast, "2")
        await relay.publish_batch(relaying)
        before = list(publisher.sent)
        await relaying.execute("select set_config('gate.last_seen', $1, false)", "2" if before else "0")
        await transaction.commit()
        await relay.publish_batch(relaying)
    return before, publisher.sent


@pytest.mark.gate(8, "snapshot guard", "delete by row")
async def test_a_late_commit_with_a_lower_number_is_not_skipped(
    pool: Pool, without: tuple[str, ...], seen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(without, monkeypatch.setattr)
    before, after = await _commit_in_reverse_order(pool)
    hold("sent in all, in order", expected=[b"1", b"2"], seen=after)
    hold("sent before the older transaction committed", expected=[], seen=before)
    assert await pool.fetchval("select count(*) from outbox") == 0
    seen("the row with the lower number committed last: both sent, in order")


# --- a message that is parked again before the relay deleted it ------------------------------------------------------


async def _park_again_between_publish_and_delete(pool: Pool, *, renew: bool) -> list[bytes]:
    publisher = Recorder()
    publisher.hold = asyncio.Event()
    relay, identity = Relay("", "cleaner", publisher), uuid7()
    async with pool.acquire() as relaying, pool.acquire() as parking:
        await put(parking, "first failure", event_id=identity)
        batch = asyncio.ensure_future(relay.publish_batch(relaying))
        await asyncio.sleep(0.05)
        await outbox.insert(
            parking, event_id=identity, topic="t.made", key=b"k", headers={}, value=b"second failure", renew=renew
        )
        publisher.hold.set()
        await batch
        await relay.publish_batch(relaying)
    assert await pool.fetchval("select count(*) from outbox") == 0
    return publisher.sent


async def test_a_message_parked_again_before_its_row_is_deleted_is_not_lost(pool: Pool) -> None:
    assert await _park_again_between_publish_and_delete(pool, renew=True) == [b"first failure", b"second failure"]


async def test_it_would_be_lost_if_the_row_were_not_renewed(pool: Pool) -> None:
    assert await _park_again_between_publish_and_delete(pool, renew=False) == [b"first failure"]


# --- waking up -------------------------------------------------------------------------------------------------------


async def _seconds_to_publish(database: Any, *, notify: bool, times: int) -> list[float]:
    pool, publisher, taken = await open_pool(database.dsn, "cleaner", notify=notify), Recorder(), []
    async with running(database.dsn, publisher, notify=True):
        await put(pool, "first")
        await until(lambda: publisher.sent)
        for _ in range(times):
            count, began = len(publisher.sent), time.perf_counter()
            await asyncio.sleep(0.02)
            await put(pool, "next")
            await until(lambda count=count: len(publisher.sent) > count)
            taken.append(time.perf_counter() - began - 0.02)
    await pool.close()
    return sorted(taken)


async def test_a_notification_wakes_the_relay(pool: Pool, database: Any) -> None:
    taken = await _seconds_to_publish(database, notify=True, times=9)
    assert taken[4] < 0.1, taken


async def test_without_notifications_the_relay_polls(pool: Pool, database: Any) -> None:
    taken = await _seconds_to_publish(database, notify=False, times=2)
    assert 0.5 < taken[0] <= taken[1] < 3, "the relay listens, but nothing notifies"


async def test_a_relay_that_does_not_listen_polls(pool: Pool, database: Any) -> None:
    publisher = Recorder()
    async with running(database.dsn, publisher, notify=False):
        await put(pool, "1")
        await until(lambda: publisher.sent)
        began = time.perf_counter()
        await asyncio.sleep(0.02)
        await put(pool, "2")
        await until(lambda: len(publisher.sent) == 2)
    assert 0.5 < time.perf_counter() - began < 3
