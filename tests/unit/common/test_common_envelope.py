"""Envelopes of whatever a camera may send: always an id, and the same one for a re-send."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.envelope import Envelope, origin_topic, read_envelope, stable_id, uuid7
from libs.common.events import ReviewSubmitted, all_events, to_json
from libs.common.testing import snapshot

KNOWN = "0195a7b0-0000-7000-8000-000000000001"


def read(value: bytes | None = b"{}", *headers: tuple[str, Any], topic: str = "snapshot.captured") -> Envelope:
    return read_envelope(topic=topic, key=b"line-1", headers=headers, value=value)


def test_a_uuid_is_taken_as_it_is() -> None:
    assert read(b"{}", ("ce_id", KNOWN.encode())).event_id == UUID(KNOWN)


def test_a_foreign_id_is_the_same_uuid_each_time_and_another_one_for_another_source() -> None:
    first = read(b"1", ("ce_id", b"frame 7"), ("ce_source", b"/camera/line-1"))
    again = read(b"2", ("ce_id", b"frame 7"), ("ce_source", b"/camera/line-1"))
    other = read(b"1", ("ce_id", b"frame 7"), ("ce_source", b"/camera/line-2"))
    assert first.event_id == again.event_id == stable_id("/camera/line-1", "frame 7")
    assert other.event_id != first.event_id


def test_a_snapshot_without_headers_is_recognised_when_sent_again() -> None:
    event = snapshot(snapshot_id="snap-1")
    resent = event.model_copy(update={"camera_id": "renamed"})
    assert read(to_json(event)).event_id == read(to_json(resent)).event_id == stable_id("snapshot.captured", "snap-1")
    assert read(to_json(event)).event_id != read(to_json(snapshot(snapshot_id="snap-2"))).event_id


def test_a_second_review_of_a_sample_is_another_event() -> None:
    sample_id = uuid4()
    reviews = [
        ReviewSubmitted(sample_id=sample_id, decision="approve", based_on_revision=revision, reviewer="li")
        for revision in (0, 1, 1)
    ]
    ids = [read(to_json(review), topic="review.submitted").event_id for review in reviews]
    assert ids[0] != ids[1] == ids[2]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        None,
        b"junk",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"{}",
        b'{"snapshot_id": ""}',
        b'{"snapshot_id": {}}',
        b"[" * 100_000,
        b'{"snapshot_id": "\\ud800"}',
        b'{"snapshot_id":' + b"9" * 5000 + b"}",
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_body_without_an_id_is_recognised_by_its_bytes(value: bytes | None) -> None:
    assert read(value).event_id == stable_id("snapshot.captured", sha256(value or b"").hexdigest())


def test_the_retry_of_an_event_has_the_event_s_id_and_topic() -> None:
    value = to_json(snapshot())
    parked = read(value, ("x-attempt", b"3"), topic="snapshot.captured.retry.cleaner")
    assert (parked.event_id, parked.topic, parked.attempt) == (read(value).event_id, "snapshot.captured", 3)


@pytest.mark.parametrize(
    ("topic", "origin"),
    [
        ("snapshot.captured", "snapshot.captured"),
        ("snapshot.captured.retry.cleaner", "snapshot.captured"),
        ("snapshot.captured.dlq.cleaner", "snapshot.captured"),
        ("sample.queued_for_review.dlq.console", "sample.queued_for_review"),
    ],
)
def test_origin_topic(topic: str, origin: str) -> None:
    assert origin_topic(topic) == origin


def test_no_event_s_topic_looks_like_a_parking_place() -> None:
    assert all(origin_topic(event.topic) == event.topic for event in all_events())


def test_null_and_undecodable_headers_are_read() -> None:
    envelope = read(b"{}", ("ce_id", None), ("ce_source", b"\xff"), ("ce_time", None), ("x", b"\xc3("))
    assert envelope.event_id == stable_id("snapshot.captured", sha256(b"{}").hexdigest())
    assert (envelope.source, envelope.time) == ("\N{REPLACEMENT CHARACTER}", None)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T12:00:00+00:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T20:00:00+08:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(text: str, moment: datetime | None) -> None:
    assert read(b"{}", ("ce_time", text.encode())).time == moment


@pytest.mark.parametrize(("text", "attempt"), [("2", 2), ("-1", 0), ("many", 0), ("", 0), ("9" * 5000, 0)])
def test_attempts(text: str, attempt: int) -> None:
    assert read(b"{}", ("x-attempt", text.encode())).attempt == attempt


def test_what_the_headers_say_about_cause_and_subject() -> None:
    told = read(b"{}", ("correlationid", b"c"), ("causationid", b"p"), ("ce_subject", b"s"), ("traceparent", b"t"))
    assert (told.correlation_id, told.causation_id, told.subject, told.traceparent) == ("c", "p", "s", "t")
    silent = read(b"{}")
    assert (silent.correlation_id, silent.causation_id, silent.subject) == (str(silent.event_id), None, "line-1")


def test_age() -> None:
    now = datetime.now(UTC).isoformat().encode()
    age = read(b"{}", ("ce_time", now)).age_seconds
    assert age is not None
    assert 0 <= age < 5
    assert read().age_seconds is None


def test_uuid7_is_ordered_by_time_and_differs_within_a_millisecond() -> None:
    many = {uuid7() for _ in range(2000)}
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert len(many) == 2000
    assert first < second
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert abs((first.int >> 80) / 1000 - time.time()) < 5


def test_stable_ids_never_change() -> None:
    assert stable_id("sample", 1) == stable_id("sample", "1") == UUID("99932ac6-d293-5828-b78e-36da30164325")
    assert stable_id("a", "b") != stable_id("ab")
