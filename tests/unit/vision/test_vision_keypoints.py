"""Tracked points: gaps, size, and the measures of movement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.keypoints import Track, fill_gaps, kinematics, relative

RATE = 10.0


def track(points: list[list[float]], visible: list[bool] | None = None) -> Track:
    """One point in the plane."""
    places = np.array(points, dtype=np.float64)[:, None, :]
    seen = np.ones(len(points), dtype=bool) if visible is None else np.array(visible)
    return Track(places, seen[:, None], RATE)


def test_short_gaps_are_bridged_by_a_line_and_long_ones_stay() -> None:
    nowhere = [np.nan, np.nan]
    filled = fill_gaps(
        track(
            [nowhere, [0, 0], nowhere, nowhere, nowhere, [4, 8], *[nowhere] * 4, [0, 0], nowhere],
            [False, True, False, False, False, True, False, False, False, False, True, False],
        )
    )
    assert filled.visible[:, 0].tolist() == [False, *[True] * 5, *[False] * 4, True, False]
    assert filled.points[1:6, 0].tolist() == [[0, 0], [1, 2], [2, 4], [3, 6], [4, 8]]


def test_places_are_in_lengths_of_the_person_and_do_not_depend_on_where_it_stands_or_how_large_it_is() -> None:
    dice = np.random.default_rng(0)
    points = dice.random((20, 3, 2))
    seen = np.ones((20, 3), dtype=bool)
    one = relative(Track(points, seen, RATE), 0, 1)
    other = relative(Track(points * 7 + 100, seen, RATE), 0, 1)
    assert np.allclose(one.points, other.points)
    assert np.allclose(one.points[:, 0], 0)
    assert np.isclose(np.median(np.linalg.norm(one.points[:, 1], axis=1)), 1)


def test_without_a_measure_of_size_it_is_said() -> None:
    points, seen = np.zeros((3, 2, 2)), np.ones((3, 2), dtype=bool)
    with pytest.raises(ValueError, match="lie on one another"):
        relative(Track(points, seen, RATE), 0, 1)
    with pytest.raises(ValueError, match="never seen in one frame"):
        relative(Track(points, ~seen, RATE), 0, 1)


def test_a_steady_movement_has_its_speed_and_no_acceleration() -> None:
    features, visible = kinematics(track([[0.3 * t, 0.4 * t] for t in range(30)]))
    middle = features[10:20]
    assert features.shape == (30, 8)
    assert np.allclose(middle[:, 2:4], [3, 4])  # velocity a second
    assert np.allclose(middle[:, 4:6], 0, atol=1e-9)
    assert np.allclose(middle[:, 6], 5)
    assert visible.tolist() == [1.0] * 30


def test_a_point_out_of_sight_stands_still_where_it_was_and_never_at_zero() -> None:
    features, visible = kinematics(
        track([[5, 5], [5, 5], [np.nan, np.nan], [np.nan, np.nan]], [True, True, False, False])
    )
    assert np.allclose(features[:, :2], 5)
    assert np.allclose(features[:, 2:], 0)
    assert visible.tolist() == [1, 1, 0, 0]


@given(st.integers(0, 6), st.integers(1, 3), st.integers(2, 3), st.integers(0, 2**32 - 1))
def test_whatever_is_missing_the_features_are_finite(frames: int, count: int, dimensions: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    seen = dice.random((frames, count)) < 0.5
    points = np.where(seen[:, :, None], dice.normal(size=(frames, count, dimensions)), np.nan)
    features, visible = kinematics(fill_gaps(Track(points, seen, RATE)))
    assert features.shape == (frames, count * (3 * dimensions + 2))
    assert np.isfinite(features).all()
    assert ((visible >= 0) & (visible <= 1)).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="are not"):
        Track(np.zeros((3, 2, 2)), np.ones((3, 1), dtype=bool), RATE)
    with pytest.raises(ValueError, match="without a point"):
        Track(np.zeros((3, 0, 2)), np.ones((3, 0), dtype=bool), RATE)
    with pytest.raises(ValueError, match="no rate"):
        Track(np.zeros((3, 2, 2)), np.ones((3, 2), dtype=bool), 0)
