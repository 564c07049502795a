"""Series that alarms stand on: bounded, and born at zero."""

from pathlib import Path

import pytest

from libs.common import telemetry
from services.console.runner.lag import Heard, who_hears_what


def value(name: str, **labels: str) -> float | None:
    return telemetry.REGISTRY.get_sample_value(name, labels)


def test_invented_camera_ids_share_one_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MAXIMUM_CAMERAS", len(telemetry._cameras) + 2)
    for name in ("bounded-1", "bounded-2", "bounded-3", "bounded-1"):
        telemetry.saw_camera(name)
    series = "camloop_camera_last_snapshot_timestamp_seconds"
    assert value(series, camera="bounded-1")
    assert value(series, camera="bounded-2")
    assert value(series, camera="bounded-3") is None
    assert value(series, camera=telemetry.OTHER_CAMERAS)


def test_outcomes_of_jobs_are_born_at_zero() -> None:
    telemetry.jobs_born_at_zero("a-kind")
    for outcome in telemetry.JOB_OUTCOMES:
        assert value("camloop_job_finished_total", kind="a-kind", outcome=outcome) == 0


def test_the_disk_is_measured_when_somebody_asks(tmp_path: Path) -> None:
    telemetry.watch_disk("a-service", tmp_path / "made")
    free, size = (
        value("camloop_disk_free_bytes", service="a-service"),
        value("camloop_disk_size_bytes", service="a-service"),
    )
    assert free is not None
    assert size is not None
    assert 0 < free < size


def test_topics_tell_who_hears_what() -> None:
    topics = {"a.b", "c.d", "a.b.retry.cleaner", "a.b.retry.console", "c.d.retry.console"}
    assert who_hears_what(topics, groups={"cleaner.a.b", "console"}) == [
        Heard("cleaner", "a.b", "cleaner.a.b"),
        Heard("console", "a.b", "console"),
        Heard("console", "c.d", "console"),
    ]
