"""Clips and washes in the console: projected, explained, reviewed, counted."""

from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.events import ModelRef, ReviewSubmitted
from services.console.domain.facts import Fact
from services.console.store.rebuild import Rebuild
from tests.unit.console.clip_events import PALMS, PREVIEW, THUMB, approved, captured, judged, queued, workflow
from tests.unit.console.console_events import at, fact
from tests.unit.registry.registry_events import workflow_definition

pytestmark = pytest.mark.connected
FOURTH = ModelRef(name="washing", version=4)
SAMPLES = [UUID(int=number) for number in range(1, 4)]


def story() -> list[Fact]:
    """Three clips of two sinks: one approved, two queued; judged by two versions, once said again with another verdict."""
    said = [
        workflow(),
        captured(),
        captured("clip-2", "sink-2", 3600),
        captured("clip-3", "sink-1", 86400),
        captured(),  # once more, under another event id
        judged(),
        queued(SAMPLES[0]),
        approved(SAMPLES[0]),
        queued(SAMPLES[1], clip_id="clip-2", camera_id="sink-2"),
        judged("clip-2", "compliant", camera_id="sink-2", captured_at=at(3600)),
        judged("clip-3", "undetermined", captured_at=at(86400)),
        judged("clip-1", "compliant", model=FOURTH, measured_error={}),
        judged("clip-2", "non_compliant", camera_id="sink-2", captured_at=at(3600)),
        queued(SAMPLES[2], clip_id="clip-3", suggested_by=FOURTH),
    ]
    return [fact(event, seconds) for seconds, event in enumerate(said)]


async def test_order_and_a_rebuild_do_not_show(console) -> None:
    facts = story()
    await console.hear(*facts)
    live = await console.tables()
    assert [len(live[name]) for name in ("clip", "sample", "wash")] == [3, 3, 4]
    rebuild = Rebuild(console.pool)
    await rebuild.clear()
    last = await rebuild.replay(0)
    assert last is not None
    await rebuild.change_over(last)
    assert await console.tables() == live
    for seed in range(3):
        for table in ("event", *live):
            await console.pool.execute(f"delete from {table}")
        await console.hear(*Random(seed).sample(facts, len(facts)))
        assert await console.tables() == live


@pytest.fixture
async def told(console) -> None:
    await console.hear(*story())


async def test_a_clip_that_waits_is_shown_with_what_a_reviewer_needs(console, told: None) -> None:
    await console.objects.put("previews/a.webm", b"nine byte", "video/webm")
    (review,) = [each for each in (await console.get("/api/reviews"))["reviews"] if each["clip_id"] == "clip-2"]
    assert (review["kind"], review["seconds"], review["image_url"]) == ("clip", 20.0, None)
    assert review["suggested_segments"] == [THUMB.model_dump()]
    assert review["suggested_by"] == {"name": "washing", "version": 3}
    assert review["video_url"] != review["preview_url"] != review["strip_url"]
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(review["preview_url"])).content == b"nine byte"
    sample = await console.get(f"/api/samples/{SAMPLES[0]}")
    assert (sample["subject_id"], sample["preview"]["uri"]) == ("person-3", PREVIEW.uri)
    assert [each["step"] for each in sample["segments"]] == ["palms"]
    cameras = (await console.get("/api/cameras"))["cameras"]
    assert [(each["camera_id"], each["snapshots"], each["clips"]) for each in cameras] == [
        ("sink-1", 0, 2),
        ("sink-2", 0, 1),
    ]


async def test_why_of_a_clip_says_what_became_of_it(console, told: None) -> None:
    why = await console.get("/api/why/clip-1")
    assert [node["what"] for node in why["chain"]] == [
        "wash.judged", "sample.approved", "sample.queued_for_review", "wash.judged", "clip.captured",
    ]  # fmt: skip
    assert (why["kind"], why["waits_for"], why["chain"][-1]["who"]) == ("clip", None, "sink-1")
    assert why["summary"] == "washing: approved, compliant by washing@4, non_compliant by washing@3"
    assert why["chain"][3]["reason"] == "non compliant by washing@3: Thumb is missing"
    assert (await console.get("/api/why/clip-2"))["waits_for"] == "a reviewer"
    sample = await console.get(f"/api/why/{SAMPLES[0]}")
    assert [node["what"] for node in sample["chain"]][-1] == "clip.captured"


async def test_a_review_carries_segments(console, told: None) -> None:
    segments = [{"step": "palms", "start_seconds": 1, "end_seconds": 6}]
    body: dict[str, Any] = {
        "sample_id": str(SAMPLES[1]),
        "decision": "approve",
        "based_on_revision": 0,
        "segments": segments,
    }
    answer = await console.http.post("/api/reviews", json=body)
    assert answer.status_code == 202, answer.text
    (said,) = await console.said(ReviewSubmitted)
    assert [(each["step"], each["end_seconds"]) for each in said["segments"]] == [("palms", 6.0)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segments": [{"step": "elbow", "start_seconds": 1, "end_seconds": 6}]}, "no step 'elbow': use palms"),
        ({"segments": [{"step": "palms", "start_seconds": 6, "end_seconds": 1}]}, "must start before it ends"),
        ({"segments": [{"step": "palms", "start_seconds": 1, "end_seconds": 99}]}, "not inside the clip"),
        ({"segments": [{"step": "palms", "start_seconds": "NaN", "end_seconds": 99}]}, "finite"),
        ({"annotations": [{"label": "palms", "box": [1, 2, 3, 4]}]}, "by `segments`"),
    ],
)
async def test_a_review_nobody_could_mean_is_refused_and_not_said(
    console, told: None, changes: dict, words: str
) -> None:
    body = {"sample_id": str(SAMPLES[1]), "decision": "approve", "based_on_revision": 0} | changes
    answer = await console.http.post("/api/reviews", json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert await console.pool.fetchval("select count(*) from outbox") == 0


async def test_washes_are_filtered_and_paged(console, told: None) -> None:
    everything = await console.get("/api/washes", limit=3)
    assert (everything["total"], [each["clip_id"] for each in everything["washes"]]) == (
        4,
        ["clip-3", "clip-2", "clip-1"],
    )
    rest = await console.get("/api/washes", limit=3, offset=3)
    assert [(each["clip_id"], each["version"], each["verdict"]) for each in rest["washes"]] == [
        ("clip-1", 4, "compliant")
    ]
    for query, expected in (
        ({"workflow": "washing"}, 4), ({"workflow": "other"}, 0), ({"camera": "sink-2"}, 1), ({"verdict": "non_compliant"}, 2),
        ({"from": at(1).isoformat()}, 2), ({"to": at(3600).isoformat()}, 2), ({"from": "2026-03-02", "to": "2026-03-02"}, 3),
    ):  # fmt: skip
        assert ((await console.get("/api/washes", **query))["total"], query) == (expected, query)
    wash = everything["washes"][1]
    assert (wash["missing_steps"], wash["total_seconds"], wash["measured_error"]["sensitivity"]) == (
        ["thumb"],
        5.0,
        0.9,
    )
    assert wash["proof"]["uri"] == "s3://camloop/clips/a.mp4"
    assert [each["step"] for each in wash["segments"]] == [PALMS.step]


async def test_the_report_is_for_programs_spreadsheets_and_people(console, told: None) -> None:
    asked = {"workflow": "washing", "zone": "Asia/Shanghai"}
    report = await console.get("/api/compliance", **asked)
    assert (report["zone"], report["washes"]) == ("Asia/Shanghai", 4)
    assert [shift["begins"] for shift in report["shifts"]] == ["06:00", "14:00", "22:00"]
    rows = [
        (row["camera_id"], row["model"], row["washes"], row["rate"], row["sensitivity"]) for row in report["cameras"]
    ]
    assert rows == [
        ("sink-1", "washing@3", 2, 0.0, 0.9), ("sink-1", "washing@4", 1, 1.0, None), ("sink-2", "washing@3", 1, 0.0, 0.9),
    ]  # fmt: skip
    assert report["cameras"][0]["missing"] == {"thumb": ["clip-1"]}
    assert [(row["day"], row["shift"]["en"]) for row in report["rows"]] == [("2026-03-02", "late")] * 3 + [
        ("2026-03-03", "late")
    ]
    table = await console.http.get("/api/compliance", params=asked | {"format": "csv", "language": "zh"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.content.decode("utf-8-sig").splitlines()[0].startswith("日期,班次,摄像机")
    washes = await console.http.get("/api/compliance", params=asked | {"format": "csv", "table": "washes"})
    assert len(washes.text.splitlines()) == 5
    page = await console.http.get("/api/compliance", params=asked | {"format": "html", "from": "2026-03-03"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "clip-3" in page.text
    assert "clip-1" not in page.text
    empty = await console.get("/api/compliance", workflow="washing", to="2020-01-01")
    assert (empty["washes"], empty["cameras"]) == (0, [])


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"workflow": "nothing"}, 404, "not known"),
        ({}, 422, "workflow"),
        ({"workflow": "washing", "zone": "Mars/Base"}, 422, "is no time zone"),
        ({"workflow": "washing", "from": "2026-03-02", "to": "2026-03-01"}, 422, "must be before"),
        ({"workflow": "washing", "from": "2026-03-02T10:00:00"}, 422, "timezone"),
        ({"workflow": "washing", "to": "9999-12-31"}, 422, "after them"),
        ({"workflow": "washing", "from": "0001-01-01"}, 422, "before"),
        ({"workflow": "washing", "format": "pdf"}, 422, "format"),
    ],
)
async def test_a_report_nobody_could_make_is_refused_in_words(
    console, told: None, query: dict, status: int, words: str
) -> None:
    answer = await console.http.get("/api/compliance", params={"zone": "Asia/Shanghai"} | query)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


async def test_a_workflow_of_images_has_nothing_to_comply_with(console) -> None:
    definition = workflow_definition("hairnet")
    changed = workflow().model_copy(update={"workflow": "hairnet", "definition": definition})
    await console.hear(fact(changed, event_id=uuid4()))
    answer = await console.http.get("/api/compliance", params={"workflow": "hairnet"})
    assert (answer.status_code, "no procedure" in answer.json()["detail"]) == (422, True)
