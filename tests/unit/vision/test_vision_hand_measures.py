"""The columns made of two tracked hands and a body."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.vision.hand_measures import Measures, measures
from libs.vision.keypoints import Track

RATE = 15.0
FloatArray = NDArray[np.float64]


def track(points: FloatArray, visible: NDArray[np.bool_] | None = None) -> Track:
    seen = np.ones(points.shape[:2], dtype=bool) if visible is None else visible
    return Track(points, seen, RATE)


def hands_moving(count: int = 30, *, zoom: float = 1.0) -> FloatArray:
    """Two hands of random shape, a palm length of 60 pixels, that part by 6 pixels a moment: float [T, 42, 2]."""
    dice = np.random.default_rng(1)
    shape = dice.uniform(-80, 80, (21, 2))
    shape[0], shape[9] = 0, (0, -60)
    steps = np.arange(count)[:, None, None] * np.array([3.0, 0.0])
    one, other = shape + np.array([200, 240]) - steps, shape + np.array([400, 240]) + steps
    return np.concatenate([one, other], axis=1) * zoom


def bodies(count: int) -> FloatArray:
    dice = np.random.default_rng(2)
    return np.broadcast_to(dice.uniform(100, 500, (1, 33, 2)), (count, 33, 2)).copy()


def column(found: Measures, name: str) -> FloatArray:
    return found.values[:, found.names.index(name)]


def test_the_relation_between_hands_is_in_palm_lengths_and_seconds() -> None:
    found = measures(track(hands_moving()), track(bodies(30)))
    assert len(set(found.names)) == found.values.shape[1]
    apart = (200 + 6 * np.arange(30)) / 60
    assert np.allclose(column(found, "pair.distance"), apart)
    assert np.allclose(column(found, "pair.closing"), 6 * RATE / 60)
    assert np.allclose(column(found, "pair.sliding"), 0, atol=1e-9)
    assert np.allclose(column(found, "hand0.wrist.vx"), -3 * RATE / 60)
    assert np.allclose(column(found, "hand1.wrist.vx"), 3 * RATE / 60)
    assert np.allclose(column(found, "hand0.index.speed"), 0, atol=1e-9)  # the shape stays: only the wrist moves
    assert found.visible.tolist() == [1.0] * 30


def test_neither_the_size_of_the_picture_nor_the_place_of_the_person_counts() -> None:
    one = measures(track(hands_moving()), track(bodies(30)))
    other = measures(track(hands_moving(zoom=3) + 77), track(bodies(30) * 3 + 77))
    assert np.allclose(one.values, other.values)


def test_a_hand_out_of_sight_is_told_by_a_mask_and_stands_still_never_at_zero() -> None:
    points, seen = hands_moving(), np.ones((30, 42), dtype=bool)
    points[10:25, 21:], seen[10:25, 21:] = np.nan, False
    found = measures(track(points, seen), track(bodies(30)))
    assert np.allclose(found.visible[12:24], 0.5)
    assert column(found, "hand1.seen").tolist() == [1.0] * 10 + [0.0] * 15 + [1.0] * 5
    before = column(found, "hand1.wrist.x")[9]
    assert np.allclose(column(found, "hand1.wrist.x")[10:25], before)
    assert abs(before) > 0.5
    assert np.allclose(column(found, "hand1.wrist.speed")[11:24], 0)


def test_a_short_gap_is_a_line_and_counts_as_seen() -> None:
    points, seen = hands_moving(), np.ones((30, 42), dtype=bool)
    points[10:14, 21:], seen[10:14, 21:] = np.nan, False
    whole, gap = (measures(track(p, s), track(bodies(30))) for p, s in ((hands_moving(), None), (points, seen)))
    assert np.allclose(whole.values, gap.values)
    assert gap.visible.tolist() == [1.0] * 30


def test_a_clip_without_hands_and_body_is_zero_and_invisible() -> None:
    hands, body = np.full((5, 42, 2), np.nan), np.full((5, 33, 2), np.nan)
    nothing = measures(
        track(hands, np.zeros((5, 42), dtype=bool)),
        track(body, np.zeros((5, 33), dtype=bool)),
    )
    assert not nothing.values.any()
    assert not nothing.visible.any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_side_a_hand_shows_has_a_sign(mirrored: bool) -> None:
    points = hands_moving()
    points[:, 5], points[:, 17] = points[:, 0] + np.array([-30, -50]), points[:, 0] + np.array([30, -50])
    if mirrored:
        points[..., 0] = 640 - points[..., 0]
    facing = column(measures(track(points), track(bodies(30))), "hand0.facing")
    assert np.all(facing < 0 if mirrored else facing > 0)


@given(st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_whatever_is_missing_every_number_is_finite(count: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    hands, body = dice.uniform(0, 640, (count, 42, 2)), dice.uniform(0, 640, (count, 33, 2))
    hands_seen, body_seen = dice.random((count, 42)) < 0.6, dice.random((count, 33)) < 0.6
    hands[~hands_seen], body[~body_seen] = np.nan, np.nan
    found = measures(track(hands, hands_seen), track(body, body_seen))
    assert np.isfinite(found.values).all()
    assert found.values.shape == (count, len(found.names))
    assert np.all((found.visible >= hands_seen.mean(axis=1) - 1e-9) & (found.visible <= 1))
