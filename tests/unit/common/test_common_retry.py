"""Where failed messages go, when dead-lettering stops, and what is written on a parked message."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from common_fakes import FakePool, record
from pydantic import ValidationError

from libs.common.errors import AlreadyHandled, Conflict, Denied, LeaseLost, NotFound, NotYet, Permanent, Transient
from libs.common.events import SnapshotCaptured
from libs.common.needed import Needed
from libs.common.objects import StoreUnavailable
from libs.common.retry import (
    Breaker,
    BreakerOpen,
    Parking,
    PartDown,
    dlq_topic,
    envelope_of,
    is_permanent,
    parked_headers,
    readable,
    retry_delay,
    retry_topic,
    storable,
)

HERE = ("snapshot.captured", 0)
THERE = ("snapshot.captured", 1)


def _raised(work: Callable[..., object], *arguments: object) -> ValueError:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the caller asks which one it is
        work(*arguments)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        Permanent("p"),
        NotFound("n"),
        Conflict("c"),
        Denied("d"),
        _raised(json.loads, b"junk"),
        _raised(b"\xff".decode),
        _raised(SnapshotCaptured.model_validate, {}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_same_bytes_would_fail_again(error: Exception) -> None:
    assert is_permanent(error)


@pytest.mark.parametrize(
    "error",
    [Transient("t"), OSError(), KeyError("bug"), LeaseLost("l"), AlreadyHandled("a"), TimeoutError(), ValueError("v")],
    ids=lambda error: type(error).__name__,
)
def test_another_try_may_help(error: Exception) -> None:
    assert not is_permanent(error)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 5), (1, 20), (2, 80), (3, 320), (4, 900), (50, 900)])
def test_delays_grow_by_four_up_to_a_quarter_of_an_hour(attempt: int, seconds: float) -> None:
    assert retry_delay(attempt, base_seconds=5, jitter=0) == timedelta(seconds=seconds)
    assert retry_delay(attempt, base_seconds=5, jitter=-1) == timedelta(seconds=seconds * 0.8)
    assert retry_delay(attempt, base_seconds=5, jitter=1) == timedelta(seconds=seconds * 1.2)


def _record(breaker: Breaker, outcomes: str, partition: tuple[str, int] = HERE) -> None:
    for outcome in outcomes:
        breaker.record(partition, dead=outcome == "x")


def test_the_breaker_opens_at_twenty_in_a_row() -> None:
    breaker = Breaker()
    _record(breaker, "x" * 19)
    assert not breaker.is_open(HERE)
    _record(breaker, "x")
    assert breaker.is_open(HERE)
    assert breaker.any_open


def test_a_success_in_between_starts_the_row_again_and_closes_the_breaker() -> None:
    breaker = Breaker()
    _record(breaker, "x" * 19 + "." + "x" * 19)
    assert not breaker.is_open(HERE)
    _record(breaker, "x")
    assert breaker.is_open(HERE)
    _record(breaker, ".")
    assert not breaker.any_open


def test_the_breaker_opens_above_a_tenth_of_the_last_two_hundred() -> None:
    breaker = Breaker()
    _record(breaker, "x........." * 20)
    assert not breaker.is_open(HERE), "exactly a tenth"
    _record(breaker, "x")
    assert not breaker.is_open(HERE), "the oldest of them left the window"
    _record(breaker, "x")
    assert breaker.is_open(HERE)
    _record(breaker, "." * 30)
    assert not breaker.is_open(HERE)


def test_a_short_history_has_no_share() -> None:
    breaker = Breaker()
    _record(breaker, "xx..")
    assert not breaker.is_open(HERE)


def test_every_partition_has_its_own_breaker() -> None:
    breaker = Breaker()
    _record(breaker, "x" * 20, HERE)
    _record(breaker, "x" * 5, THERE)
    assert (breaker.is_open(HERE), breaker.is_open(THERE)) == (True, False)


async def test_a_failure_waits_for_another_try() -> None:
    pool = FakePool()
    await Parking("cleaner", pool).park(record(), Transient("the store is down"))
    (row,) = pool.rows
    assert row["topic"] == retry_topic("snapshot.captured", "cleaner") == "snapshot.captured.retry.cleaner"
    assert timedelta(seconds=3.9) <= row["delay"] <= timedelta(seconds=6)
    assert (row["key"], row["value"]) == (b"line-1", b"{}")
    assert row["headers"]["x-error"] == "Transient: the store is down"


@pytest.mark.parametrize(
    ("error", "attempt"), [(Permanent("never"), "0"), (Transient("again"), "4")], ids=["permanent", "fifth time"]
)
async def test_dead_letters(error: Exception, attempt: str) -> None:
    pool = FakePool()
    await Parking("cleaner", pool).park(record(b"{}", ("x-attempt", attempt.encode())), error)
    (row,) = pool.rows
    assert row["topic"] == dlq_topic("snapshot.captured", "cleaner") == "snapshot.captured.dlq.cleaner"
    assert row["delay"] is None
    assert row["headers"]["x-attempt"] == str(int(attempt) + 1)


LAST_TRY = record(b"{}", ("x-attempt", b"4"))


async def test_an_open_breaker_parks_nothing_dead_but_still_retries() -> None:
    pool = FakePool()
    parking = Parking("cleaner", pool)
    for _ in range(20):
        await parking.park(LAST_TRY, RuntimeError("bad deploy"))
    with pytest.raises(BreakerOpen, match=r"snapshot\.captured for cleaner"):
        await parking.park(LAST_TRY, RuntimeError("bad deploy"))
    assert len(pool.rows) == 20
    await parking.park(record(), Transient("later"))
    assert len(pool.rows) == 21
    parking.succeeded(record())
    await parking.park(LAST_TRY, RuntimeError("one more"))
    assert len(pool.rows) == 22


@pytest.mark.parametrize(
    "error", [Permanent("no picture"), NotYet("never uploaded"), UnicodeDecodeError("utf-8", b"", 0, 1, "")]
)
async def test_messages_that_are_bad_by_themselves_never_open_the_breaker(error: Exception) -> None:
    pool = FakePool()
    parking = Parking("cleaner", pool)
    for _ in range(300):
        await parking.park(LAST_TRY, error)
    assert len(pool.rows) == 300
    assert not parking.breaker.any_open


async def test_two_messages_under_one_event_id_keep_a_row_each_and_one_renews_its_own() -> None:
    pool = FakePool()
    parking = Parking("cleaner", pool)
    headers = (("ce_id", b"frame 7"), ("ce_source", b"/camera/line-1"))
    for offset in (7, 8, 7):
        await parking.park(record(b"{}", *headers, offset=offset), Permanent("no"))
    first, second, again = (row["event_id"] for row in pool.rows)
    assert first == again != second
    assert {row["headers"]["ce_id"] for row in pool.rows} == {"frame 7"}


async def test_a_database_that_is_away_does_not_open_the_breaker() -> None:
    pool = FakePool(broken=OSError("connection refused"))
    parking = Parking("cleaner", pool)
    for _ in range(30):
        with pytest.raises(OSError, match="refused"):
            await parking.park(record(), Permanent("junk"))
    assert not parking.breaker.any_open


def test_a_parked_message_says_where_it_came_from_and_why() -> None:
    message = record(b"{}", ("ce_id", b"7"), ("ce_source", b"/camera/a"), partition=3, offset=42)
    headers = parked_headers(message, envelope_of(message), attempt=1, consumer="cleaner", error=ValueError("odd"))
    assert headers == {
        "ce_id": "7",
        "ce_source": "/camera/a",
        "x-attempt": "1",
        "x-origin-topic": "snapshot.captured",
        "x-origin-partition": "3",
        "x-origin-offset": "42",
        "x-error": "ValueError: odd",
        "x-consumer": "cleaner",
    }


def test_a_message_parked_again_keeps_its_first_origin_and_its_id() -> None:
    first = record(b"{}", partition=3, offset=42)
    once = parked_headers(first, envelope_of(first), attempt=1, consumer="cleaner", error=OSError("first"))
    raw = [(name, text.encode()) for name, text in once.items()]
    second = record(b"{}", *raw, topic="snapshot.captured.retry.cleaner", partition=0, offset=1)
    twice = parked_headers(second, envelope_of(second), attempt=2, consumer="cleaner", error=OSError("second"))
    assert {name: twice[name] for name in ("x-origin-topic", "x-origin-partition", "x-origin-offset")} == {
        "x-origin-topic": "snapshot.captured",
        "x-origin-partition": "3",
        "x-origin-offset": "42",
    }
    assert (twice["x-attempt"], twice["x-error"]) == ("2", "OSError: second")
    assert envelope_of(second).event_id == envelope_of(first).event_id


def test_what_postgresql_cannot_store_is_left_out_of_parked_headers() -> None:
    message = record(b"{}", ("x\x00y", b"a\x00b"), ("bin", b"\xff"))
    headers = parked_headers(
        message, envelope_of(message), attempt=1, consumer="cleaner", error=ValueError("\ud800 and \x00" + "e" * 9000)
    )
    assert headers["xy"] == "ab"
    assert headers["bin"] == "base64:/w=="
    assert headers["x-error"].startswith("ValueError: ? and e")
    assert len(headers["x-error"]) <= 2000


@pytest.mark.parametrize(
    ("raw", "text"), [(None, b""), (b"", b""), ("\u53d1".encode(), "\u53d1".encode()), (b"\xff", b"base64:/w==")]
)
def test_readable_headers(raw: bytes | None, text: bytes) -> None:
    assert readable(raw) == text


def test_storable_text_is_left_alone() -> None:
    assert storable("\u53d1\u7f51 ok") == "\u53d1\u7f51 ok"


def test_validation_errors_are_the_ones_of_pydantic() -> None:
    assert isinstance(_raised(SnapshotCaptured.model_validate, {}), ValidationError)


async def test_a_failure_is_held_though_the_store_was_up_a_moment_ago() -> None:
    async def probe() -> None:
        if not store_is_up:
            raise ConnectionError("refused")

    store_is_up = True
    needed = Needed("cleaner", {"s3": probe})
    parking = Parking(consumer="cleaner", pool=FakePool(), needed=needed)
    await needed.look("s3")
    await parking.require_parts(StoreUnavailable("this object only"))
    store_is_up = False
    await parking.require_parts(Transient("something else"))
    with pytest.raises(PartDown, match="s3 is down: refused"):
        await parking.require_parts(StoreUnavailable("connection refused"))
