"""Planned hand washes say truly what they show: the scenario, its segments and the verdict belong together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.local.drawing.gestures import STEPS, UNSEEN
from libs.local.drawing.wash_acts import BACKGROUND, Scenario
from libs.local.drawing.wash_plans import LABELS, SHARES, WashPlan, demo_procedure, plan_washes
from libs.vision.procedures import Procedure, ProcedureStep, judge

CAMERAS, PERSONS = ("wash-1", "wash-2", "wash-3"), ("ann", "bo", "cleo", "dan")
DEMO = demo_procedure()


def planned(count: int = 120, seed: int = 4, procedure: Procedure = DEMO) -> list[WashPlan]:
    return plan_washes(count, seed, procedure, CAMERAS, PERSONS)


def of(plans: Sequence[WashPlan], scenario: Scenario) -> list[WashPlan]:
    return [plan for plan in plans if plan.scenario == scenario]


def codes(plan: WashPlan) -> set[str]:
    return {reason.code for reason in plan.verdict.reasons}


@pytest.fixture(scope="module")
def plans() -> list[WashPlan]:
    return planned()


def test_the_demo_procedure_asks_for_every_step_that_can_be_drawn() -> None:
    assert {label for step in DEMO.steps for label in step.shown_by} == set(STEPS)
    assert set(LABELS) == {*STEPS, BACKGROUND}


def test_the_same_seed_plans_the_same_and_another_something_else() -> None:
    assert planned(12) == planned(12)
    assert [plan.acts for plan in planned(12)] != [plan.acts for plan in planned(12, seed=5)]


@pytest.mark.parametrize("count", [1, 7, 50, 120])
def test_scenarios_come_in_their_shares(count: int) -> None:
    found = Counter(plan.scenario for plan in planned(count))
    assert found.total() == count
    assert all(abs(found[scenario] - share * count) < 1 for scenario, share in SHARES.items())


def test_the_verdict_is_what_the_labels_of_the_frames_give(plans: list[WashPlan]) -> None:
    for plan in plans:
        seconds = {label: many / plan.frames_per_second for label, many in Counter(plan.labels).items()}
        seconds.pop(BACKGROUND)
        assert plan.verdict.seconds == pytest.approx(seconds)
        assert plan.verdict == judge(plan.segments, DEMO, visible_share=plan.visible_share)


def test_segments_cover_just_the_frames_of_their_step(plans: list[WashPlan]) -> None:
    for plan in plans:
        labels = [BACKGROUND] * plan.frames
        for segment in plan.segments:
            first, last = segment.start * plan.frames_per_second, segment.end * plan.frames_per_second
            assert (first, last) == pytest.approx((round(first), round(last)))
            labels[round(first) : round(last)] = [segment.step] * round(last - first)
        assert tuple(labels) == plan.labels


@pytest.mark.parametrize(
    ("scenario", "outcome", "reasons"),
    [
        ("complete", "compliant", set[str]()),
        ("missing_step", "non_compliant", {"missing"}),
        ("wrong_order", "non_compliant", {"order"}),
        ("too_short", "non_compliant", {"too_short"}),
    ],
)
@pytest.mark.parametrize("longer", [0.0, 40.0])
def test_a_scenario_is_judged_as_its_name_says(
    scenario: Scenario, outcome: str, reasons: set[str], longer: float
) -> None:
    procedure = replace(DEMO, minimum_seconds=max(DEMO.minimum_seconds, longer))
    found = of(planned(procedure=procedure), scenario)
    assert len(found) >= 10
    for plan in found:
        assert (plan.verdict.outcome, codes(plan)) == (outcome, reasons)
        assert plan.visible_share == 1


def test_one_or_two_steps_are_missing_and_one_is_too_short(plans: list[WashPlan]) -> None:
    assert {len(plan.verdict.missing) for plan in of(plans, "missing_step")} == {1, 2}
    assert {len(plan.verdict.missing) for plan in of(plans, "too_short")} == {1}


def test_without_hands_nothing_can_be_said(plans: list[WashPlan]) -> None:
    for plan in of(plans, "no_hands"):
        assert (plan.visible_share, plan.segments, plan.verdict.outcome) == (0, (), "undetermined")
    for plan in of(plans, "hands_rarely_visible"):
        assert plan.verdict.outcome == "undetermined"
        assert 0.1 < plan.visible_share < 0.45
        assert plan.segments
    assert {act.action for plan in plans for act in plan.acts} >= UNSEEN


def test_no_verdict_hangs_on_a_frame(plans: list[WashPlan]) -> None:
    for plan in plans:
        if plan.scenario in ("complete", "missing_step", "wrong_order"):
            assert min(plan.verdict.seconds.values()) >= 1.5
        elif plan.scenario == "too_short":
            assert min(plan.verdict.seconds.values()) <= 0.7
        if plan.scenario != "hands_rarely_visible":
            assert plan.seconds <= 30


def test_steps_are_at_any_time_of_a_clip(plans: list[WashPlan]) -> None:
    """No step could be told by when it happens."""
    firsts = Counter(plan.segments[0].step for plan in of(plans, "wrong_order"))
    assert len(firsts) >= 4
    complete = {tuple(segment.step for segment in plan.segments) for plan in of(plans, "complete")}
    assert len(complete) >= 4


def test_a_recording_is_one_person_before_one_camera_in_one_hour(plans: list[WashPlan]) -> None:
    hours: dict[tuple[str, datetime], str] = {}
    for plan in plans:
        hour = plan.captured_at.replace(minute=0, second=0, microsecond=0)
        assert hours.setdefault((plan.camera, hour), plan.recording) == plan.recording
        assert (plan.camera, plan.person) == next((p.camera, p.person) for p in plans if p.recording == plan.recording)
    assert len(set(hours.values())) == len(hours) == 60
    assert {plan.camera for plan in plans} == set(CAMERAS)
    assert {plan.person for plan in plans} == set(PERSONS)


def test_everybody_washes_before_each_camera_before_anybody_comes_again(plans: list[WashPlan]) -> None:
    for camera in CAMERAS:
        recordings = {plan.recording: plan.person for plan in plans if plan.camera == camera}
        persons = list(recordings.values())
        rounds = [persons[at : at + len(PERSONS)] for at in range(0, len(persons), len(PERSONS))]
        assert all(sorted(each) == sorted(PERSONS) for each in rounds)
        assert len({tuple(each) for each in rounds}) > 1


def test_clips_are_told_in_the_order_of_time_from_the_start_on() -> None:
    start = datetime(2026, 3, 1, 4, tzinfo=UTC)
    plans = plan_washes(9, 1, DEMO, CAMERAS, PERSONS, start=start, every=timedelta(minutes=30), clips_per_recording=3)
    times = [plan.captured_at for plan in plans]
    assert times == sorted(times)
    assert start <= times[0]
    assert times[-1] < start + timedelta(minutes=30)


def test_two_steps_out_of_order_are_always_the_other_way_round() -> None:
    steps = (ProcedureStep("palm_to_palm", order=1), ProcedureStep("fingertips", order=2))
    for plan in of(planned(60, procedure=Procedure(steps, ordered=True)), "wrong_order"):
        assert [segment.step for segment in plan.segments] == ["fingertips", "palm_to_palm"]
        assert codes(plan) == {"order"}


def test_a_step_with_two_labels_in_any_order_is_left_out_as_a_whole() -> None:
    procedure = Procedure((ProcedureStep("thumb", labels=("thumb_left", "thumb_right")), ProcedureStep("fingertips")))
    found = of(planned(60, procedure=procedure), "missing_step")
    assert {plan.verdict.missing for plan in found} == {
        ("thumb",), ("fingertips",), ("thumb", "fingertips")
    }  # fmt: skip
    assert {plan.verdict.outcome for plan in found} == {"non_compliant"}


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be drawn: faucet_off"):
        planned(procedure=Procedure((ProcedureStep("faucet_off"),)))
    with pytest.raises(ValueError, match="40 clips"):
        plan_washes(9, 1, DEMO, CAMERAS, PERSONS, clips_per_recording=40)
