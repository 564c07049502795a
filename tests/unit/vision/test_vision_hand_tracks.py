"""Two hands told apart: through a crossing, a hiding, and labels that swap."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.vision.hand_tracks import palm_centre, palm_length, track_hands

RATE = 15.0
FloatArray = NDArray[np.float64]


def drawn_hand(centre: tuple[float, float], *, size: float = 60.0, mirrored: bool = False) -> FloatArray:
    """21 points like an open hand seen from above: the wrist below, four points along each of five fingers."""
    angles = np.deg2rad([150, 115, 95, 75, 55])
    if mirrored:
        angles = np.pi - angles
    along = np.linspace(0.9, 1.9, 4)
    fingers = np.stack([np.cos(angles), -np.sin(angles)], axis=1)[:, None, :] * along[None, :, None]
    points = np.concatenate([np.zeros((1, 2)), fingers.reshape(20, 2)]) * size
    return points - palm_centre(points) + np.array(centre)


def crossing(count: int = 45) -> tuple[FloatArray, FloatArray]:
    """One hand from left to right, the other the other way, 20 pixels apart where they meet: each float [T, 21, 2]."""
    across = np.linspace(100, 540, count)
    one = np.array([drawn_hand((x, 240)) for x in across])
    other = np.array([drawn_hand((640 - x, 260), mirrored=True) for x in across])
    return one, other


def is_one_hand(track: FloatArray, hand: FloatArray, found: NDArray[np.bool_]) -> bool:
    return bool(np.allclose(track[found], hand[found]))


def test_two_hands_that_cross_keep_their_tracks_though_their_order_changes_each_frame() -> None:
    one, other = crossing()
    moments = [np.array([a, b] if t % 2 else [b, a]) for t, (a, b) in enumerate(zip(one, other, strict=True))]
    tracks = track_hands(moments, RATE)
    assert tracks.found.all()
    first = one if np.allclose(tracks.points[0, 0], one[0]) else other
    second = other if first is one else one
    assert is_one_hand(tracks.points[:, 0], first, tracks.found[:, 0])
    assert is_one_hand(tracks.points[:, 1], second, tracks.found[:, 1])


def test_hands_of_one_shape_cross_by_their_movement_alone() -> None:
    """Where they meet each is nearer to where the other was: only who knows the velocity tells them apart."""
    across = np.linspace(100, 540, 16)
    one = np.array([drawn_hand((x, 230)) for x in across])
    other = np.array([drawn_hand((640 - x, 250)) for x in across])
    assert np.diff(across)[0] > 20
    tracks = track_hands([np.array([b, a]) for a, b in zip(one, other, strict=True)], RATE)
    for slot in (0, 1):
        heights = palm_centre(tracks.points[:, slot])[:, 1]
        assert np.ptp(heights) < 1e-6


@pytest.mark.parametrize("hidden", [range(20, 25), range(15, 22), range(24, 31)])
def test_one_hidden_while_they_cross_comes_back_as_itself(hidden: range) -> None:
    one, other = crossing()
    moments = [
        np.array([a]) if t in hidden else np.array([b, a]) for t, (a, b) in enumerate(zip(one, other, strict=True))
    ]
    tracks = track_hands(moments, RATE)
    is_one = [np.allclose(tracks.points[t][tracks.found[t]][0], one[t]) for t in hidden]
    assert all(is_one)
    slot = 0 if np.allclose(tracks.points[0, 0], one[0]) else 1
    assert tracks.found[:, slot].all()
    assert is_one_hand(tracks.points[:, slot], one, tracks.found[:, slot])
    assert tracks.found[:, 1 - slot].tolist() == [t not in hidden for t in range(len(one))]
    assert is_one_hand(tracks.points[:, 1 - slot], other, tracks.found[:, 1 - slot])


def test_a_lone_hand_far_away_is_the_other_hand() -> None:
    here, there = drawn_hand((100, 240)), drawn_hand((560, 240), mirrored=True)
    tracks = track_hands([here[None]] * 5 + [there[None]] * 5, RATE)
    assert tracks.found[:, 0].tolist() == [True] * 5 + [False] * 5
    assert tracks.found[:, 1].tolist() == [False] * 5 + [True] * 5


def test_a_hand_found_twice_is_one_and_a_third_hand_is_nobody() -> None:
    one, other = drawn_hand((100, 240)), drawn_hand((400, 240), mirrored=True)
    twice = track_hands([np.array([one, one + 2])] * 4, RATE)
    assert twice.found.tolist() == [[True, False]] * 4
    stranger = drawn_hand((620, 20))
    three = track_hands([np.array([one, other])] * 3 + [np.array([stranger, other, one])], RATE)
    assert np.allclose(three.points[-1], np.array([one, other]))


def test_hand_0_is_the_one_further_left_whichever_came_first() -> None:
    left, right = drawn_hand((100, 240)), drawn_hand((560, 240), mirrored=True)
    tracks = track_hands([right[None], np.array([right, left]), left[None]], RATE)
    assert tracks.found.tolist() == [[False, True], [True, True], [True, False]]


def test_no_hand_at_all_is_a_mask_and_no_place() -> None:
    tracks = track_hands([np.zeros((0, 21, 2))] * 3, RATE)
    assert not tracks.found.any()
    assert np.isnan(tracks.points).all()
    assert track_hands([], RATE).points.shape == (0, 2, 21, 2)


def test_a_palm_has_the_size_of_the_hand() -> None:
    assert palm_length(drawn_hand((0, 0), size=120)) == pytest.approx(2 * palm_length(drawn_hand((50, 9), size=60)))


@st.composite
def seen_hands(draw: st.DrawFn) -> list[FloatArray]:
    """Up to three hands at each of some moments, none on another."""
    moments: list[FloatArray] = []
    for _ in range(draw(st.integers(0, 12))):
        cells = draw(st.lists(st.integers(0, 11), max_size=3, unique=True))
        # No two at one height or abreast: a tie may fall either way.
        places = [(c % 4 * 150 + c * 3.1, c // 4 * 150 + c * c % 11 * 2.3) for c in cells]
        hands = [drawn_hand(place, mirrored=draw(st.booleans()), size=40) for place in places]
        moments.append(np.array(hands).reshape(-1, 21, 2))
    return moments


@given(seen_hands(), st.randoms(use_true_random=False))
def test_the_order_in_which_hands_are_found_never_counts(moments: list[FloatArray], dice) -> None:
    shuffled = [each[dice.sample(range(len(each)), len(each))] for each in moments]
    one, other = track_hands(moments, RATE), track_hands(shuffled, RATE)
    assert np.array_equal(one.points, other.points, equal_nan=True)


@given(seen_hands())
def test_every_track_is_made_of_what_was_found_and_of_nothing_twice(moments: list[FloatArray]) -> None:
    tracks = track_hands(moments, RATE)
    for points, found, given_hands in zip(tracks.points, tracks.found, moments, strict=True):
        assert found.sum() == min(len(given_hands), 2)
        kept = [next(n for n, hand in enumerate(given_hands) if np.array_equal(hand, p)) for p in points[found]]
        assert len(set(kept)) == len(kept)
        assert np.isfinite(points).all(axis=(1, 2)).tolist() == found.tolist()


@given(seen_hands(), st.integers(-3, 3))
def test_tracks_do_not_depend_on_how_large_the_picture_is(moments: list[FloatArray], power: int) -> None:
    zoom = 2.0**power  # of two: exact, so that ties fall alike
    one, other = track_hands(moments, RATE), track_hands([each * zoom for each in moments], RATE)
    assert np.array_equal(one.found, other.found)
    assert np.array_equal(one.points * zoom, other.points, equal_nan=True)


@given(st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_slow_hands_apart_are_as_the_nearest_neighbour_says(count: int, seed: int) -> None:
    """Independent of movement, size and shape: with steps far below their distance the nearest is the right one."""
    dice = np.random.default_rng(seed)
    steps = dice.uniform(-6, 6, (2, count, 2)).cumsum(axis=1) * 0.5
    hands = [drawn_hand((150, 240)) + steps[0][:, None], drawn_hand((500, 240), mirrored=True) + steps[1][:, None]]
    orders = [list(permutations((0, 1)))[dice.integers(2)] for _ in range(count)]
    tracks = track_hands([np.array([hands[n][t] for n in order]) for t, order in enumerate(orders)], RATE)
    last = [hands[0][0], hands[1][0]]
    for t in range(count):
        nearest = [min((hands[0][t], hands[1][t]), key=lambda h, w=was: float(np.abs(h - w).sum())) for was in last]
        assert np.array_equal(tracks.points[t], np.array(nearest))
        last = nearest
