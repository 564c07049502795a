"""Clips by the command line against the running system: a folder, an annotated data set, a long recording; and a person's word."""

from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.common.workflows import load_workflow
from libs.local.demo.wash_workflow import shortened
from libs.local.demo.washes import planned
from libs.local.drawing.wash_plans import WashPlan
from libs.local.drawing.washing import draw_wash
from libs.vision.video import probe
from tests.support.clips import moments, noisy, sink, wash, write_clip
from tests.support.system import System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(300)]
WORKFLOW = "basin"


@pytest.fixture(scope="module")
def washes(system: System) -> list[WashPlan]:
    """Four washes with hands in sight; the workflow knows their steps and takes what is known of them on trust."""
    system.add_workflow(
        "handwash", WORKFLOW, training={"automatic": False},
        cleaning={"minimum_sharpness": 1, "approve": {"spot_check_share": 0.0}, "clips": {"minimum_seconds": 3}},
    )  # fmt: skip
    system.until(
        "the workflow is known",
        lambda: WORKFLOW in [each["name"] for each in system.get("console", "/api/workflows")["workflows"]],
        60,
    )
    workflow = shortened(load_workflow(system.workflows / f"{WORKFLOW}.yaml"))
    plans = planned(workflow, 24, 7, annotated=True).plans.values()
    return [plan for plan in plans if plan.scenario == "complete"][:4]


def table_of(plan: WashPlan) -> str:
    rows = [f"{each.start:.3f},{each.end:.3f},{each.step}" for each in plan.segments]
    return "\n".join(["start,stop,label", *rows]) + "\n"


def samples(system: System, camera: str) -> list[dict[str, Any]]:
    found = system.get("console", "/api/samples", workflow=WORKFLOW, limit="100")["samples"]
    return [each for each in found if each["camera_id"] == camera]


def until_decided(system: System, camera: str, count: int) -> list[dict[str, Any]]:
    return system.until(
        f"{count} clips of {camera}", lambda: (f := samples(system, camera)) and len(f) == count and f, 90
    )


def test_a_folder_of_clips_one_of_them_with_its_steps(system: System, washes: list[WashPlan], tmp_path: Path) -> None:
    for name, plan in zip(("known", "unknown"), washes, strict=False):
        draw_wash(plan, tmp_path / f"{name}.mp4")
    (tmp_path / "known.mp4.csv").write_text(table_of(washes[0]))
    sent = system.camloop("ingest", "folder", str(tmp_path), "--camera", "basin-1", "--workflow", WORKFLOW)
    assert (sent["sent"], sent["refused"]) == (2, {})
    found = {each["verdict"]: each for each in until_decided(system, "basin-1", 2)}
    assert found.keys() == {"approved", "queued"}
    question = system.get("console", "/api/reviews", workflow=WORKFLOW)["reviews"][0]
    assert question["sample_id"] == found["queued"]["sample_id"]
    shown = {name: httpx.get(question[f"{name}_url"], timeout=30) for name in ("strip", "preview")}
    assert shown["strip"].headers["content-type"] == "image/jpeg"
    (tmp_path / "preview.mp4").write_bytes(shown["preview"].content)
    assert probe(tmp_path / "preview.mp4").codec == "h264"
    (tmp_path / "steps.csv").write_text(table_of(washes[1]))
    system.camloop("review", "approve", question["sample_id"], "--segments", str(tmp_path / "steps.csv"), "--by", "ann")
    decided = system.until(
        "a person's word", lambda: {each["verdict"] for each in samples(system, "basin-1")} == {"approved"}, 30
    )
    assert decided
    after = system.get("console", f"/api/samples/{question['sample_id']}")
    assert [each["step"] for each in after["segments"]] == [each.step for each in washes[1].segments]
    assert after["decided_by"] == "user:ann"


def test_an_annotated_data_set_with_steps_in_chinese(system: System, washes: list[WashPlan], tmp_path: Path) -> None:
    draw_wash(washes[2], tmp_path / "洗手.mp4")
    names = {each.step: f"步骤{number}" for number, each in enumerate(washes[2].segments)}
    rows = [f"洗手.mp4,{each.start:.3f},{each.end:.3f},{names[each.step]}" for each in washes[2].segments]
    (tmp_path / "segments.csv").write_text("\n".join(["file,start,stop,label", *rows]) + "\n", encoding="utf-8")
    renamed = chain.from_iterable(("--map", f"{there}={here}") for here, there in names.items())
    sent = system.camloop("import", "segments", str(tmp_path), "--workflow", WORKFLOW, "--camera", "basin-2", *renamed)
    assert (sent["sent"], sent["unlabelled"], sent["problems"]) == (1, 0, {})
    found = until_decided(system, "basin-2", 1)
    assert found[0]["verdict"] == "approved"


def test_a_long_recording_becomes_whole_visits_of_one_recording(
    system: System, washes: list[WashPlan], tmp_path: Path
) -> None:
    def empty(start: float) -> list[Any]:
        return [noisy(sink(), round(1000 * at)) for at in moments(7, start=start)]

    first, second = ([wash(seed)(at) for at in moments(8)] for seed in (1, 2))
    recording = write_clip(tmp_path / "night.mp4", [*empty(0), *first, *empty(15), *second, *empty(30)])
    camera = f"basin-{uuid4().hex[:6]}"
    sent = system.camloop(
        "ingest", "video", str(recording), "--camera", camera, "--workflow", WORKFLOW,
        "--zone", "0,0,1,1", "--start", "2026-03-02T06:00:00",
    )  # fmt: skip
    assert (sent["sent"], sent["refused"], sent["damage"]) == (2, {}, [])
    found = until_decided(system, camera, 2)
    assert {each["verdict"] for each in found} == {"queued"}
    assert len({each["leakage_group"] for each in found}) == 1
    assert sorted(each["captured_at"][:16] for each in found) == ["2026-03-02T06:00", "2026-03-02T06:00"]
