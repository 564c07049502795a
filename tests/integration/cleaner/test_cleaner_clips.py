"""The cleaner and clips on the real bus: looked at once each, repeats recognised, a review and a suggestion taken in."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from libs.common.events import ClipCaptured, Media, ModelRef, ReviewSubmitted, Segment, WashJudged, WorkflowChanged
from libs.common.objects import S3Objects, connect
from libs.common.settings import CommonSettings
from services.cleaner.domain.samples import sample_id_of
from tests.support.clips import noisy, sink, wash, write_clip
from tests.support.service_process import Bus, bus_on, eventually, running
from tests.unit.cleaner.clip_kit import wash_workflow

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
VERDICTS = ("sample.approved", "sample.rejected", "sample.queued_for_review")
SEGMENTS = (
    Segment(step="palm_to_palm", start_seconds=0.5, end_seconds=2.0),
    Segment(step="thumb_left", start_seconds=2.0, end_seconds=3.5),
)
SECONDS = 5.0


def drawn(folder: Path, seed: int, *, name: str, quality: int = 20) -> Path:
    picture = wash(seed)
    images = [noisy(picture(at / 10), seed * 1000 + at) for at in range(int(SECONDS * 10))]
    return write_clip(folder / f"{name}.mp4", images, quality=quality)


async def upload(objects: S3Objects, path: Path, workflow: str) -> Media:
    return await objects.put(f"clips/{workflow}/{path.name}", path.read_bytes(), "video/mp4")


def captured(name: str, workflow: str, video: Media, segments: tuple[Segment, ...] | None = None) -> ClipCaptured:
    return ClipCaptured(
        clip_id=f"{workflow}-{name}", camera_id="sink-1", captured_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        workflow=workflow, video=video, segments=segments, source_group=f"recording-{name}",
    )  # fmt: skip


async def said(bus: Bus, workflow: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Verdicts by clip, in the order of topics."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for topic in VERDICTS:
        for body in await bus.said(topic, lambda body: body["workflow"] == workflow):
            found.setdefault(body["clip_id"].removeprefix(f"{workflow}-"), []).append((topic, body))
    return found


async def test_clips_become_samples_once_each_and_are_reviewed(
    environment: dict[str, str], settings: CommonSettings, database: Any, stack: Any, tmp_path: Path
) -> None:
    await database.migrate("cleaner")
    objects = connect(settings)
    await objects.ensure_bucket()
    name = f"w{uuid4().hex[:10]}"
    still = write_clip(tmp_path / "still.mp4", [noisy(sink(), at, sigma=1.0) for at in range(50)])
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(np.random.default_rng(1).bytes(5000))
    clips = {
        "good": (drawn(tmp_path, 1, name="good"), SEGMENTS),
        "again": (drawn(tmp_path, 1, name="again", quality=30), SEGMENTS),
        "frozen": (still, None),
        "junk": (junk, None),
        "question": (drawn(tmp_path, 2, name="question"), None),
        "wrong": (drawn(tmp_path, 3, name="wrong"), (Segment(step="elbows", start_seconds=1, end_seconds=99),)),
    }
    async with bus_on(stack.kafka_bootstrap) as bus, running("cleaner", environment):
        definition = wash_workflow(name=name).model_dump(mode="json")
        await bus.say(WorkflowChanged(workflow=name, revision=1, definition=definition, changed_by="test"))
        for each, (path, segments) in clips.items():
            event = captured(each, name, await upload(objects, path, name), segments)
            event_id = await bus.say(event)
            await bus.say(event, event_id=event_id)  # delivered twice
            await bus.say(event)  # sent again
            if each == "good":  # the first of two equal clips is the one that stays
                await eventually(lambda: _has(bus, name, {"good"}), seconds=60)
        await eventually(lambda: _has(bus, name, set(clips)), seconds=120)
        question = sample_id_of(name, f"{name}-question")
        await bus.say(judged(name, clips["question"][0]))
        await eventually(lambda: _suggested(bus, name), seconds=60)
        await bus.say(
            ReviewSubmitted(
                sample_id=question, decision="approve", segments=SEGMENTS, based_on_revision=0, reviewer="alice"
            )
        )
        await eventually(lambda: _approved(bus, name, "question"), seconds=60)
        answers = await said(bus, name)
    first = {each: told[0] for each, told in answers.items()}
    assert {each: (topic, body.get("reason")) for each, (topic, body) in first.items() if each != "question"} == {
        "good": ("sample.approved", None),
        "again": ("sample.rejected", "duplicate"),
        "frozen": ("sample.rejected", "frozen"),
        "junk": ("sample.rejected", "undecodable"),
        "wrong": ("sample.queued_for_review", None),
    }
    assert {each: len(told) for each, told in answers.items()} == {**dict.fromkeys(clips, 1), "question": 3}
    good = first["good"][1]
    assert (good["kind"], good["leakage_group"], good["media"]["duration_seconds"]) == (
        "clip", "source:recording-good", SECONDS,
    )  # fmt: skip
    assert [each["step"] for each in good["segments"]] == ["palm_to_palm", "thumb_left"]
    assert "'elbows'" in first["wrong"][1]["why"]
    queued = [body for topic, body in answers["question"] if topic == "sample.queued_for_review"]
    assert [body["suggested_by"] for body in queued if "suggested_by" in body] == [{"name": name, "version": 3}]
    for picture in ("strip", "preview"):
        assert await objects.exists(queued[0][picture]["uri"])
    (approved,) = (body for topic, body in answers["question"] if topic == "sample.approved")
    assert (approved["approved_by"], approved["annotation_revision"], len(approved["segments"])) == ("user:alice", 1, 2)


def judged(workflow: str, _: Path) -> WashJudged:
    return WashJudged(
        clip_id=f"{workflow}-question", camera_id="sink-1", captured_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        workflow=workflow, model=ModelRef(name=workflow, version=3), segments=SEGMENTS[:1], seconds={}, total_seconds=1.5,
        verdict="non_compliant", missing_steps=("thumb_left",), reasons=(),
        proof=Media(uri="s3://b/k", sha256="0" * 64, content_type="video/mp4", bytes=1),
    )  # fmt: skip


async def _has(bus: Bus, workflow: str, names: set[str]) -> bool:
    return names <= set(await said(bus, workflow))


async def _suggested(bus: Bus, workflow: str) -> bool:
    return any("suggested_by" in body for _, body in (await said(bus, workflow)).get("question", []))


async def _approved(bus: Bus, workflow: str, name: str) -> bool:
    return any(topic == "sample.approved" for topic, _ in (await said(bus, workflow)).get(name, []))
