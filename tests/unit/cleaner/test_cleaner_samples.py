"""How a snapshot becomes a sample, and a sample an event."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from libs.common.events import SampleApproved, SampleQueuedForReview, SampleRejected
from libs.common.testing import snapshot
from libs.common.workflows import Workflow
from services.cleaner.domain.samples import Seen, Unreadable, announcement, leakage_group, new_sample, sample_id_of

SEEN = Seen(width=320, height=240, content_type="image/png", measures={"brightness": 99.0}, look=-1)


@pytest.mark.parametrize(
    ("captured_at", "minutes", "group"),
    [
        (datetime(2026, 3, 2, 12, 59, 59, tzinfo=UTC), 60, "line-1/2026-03-02T12:00Z"),
        (datetime(2026, 3, 2, 13, 0, 0, tzinfo=UTC), 60, "line-1/2026-03-02T13:00Z"),
        (datetime(2026, 3, 2, 12, 29, tzinfo=UTC), 10, "line-1/2026-03-02T12:20Z"),
        (datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=8))), 60, "line-1/2026-03-01T17:00Z"),
    ],
)
def test_one_camera_in_one_time_block_is_one_leakage_group(captured_at: datetime, minutes: int, group: str) -> None:
    assert leakage_group(snapshot(captured_at=captured_at), block_minutes=minutes) == group


def test_a_source_is_a_leakage_group_whatever_the_camera_and_time() -> None:
    assert leakage_group(snapshot(source_group="photo-12"), block_minutes=60) == "source:photo-12"


def test_a_snapshot_has_one_stable_sample_per_workflow() -> None:
    assert sample_id_of("hairnet", "s-1") == sample_id_of("hairnet", "s-1")
    assert sample_id_of("hairnet", "s-1") != sample_id_of("behavior", "s-1")


def test_a_sample_says_what_its_bytes_really_are(workflow: Callable[..., Workflow]) -> None:
    sample = new_sample(workflow(), snapshot(), SEEN, UUID(int=1))
    assert (sample.media.width, sample.media.height, sample.media.content_type) == (320, 240, "image/png")
    unread = new_sample(workflow(), snapshot(), Unreadable("cut"), UUID(int=1))
    assert unread.media.content_type == "image/jpeg"
    assert unread.look is None


def test_each_standing_is_announced_as_its_event(workflow: Callable[..., Workflow]) -> None:
    sample = new_sample(workflow(), snapshot(), SEEN, UUID(int=1))
    kinds = [type(announcement(sample, standing)) for standing in ("approved", "rejected", "queued")]
    assert kinds == [SampleApproved, SampleRejected, SampleQueuedForReview]
