"""How events travel: compact JSON, tolerant of what is new, keyed by their subject."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from libs.common.events import (
    Detection,
    Event,
    ModelRef,
    SampleRejected,
    SnapshotCaptured,
    TrainingProgressed,
    TrainingRequested,
    all_events,
    as_values,
    event_class,
    to_json,
)
from libs.common.testing import media, snapshot


def test_unset_fields_do_not_travel() -> None:
    body = json.loads(to_json(snapshot(snapshot_id="s1")))
    assert body["snapshot_id"] == "s1"
    assert body["captured_at"] == "2026-03-02T12:00:00Z"
    assert "detections" not in body
    assert "duration_seconds" not in body["image"]


def test_there_and_back() -> None:
    event = snapshot(detections=(Detection(label="hairnet", box=(1, 2, 3.5, 4), confidence=0.5),))
    assert SnapshotCaptured.model_validate_json(to_json(event)) == event
    assert SnapshotCaptured.model_validate(as_values(event)) == event


def test_a_field_of_a_later_release_is_ignored() -> None:
    event = snapshot()
    assert SnapshotCaptured.model_validate_json(to_json(event)[:-1] + b',"weather":"rain"}') == event


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused_where_it_is_made(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark", measures={"brightness": number})


@pytest.mark.parametrize("bad", ["../up", "a b", "", "x" * 129, "-x", "a/b", "a\n"])
def test_ids_from_outside_are_safe_in_keys_and_logs(bad: str) -> None:
    with pytest.raises(ValidationError):
        snapshot(snapshot_id=bad)
    with pytest.raises(ValidationError):
        snapshot(camera_id=bad)


def test_times_are_aware() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        snapshot(captured_at=datetime(2026, 3, 2, 12))  # noqa: DTZ001 that is the point
    assert snapshot(captured_at="2026-03-02T20:00:00+08:00").captured_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("uri", ["http://x/y", "s3://", "s3://bucket", "/etc/passwd"])
def test_media_lie_in_the_object_store(uri: str) -> None:
    with pytest.raises(ValidationError):
        media(uri=uri)


def test_the_key_is_the_subject() -> None:
    run = uuid4()
    requested = TrainingRequested(training_run_id=run, workflow="hairnet", requested_by="li", reason="new floor")
    assert (snapshot(camera_id="line-7").key, requested.key) == ("line-7", str(run))


@pytest.mark.parametrize(("text", "meant"), [("latest", "latest"), (str(UUID(int=7)), UUID(int=7)), (None, None)])
def test_a_run_asks_for_a_version_or_for_the_latest(text: str | None, meant: object) -> None:
    body = {"training_run_id": str(uuid4()), "workflow": "w", "requested_by": "li", "reason": "r"}
    assert TrainingRequested.model_validate(body | {"dataset_version_id": text}).dataset_version_id == meant


def test_metrics_may_be_unknown() -> None:
    values = {"training_run_id": uuid4(), "workflow": "w", "attempt": 1, "epoch": 1, "epochs": 2, "device": "cpu"}
    event = TrainingProgressed(**values, metrics={"map50": None}, eta_seconds=None)  # type: ignore[arg-type]
    assert json.loads(to_json(event))["metrics"] == {"map50": None}


def test_every_topic_has_one_class_and_a_key_it_has() -> None:
    classes = list(all_events())
    assert len({event.topic for event in classes}) == len(classes)
    assert all(event_class(event.topic) is event for event in classes)
    assert all(event.key_field in event.model_fields for event in classes)
    assert all(issubclass(event, Event) for event in classes)


def test_a_topic_nobody_knows() -> None:
    with pytest.raises(KeyError):
        event_class("snapshot.invented")


def test_a_model_is_named_with_its_version() -> None:
    assert str(ModelRef(name="hairnet", version=3)) == "hairnet@3"
