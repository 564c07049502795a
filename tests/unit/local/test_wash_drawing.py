"""Drawn hand washes show what was planned, frame by frame, and nothing else in them looks like skin."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from libs.local.drawing.arms import SLEEVES
from libs.local.drawing.canvas import Colour, Image, mix, shade
from libs.local.drawing.gestures import STEPS, UNSEEN, Action, Interlude, Manner, Step, pose
from libs.local.drawing.hands import Hand, Hands, between, mirrored, swapped
from libs.local.drawing.people import SKINS
from libs.local.drawing.sink import BASINS, BOTTLES, COUNTERS, WATER
from libs.local.drawing.wash_acts import Act
from libs.local.drawing.wash_plans import WashPlan, demo_procedure, plan_washes
from libs.local.drawing.washing import draw_wash, wash_frames
from libs.vision.clip_measures import measure_clip
from libs.vision.video import frames, probe

PLANS = plan_washes(60, 2, demo_procedure(), ("wash-1", "wash-2", "wash-3"), ("ann", "bo", "cleo", "dan"))


def plan_of(*acts: tuple[Action, int], seed: int = 1, person: str = "ann") -> WashPlan:
    first = PLANS[0]
    return WashPlan(
        number=0, recording="r", camera="wash-1", person=person, captured_at=first.captured_at, scenario="complete",
        acts=tuple(Act(action, many, Manner()) for action, many in acts), verdict=first.verdict, seed=seed,
    )  # fmt: skip


def first_of(scenario: str) -> WashPlan:
    return next(plan for plan in PLANS if plan.scenario == scenario)


def skin(image: Image) -> npt.NDArray[np.bool_]:
    ycrcb = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
    return (cv2.inRange(ycrcb, np.array((0, 133, 77)), np.array((255, 180, 130))) > 0).astype(np.bool_, copy=False)


def decoded(path: Path) -> list[Image]:
    return [frame.image for frame in frames(path)]


def test_a_clip_decodes_to_the_planned_frames_at_the_planned_rate(tmp_path: Path) -> None:
    plan = first_of("too_short")
    path = draw_wash(plan, tmp_path / "wash.mp4")
    info, seen = probe(path), list(frames(path))
    assert (info.codec, info.width, info.height, info.frames_per_second) == ("h264", 320, 240, 10)
    assert len(seen) == plan.frames == len(plan.labels)
    assert [frame.seconds for frame in seen] == pytest.approx([index / 10 for index in range(plan.frames)])
    assert [each.name for each in tmp_path.iterdir()] == ["wash.mp4"]


@pytest.mark.parametrize(
    ("scenario", "least", "most"),
    [("complete", 0.5, 1.0), ("too_short", 0.4, 1.0), ("hands_rarely_visible", 0.2, 0.6), ("no_hands", 0.0, 0.0)],
)
def test_the_cleaner_can_tell_whether_hands_are_in_sight(
    tmp_path: Path, scenario: str, least: float, most: float
) -> None:
    share = measure_clip(draw_wash(first_of(scenario), tmp_path / "wash.mp4")).skin_share
    assert least <= share <= most


def test_equal_plans_give_equal_bytes_and_other_seeds_other_ones(tmp_path: Path) -> None:
    acts: tuple[tuple[Action, int], ...] = (("arrive", 3), ("soap", 3), ("thumb_left", 6))
    first, again, other = (
        draw_wash(plan_of(*acts, seed=seed), tmp_path / f"{name}.mp4").read_bytes()
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again != other


@pytest.mark.parametrize("step", STEPS)
def test_every_step_moves_and_is_held_unlike_the_others(step: Step) -> None:
    def held(label: Step, phase: float) -> npt.NDArray[np.bool_]:
        plan = replace(plan_of((label, 1)), acts=(Act(label, 1, Manner(phase=phase)),))
        return skin(next(wash_frames(plan)))

    moved = np.mean(held(step, 0.25) ^ held(step, 0.75))
    assert moved > 0.003
    for other in STEPS:
        if other != step:
            assert np.mean(held(step, 0.0) ^ held(other, 0.0)) > 0.005


@pytest.mark.parametrize("action", get_args(Interlude))
def test_hands_are_in_the_picture_unless_the_action_hides_them(action: Interlude) -> None:
    seen = [float(skin(image).mean()) for image in wash_frames(plan_of((action, 8)))]
    if action in UNSEEN:
        assert max(seen) < 0.0005
    else:
        assert min(seen) > 0.01


def test_after_encoding_skin_is_seen_just_where_hands_are(tmp_path: Path) -> None:
    for number, plan in enumerate([first_of("no_hands"), first_of("hands_rarely_visible")]):
        unseen = [act.action in UNSEEN for act in plan.acts for _ in range(act.frames)]
        images = decoded(draw_wash(plan, tmp_path / f"{number}.mp4"))
        for hidden, image in zip(unseen, images, strict=True):
            share = float(skin(image).mean())
            assert share < 0.002 if hidden else share > 0.005


def test_no_surroundings_look_like_skin_whatever_the_seed() -> None:
    for camera in range(40):
        (image,) = wash_frames(replace(plan_of(("away", 1), seed=camera), camera=f"camera-{camera}"))
        assert skin(image).mean() < 0.0005


@pytest.mark.parametrize("level", [0.55, 0.75, 1.0, 1.1])
def test_skins_are_skin_in_any_light_and_nothing_else_is(level: float) -> None:
    def is_skin(colour: Colour) -> bool:
        return bool(skin(np.array([[shade(colour, level)]], np.uint8))[0, 0])

    assert all(is_skin(colour) and is_skin(mix(colour, (190, 200, 240), 0.28)) for colour in SKINS)
    assert not any(map(is_skin, (*SLEEVES, *COUNTERS, *BASINS, *BOTTLES, WATER)))


def test_people_and_seeds_look_different() -> None:
    pictures = [
        next(wash_frames(plan_of(("apart", 1), seed=seed, person=person)))
        for seed, person in ((1, "ann"), (1, "bo"), (2, "ann"))
    ]
    for one, other in combinations(pictures, 2):
        assert float(np.abs(one.astype(float) - other.astype(float)).mean()) > 2


def test_hands_glide_from_one_act_to_the_next() -> None:
    """Twice the change of pose at a border would be a jump that a model could learn instead of the steps."""
    images = list(wash_frames(plan_of(("palm_to_palm", 8), ("fingertips", 8))))
    changes = [float(np.mean(skin(a) ^ skin(b))) for a, b in pairwise(images)]
    (first,), (second,) = (wash_frames(plan_of((step, 1))) for step in ("palm_to_palm", "fingertips"))
    assert max(changes) < np.mean(skin(first) ^ skin(second))


def test_now_and_then_somebody_else_reaches_over() -> None:
    reached = 0
    for seed in range(24):
        shares = [float(skin(image).mean()) for image in wash_frames(plan_of(("apart", 16), seed=seed))]
        reached += max(shares) > min(shares) + 0.005
    assert 1 <= reached <= 10


def test_what_left_does_right_can_do() -> None:
    left, right = (pose(step, Manner(phase=0.1), 0.3, 0.5) for step in ("thumb_left", "thumb_right"))
    assert swapped(left) == right
    assert swapped(right) == left


def test_between_two_ways_of_holding_hands_lie_their_ends() -> None:
    one, other = Hand(0.1, 0.2, 10), Hand(0.3, 0.1, 50, palm=1.0)
    first, second = Hands(mirrored(one), one), Hands(mirrored(other), other, right_on_top=0.0, water=1.0)
    assert (between(first, second, 0), between(first, second, 1)) == (first, second)
    half = between(first, second, 0.5)
    assert (half.right.x, half.right.angle, half.right.palm) == pytest.approx((0.2, 30, 0.5))
    assert (half.left.x, half.right_on_top, half.water) == pytest.approx((-0.2, 0.5, 0.5))
