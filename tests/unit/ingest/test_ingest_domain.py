"""Ids, keys and clocks of uploads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from libs.common.errors import Conflict, Permanent, UnknownWorkflow
from libs.common.testing import NOON, media
from services.ingest.domain import (
    Receipt,
    camera_of,
    capture_id_of,
    check_clock,
    check_same,
    check_workflow,
    object_key,
)

RECEIPT = Receipt("snapshot", "s-1", "line-1", NOON, "hairnet", media())


def test_the_same_picture_of_a_camera_at_a_time_has_one_id() -> None:
    first = capture_id_of("snapshot", "line-1", NOON, "ab")
    assert first == capture_id_of("snapshot", "line-1", NOON.astimezone(timezone(timedelta(hours=8))), "ab")
    others = {
        capture_id_of("snapshot", "line-2", NOON, "ab"),
        capture_id_of("snapshot", "line-1", NOON + timedelta(milliseconds=1), "ab"),
        capture_id_of("snapshot", "line-1", NOON, "cd"),
    }
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("workflow", "captured_at", "key"),
    [
        ("hairnet", datetime(2026, 3, 2, 12, tzinfo=UTC), "snapshots/hairnet/line-1/2026/03/02/s-1.jpg"),
        (None, datetime(2026, 3, 2, 12, tzinfo=UTC), "snapshots/_/line-1/2026/03/02/s-1.jpg"),
        (None, datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=8))), "snapshots/_/line-1/2026/03/01/s-1.jpg"),
    ],
)
def test_keys_name_workflow_camera_and_day_in_utc(workflow: str | None, captured_at: datetime, key: str) -> None:
    assert object_key("snapshot", "line-1", captured_at, "s-1", "image/jpeg", workflow) == key


def test_a_key_tells_its_camera() -> None:
    assert camera_of(object_key("clip", "line-1", NOON, "c-1", "video/mp4", None)) == "line-1"
    for other in ("models/hairnet/1/model.onnx", "clips/handwash/line-1/c-1.mp4", "a/b/line-1/2026/03/02/c-1.mp4", ""):
        with pytest.raises(Permanent, match="no place of an upload"):
            camera_of(other)


@pytest.mark.parametrize(("ahead", "accepted"), [(-86400, True), (0, True), (300, True), (301, False)])
def test_a_clock_may_be_a_little_ahead(ahead: float, accepted: bool) -> None:
    if accepted:
        check_clock(NOON + timedelta(seconds=ahead), NOON, tolerance_seconds=300)
        return
    with pytest.raises(Permanent, match="lies in the future"):
        check_clock(NOON + timedelta(seconds=ahead), NOON, tolerance_seconds=300)


def test_an_id_stands_for_one_picture_of_one_camera() -> None:
    check_same(RECEIPT, replace(RECEIPT, captured_at=NOON + timedelta(hours=1)))
    with pytest.raises(Conflict, match="exists with other content"):
        check_same(RECEIPT, replace(RECEIPT, media=media(b"other")))
    with pytest.raises(Conflict, match="of another camera"):
        check_same(RECEIPT, replace(RECEIPT, camera_id="line-2"))


def test_a_workflow_name_is_checked_once_some_are_known() -> None:
    tasks = {"hairnet": "detection", "handwash": "temporal"}
    check_workflow("snapshot", None, tasks)
    check_workflow("snapshot", "hairnet", tasks)
    check_workflow("clip", "handwash", tasks)
    check_workflow("snapshot", "hairnat", {})
    with pytest.raises(UnknownWorkflow, match="'hairnat' does not exist; known are hairnet, handwash"):
        check_workflow("snapshot", "hairnat", tasks)
    with pytest.raises(Permanent, match="'hairnet' takes no clips; those that do: handwash"):
        check_workflow("clip", "hairnet", tasks)
    with pytest.raises(Permanent, match="'handwash' takes no snapshots; those that do: none yet"):
        check_workflow("snapshot", "handwash", {"handwash": "temporal"})
