"""What `camloop doctor` says of a machine."""

import socket
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from libs.local import checks
from libs.local.checks import Check
from libs.local.settings import LocalSettings


def settings(tmp_path: Path, **changes: str) -> LocalSettings:
    values = {"CAMLOOP_DATA_FOLDER": str(tmp_path / "var"), "WORKFLOWS_FOLDER": str(tmp_path / "workflows")}
    return LocalSettings(_env_file=None, **(values | changes))


def named(found: list[Check], name: str) -> Check:
    return next(each for each in found if each.name == name)


def test_nothing_is_changed_by_looking(tmp_path: Path) -> None:
    list(checks.all_checks(settings(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_broken_workflow_file_is_missing_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(
        "name: good\ntitle: {en: Good, zh: 好}\ntask: detection\nclasses: [{id: 0, name: a, title: {en: A, zh: 甲}}]\n"
    )
    (tmp_path / "bad.yaml").write_text("name: bad\ntitle: {en: Bad, zh: 坏}\ntask: detection\n")
    found = list(checks.workflow_files(tmp_path))
    assert named(found, "workflow good").state == "ok"
    assert named(found, "workflow bad").state == "missing"
    assert "classes" in named(found, "workflow bad").detail


def test_no_workflow_at_all_is_missing(tmp_path: Path) -> None:
    assert [each.state for each in checks.workflow_files(tmp_path)] == ["missing"]


@pytest.mark.parametrize(
    ("wheels", "state"),
    [
        (["opencv-python-headless"], "ok"),
        (["opencv-python", "opencv-python-headless"], "missing"),
        ([], "missing"),
    ],
)
def test_only_one_opencv(monkeypatch: pytest.MonkeyPatch, wheels: list[str], state: str) -> None:
    monkeypatch.setattr(metadata, "distributions", lambda: [SimpleNamespace(name=name) for name in (*wheels, "rich")])
    found = checks.opencv()
    assert found.state == state
    assert (found.do is None) == (state == "ok")


def test_a_missing_back_end_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "ultralytics" else object())
    detectors, clips = checks.trainers()
    assert (detectors.state, detectors.do) == ("note", "uv sync --extra ultralytics")
    assert "ultralytics not installed" in detectors.detail
    assert clips.state == "ok"


def test_external_servers_need_nothing_here(tmp_path: Path) -> None:
    outside = settings(
        tmp_path, KAFKA_BOOTSTRAP_SERVERS="kafka:9092", DATABASE_URL="postgresql://x/y", S3_ENDPOINT="http://s3"
    )
    found = {each.name: each for each in checks.parts(outside)}
    assert "Java" not in found
    assert all(each.state == "ok" and "external" in each.detail for name, each in found.items() if name != "ports")


def test_a_taken_port_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(checks, "HTTP_PORTS", {"ingest": taken.getsockname()[1]})
        (found,) = checks.ports(tmp_path)
    assert found.state == "note"
    assert "(ingest)" in found.detail


def test_a_system_that_is_down_is_a_note(tmp_path: Path) -> None:
    (found,) = checks.running(tmp_path)
    assert (found.state, found.do) == ("note", "uv run camloop up --detach")
