"""The demo of hand washes: its own workflow, what its cameras send, and how verdicts are compared."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.events import WashJudged
from libs.common.workflows import load_workflow, parse_workflow
from libs.local.demo.wash_workflow import check_drawable, lay_down, shortened
from libs.local.demo.washes import CAMERAS, Washes, compared, planned, right_share
from libs.local.drawing.gestures import STEPS

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "workflows"
HANDWASH = load_workflow(FOLDER / "handwash.yaml")


@pytest.fixture(scope="module")
def washes() -> Washes:
    return planned(shortened(HANDWASH), 24, 7, annotated=True)


def said(clip_id: str, verdict: str, *missing: str) -> WashJudged:
    return WashJudged.model_validate({
        "clip_id": clip_id, "camera_id": "sink-1", "captured_at": datetime(2026, 3, 2, tzinfo=UTC), "workflow": "w",
        "model": {"name": "w", "version": 1}, "segments": [], "seconds": {}, "total_seconds": 0, "verdict": verdict,
        "missing_steps": missing, "reasons": [],
        "proof": {"uri": "s3://b/k", "sha256": "0" * 64, "content_type": "video/mp4", "bytes": 1},
    })  # fmt: skip


@pytest.mark.parametrize("name", ["handwash", "handrub"])
def test_the_demo_asks_for_what_can_be_drawn_in_a_short_time(name: str) -> None:
    demo = shortened(load_workflow(FOLDER / f"{name}.yaml"))
    assert demo.name == f"{name}-demo"
    assert demo.procedure is not None
    assert set(demo.given_labels) == set(STEPS)
    assert demo.procedure.minimum_seconds == 10
    assert demo.procedure.ordered
    assert demo.training.hyperparameters["extractor"] == "classic"
    with pytest.raises(ValueError, match=f"camloop demo --workflow {name}$"):
        check_drawable(demo)


def test_its_file_says_what_was_made(tmp_path: Path) -> None:
    demo = shortened(HANDWASH)
    assert load_workflow(lay_down(demo, tmp_path)) == demo
    assert [path.name for path in tmp_path.iterdir()] == ["handwash-demo.yaml"]


def test_a_step_nobody_can_draw_is_named() -> None:
    check_drawable(HANDWASH)
    definition: dict[str, Any] = yaml.safe_load((FOLDER / "handwash.yaml").read_text("utf-8"))
    definition["procedure"]["steps"][-1]["required"] = True
    with pytest.raises(ValueError, match="faucet_off can't be drawn"):
        check_drawable(parse_workflow(definition, origin="a test"))


def test_cameras_send_segments_only_to_learn_from(washes: Washes, tmp_path: Path) -> None:
    clips = [clip for camera in CAMERAS for clip in washes.of_camera(camera, tmp_path)]
    assert {str(clip.facts["clip_id"]) for clip in clips} == washes.plans.keys()
    for clip in clips:
        plan = washes.plans[str(clip.facts["clip_id"])]
        assert clip.facts["source_group"] == plan.recording
        sent: Any = clip.facts["segments"]
        assert [each["step"] for each in sent] == [each.step for each in plan.segments]
    unseen = replace(washes, annotated=False)
    assert not [clip for clip in unseen.of_camera(CAMERAS[0], tmp_path) if "segments" in clip.facts]


def test_nothing_is_from_the_future(washes: Washes) -> None:
    assert max(plan.captured_at for plan in washes.plans.values()) < datetime.now(UTC)


def test_learned_and_unseen_clips_differ(washes: Washes) -> None:
    other = planned(shortened(HANDWASH), 24, 8, annotated=False)
    assert not washes.plans.keys() & other.plans.keys()
    assert not {plan.acts for plan in washes.plans.values()} & {plan.acts for plan in other.plans.values()}


def test_verdicts_are_held_against_the_truth(washes: Washes) -> None:
    truth = {clip_id: plan.verdict for clip_id, plan in washes.plans.items()}
    complete = next(clip_id for clip_id, verdict in truth.items() if verdict.outcome == "compliant")
    lacking = next(
        clip_id for clip_id, plan in washes.plans.items() if plan.scenario == "missing_step" and plan.verdict.missing
    )
    heard = {complete: said(complete, "non_compliant", "thumb_left"), lacking: said(lacking, "non_compliant", "thumb")}
    judged = {each.said.clip_id: each for each in compared(washes, heard)}
    assert judged[complete].line().startswith("WRONG")
    assert judged[complete].line().endswith("non_compliant, missing thumb_left; in truth compliant")
    assert judged[lacking].right
    assert f"in truth non_compliant, missing {', '.join(truth[lacking].missing)}" in judged[lacking].line()
    assert right_share(list(judged.values())) == 0.5
    assert right_share([]) == 0.0


def test_steps_out_of_sight_are_not_missing(washes: Washes) -> None:
    hidden = next(clip_id for clip_id, plan in washes.plans.items() if plan.verdict.outcome == "undetermined")
    (one,) = compared(washes, {hidden: said(hidden, "undetermined")})
    assert one.line() == f"right  {one.plan.camera}  undetermined"
