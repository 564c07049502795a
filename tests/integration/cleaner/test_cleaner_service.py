"""The cleaner as a process on the real bus: snapshots in, verdicts out, once; a review in, an approval out."""

import asyncio
from collections import Counter
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.events import Annotation, ReviewSubmitted, SnapshotCaptured, WorkflowChanged, to_json
from libs.common.objects import S3Objects, connect
from libs.common.settings import CommonSettings
from libs.local.scenes import SceneShot, camera_series
from services.cleaner.domain.samples import sample_id_of
from tests.support.service_process import Bus, bus_on, eventually, running
from tests.unit.cleaner.cleaner_kit import make_workflow

pytestmark = pytest.mark.connected
SPOILED = {"blurred": 1, "dark": 1, "overexposed": 1, "near_duplicate": 1}
VERDICTS = ("sample.approved", "sample.rejected", "sample.queued_for_review")


async def said(bus: Bus, workflow: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (topic, body) for topic in VERDICTS for body in await bus.said(topic, lambda body: body["workflow"] == workflow)
    ]


async def store(objects: S3Objects, shot: SceneShot, workflow: str, **known: Any) -> SnapshotCaptured:
    snapshot_id = f"{workflow}-{shot.sha256[:16]}"
    image = await objects.put(f"snapshots/{workflow}/{snapshot_id}.jpg", shot.jpeg, "image/jpeg")
    return SnapshotCaptured(
        snapshot_id=snapshot_id,
        camera_id=shot.camera_id,
        captured_at=shot.captured_at,
        workflow=workflow,
        image=image,
        **known,
    )


def annotated(shot: SceneShot) -> tuple[Annotation, ...]:
    return tuple(Annotation(label=each.label, box=each.box) for each in shot.annotations)


async def test_a_camera_series_is_cleaned_once_whatever_is_delivered_twice(
    environment: dict[str, str], settings: CommonSettings, database, stack
) -> None:
    await database.migrate("cleaner")
    objects = connect(settings)
    await objects.ensure_bucket()
    name = f"w{uuid4().hex[:10]}"
    shots = list(camera_series("line-1", 4, 3, spoiled=SPOILED))
    events = [await store(objects, shot, name, annotations=annotated(shot)) for shot in shots]
    async with bus_on(stack.kafka_bootstrap) as bus, running("cleaner", environment):
        await bus.say(WorkflowChanged(workflow=name, revision=1, definition=definition(name), changed_by="test"))
        ids = [await bus.say(event) for event in events]
        await eventually(lambda: all_said(bus, name, len(events)), seconds=60)
        for event, event_id in zip(events, ids, strict=True):
            await bus.say(event, event_id=event_id)  # redelivered
            await bus.say(event)  # sent again
        last = await store(objects, next(camera_series("line-2", 1, 8)), name)
        await bus.say(last)
        await eventually(lambda: all_said(bus, name, len(events) + 1), seconds=60)
        await asyncio.sleep(1)
        answers = await said(bus, name)
    expected = Counter(shot.expect for shot in shots)
    reasons = Counter(body["reason"] for topic, body in answers if topic == "sample.rejected")
    assert reasons == Counter(blurred=1, dark=1, overexposed=1, duplicate=1)
    assert Counter(topic for topic, _ in answers) == {
        "sample.approved": expected["usable"],
        "sample.rejected": 4,
        "sample.queued_for_review": 1,
    }


async def test_a_review_approves_and_bad_input_is_parked_while_the_rest_goes_on(
    environment: dict[str, str], settings: CommonSettings, database, stack
) -> None:
    await database.migrate("cleaner")
    objects = connect(settings)
    await objects.ensure_bucket()
    name = f"w{uuid4().hex[:10]}"
    shot, other = camera_series("line-1", 2, 4)
    event = await store(objects, shot, name)
    async with bus_on(stack.kafka_bootstrap) as bus, running("cleaner", environment):
        await bus.say(WorkflowChanged(workflow=name, revision=1, definition=definition(name), changed_by="test"))
        await bus.raw("snapshot.captured", to_json(event))  # a camera without CloudEvents headers
        await eventually(lambda: all_said(bus, name, 1), seconds=60)
        stolen = event.model_copy(update={"image": (await store(objects, other, name)).image})
        await bus.raw("snapshot.captured", to_json(stolen))
        await bus.raw("snapshot.captured", b"junk")
        review = ReviewSubmitted(
            sample_id=sample_id_of(name, event.snapshot_id),
            decision="approve",
            annotations=annotated(shot),
            based_on_revision=0,
            reviewer="alice",
        )
        await bus.say(review)
        await bus.say(review)  # a double click
        await eventually(lambda: all_said(bus, name, 2), seconds=60)
        parked = await eventually(lambda: dead(bus, event.snapshot_id), seconds=60)
        approved = [body for topic, body in await said(bus, name) if topic == "sample.approved"]
    assert "was captured before with other content" in parked[0]
    (sample,) = approved
    assert (sample["approved_by"], sample["annotation_revision"]) == ("user:alice", 1)
    assert len(sample["annotations"]) == len(shot.annotations)
    assert sample["media"]["sha256"] == sha256(shot.jpeg).hexdigest()
    assert UUID(sample["sample_id"]) == review.sample_id


async def all_said(bus: Bus, workflow: str, count: int) -> bool:
    return len(await said(bus, workflow)) >= count


async def dead(bus: Bus, snapshot_id: str) -> list[str]:
    records = await bus.records("snapshot.captured.dlq.cleaner")
    return [dict(each.headers)["x-error"].decode() for each in records if snapshot_id.encode() in each.value]


def definition(name: str) -> dict[str, Any]:
    return make_workflow(name=name, cameras=["nothing"]).model_dump(mode="json")
