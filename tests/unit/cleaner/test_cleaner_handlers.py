"""The cleaner's handlers, called as the plain functions they are."""

from collections.abc import Callable
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from libs.common.errors import AlreadyHandled, Conflict, Permanent, Transient
from libs.common.events import (
    Annotation,
    ReviewSubmitted,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    SnapshotCaptured,
)
from libs.common.testing import FakeObjects, envelope_for, snapshot
from services.cleaner.domain.samples import sample_id_of
from services.cleaner.handlers import clean_snapshot, settle_review
from tests.support.hostile.in_process import InProcess

LIMITS: Any = SimpleNamespace(maximum_image_bytes=1_000_000, maximum_pixels=1_000_000)
HERE: Any = InProcess()
HAIRNET = Annotation(label="hairnet", box=(10, 10, 40, 40))


class Cleaner:
    """Handlers bound to fakes."""

    def __init__(self, store: Any, configuration: Any) -> None:
        self.store, self.configuration, self.objects = store, configuration, FakeObjects()

    async def capture(self, data: bytes, **changes: Any) -> SnapshotCaptured:
        key = f"snapshots/{sha256(data).hexdigest()}.jpg"
        image = await self.objects.put(key, data, "image/jpeg")
        return snapshot(**({"image": image} | changes))

    async def clean(self, event: SnapshotCaptured, **envelope: Any) -> None:
        await clean_snapshot(
            event, envelope_for(event, **envelope), self.store, self.objects, self.configuration, LIMITS, HERE
        )

    async def review(self, sample_id: UUID, decision: Any, *, base: int = 0, **given: Any) -> None:
        event = ReviewSubmitted(
            sample_id=sample_id, decision=decision, based_on_revision=base, reviewer=given.pop("by", "alice"), **given
        )
        await settle_review(event, envelope_for(event), self.store, self.configuration)


@pytest.fixture
def cleaner(store: Any, configuration: Callable[..., Any], workflow: Callable[..., Any]) -> Cleaner:
    return Cleaner(store, configuration(workflow()))


async def test_a_snapshot_becomes_a_sample_and_an_event(cleaner: Cleaner, picture: Callable[..., bytes]) -> None:
    event = await cleaner.capture(picture(1), annotations=(HAIRNET,))
    await cleaner.clean(event)
    (said,) = cleaner.store.said
    assert isinstance(said, SampleApproved)
    assert said.sample_id == sample_id_of("hairnet", event.snapshot_id)
    assert (said.approved_by, said.annotation_revision, said.annotations) == ("rule:annotated", 1, (HAIRNET,))
    assert (said.media.width, said.media.height) == (96, 72)
    assert said.leakage_group == "line-1/2026-03-02T12:00Z"


@pytest.mark.parametrize("damage", [b"", b"no picture", b"\xff\xd8\xff\xe0"])
async def test_bytes_that_are_no_picture_are_rejected_not_parked(cleaner: Cleaner, damage: bytes) -> None:
    await cleaner.clean(await cleaner.capture(damage))
    (said,) = cleaner.store.said
    assert isinstance(said, SampleRejected)
    assert said.reason == "undecodable"
    assert said.detail


async def test_the_same_scene_on_the_same_camera_is_a_duplicate(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    first, second = await cleaner.capture(picture(1)), await cleaner.capture(picture(1, quality=90))
    await cleaner.clean(first)
    await cleaner.clean(second)
    rejected = cleaner.store.said[1]
    assert isinstance(rejected, SampleRejected)
    assert (rejected.reason, rejected.duplicate_of) == ("duplicate", sample_id_of("hairnet", first.snapshot_id))


async def test_the_same_scene_on_another_camera_is_kept_and_linked(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    first = await cleaner.capture(picture(1), annotations=())
    second = await cleaner.capture(picture(1, quality=90), camera_id="line-2", annotations=())
    await cleaner.clean(first)
    await cleaner.clean(second)
    assert [type(event) for event in cleaner.store.said] == [SampleApproved, SampleApproved]
    assert cleaner.store.said[1].near_duplicates == (sample_id_of("hairnet", first.snapshot_id),)


async def test_a_snapshot_without_workflow_goes_to_every_workflow_that_watches_its_camera(
    store: Any, configuration: Callable[..., Any], workflow: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    named = [workflow(name="all"), workflow(name="lines", cameras=["line-*"]), workflow(name="none", cameras=["x"])]
    cleaner = Cleaner(store, configuration(*named))
    await cleaner.clean(await cleaner.capture(picture(1), workflow=None))
    assert [event.workflow for event in store.said] == ["all", "lines"]


async def test_a_camera_nobody_watches_is_told_what_to_do(
    store: Any, configuration: Callable[..., Any], workflow: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    cleaner = Cleaner(store, configuration(workflow(cameras=["door-*"])))
    with pytest.raises(Permanent, match="No workflow watches camera 'line-1': name a workflow in the snapshot"):
        await cleaner.clean(await cleaner.capture(picture(1), workflow=None))


async def test_a_workflow_that_is_not_known_yet_is_waited_for(cleaner: Cleaner, picture: Callable[..., bytes]) -> None:
    event = await cleaner.capture(picture(1), workflow="gloves")
    with pytest.raises(Transient, match="gloves"):
        await cleaner.clean(event)
    assert cleaner.store.said == []


async def test_an_object_that_is_not_there_yet_is_waited_for(cleaner: Cleaner, picture: Callable[..., bytes]) -> None:
    event = await cleaner.capture(picture(1))
    cleaner.objects.stored.clear()
    with pytest.raises(Transient, match="not there"):
        await cleaner.clean(event)


async def test_bytes_that_are_not_the_announced_ones_are_refused(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    event = await cleaner.capture(picture(1))
    cleaner.objects.stored = dict.fromkeys(cleaner.objects.stored, picture(2))
    with pytest.raises(Permanent, match="was announced"):
        await cleaner.clean(event)


async def test_a_snapshot_sent_again_has_no_second_effect(cleaner: Cleaner, picture: Callable[..., bytes]) -> None:
    event = await cleaner.capture(picture(1))
    await cleaner.clean(event)
    await cleaner.clean(event)
    assert len(cleaner.store.said) == 1
    assert len(cleaner.store.samples) == 1


async def test_a_redelivered_message_is_recognised_before_any_work(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    event = await cleaner.capture(picture(1))
    await cleaner.clean(event, event_id=UUID(int=5))
    cleaner.objects.stored.clear()
    with pytest.raises(AlreadyHandled):
        await cleaner.clean(event, event_id=UUID(int=5))


async def test_an_id_that_returns_with_other_content_is_refused(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    await cleaner.clean(await cleaner.capture(picture(1), snapshot_id="s-1"))
    with pytest.raises(Conflict):
        await cleaner.clean(await cleaner.capture(picture(2), snapshot_id="s-1"))
    assert len(cleaner.store.said) == 1


async def test_the_same_snapshot_may_join_another_workflow_later(
    store: Any, configuration: Callable[..., Any], workflow: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    cleaner = Cleaner(store, configuration(workflow(), workflow(name="gloves")))
    event = await cleaner.capture(picture(1))
    await cleaner.clean(event)
    await cleaner.clean(event.model_copy(update={"workflow": "gloves"}))
    assert [said.workflow for said in store.said] == ["hairnet", "gloves"]


async def test_an_approved_review_links_what_arrived_meanwhile(cleaner: Cleaner, picture: Callable[..., bytes]) -> None:
    first = await cleaner.capture(picture(1))
    second = await cleaner.capture(picture(1, quality=90), camera_id="line-2", annotations=())
    await cleaner.clean(first)
    await cleaner.clean(second)
    await cleaner.review(sample_id_of("hairnet", first.snapshot_id), "approve", annotations=(HAIRNET,))
    approved = cleaner.store.said[-1]
    assert isinstance(approved, SampleApproved)
    assert (approved.approved_by, approved.annotation_revision) == ("user:alice", 1)
    assert approved.near_duplicates == (sample_id_of("hairnet", second.snapshot_id),)


async def test_a_late_reviewer_brings_the_sample_back_and_his_word_is_kept(
    cleaner: Cleaner, picture: Callable[..., bytes]
) -> None:
    event = await cleaner.capture(picture(1))
    await cleaner.clean(event)
    sample_id = sample_id_of("hairnet", event.snapshot_id)
    await cleaner.review(sample_id, "approve", annotations=(HAIRNET,))
    await cleaner.review(sample_id, "reject", by="bob")
    assert [ruling.outcome for ruling in cleaner.store.reviews] == ["approved", "refused"]
    asked = cleaner.store.said[-1]
    assert isinstance(asked, SampleQueuedForReview)
    assert (asked.annotation_revision, asked.annotations) == (1, (HAIRNET,))
    await cleaner.review(sample_id, "reject", by="bob", base=1)
    assert isinstance(cleaner.store.said[-1], SampleRejected)


async def test_a_review_that_overtakes_its_sample_is_tried_again(cleaner: Cleaner) -> None:
    with pytest.raises(Transient, match="not known"):
        await cleaner.review(UUID(int=9), "approve")
