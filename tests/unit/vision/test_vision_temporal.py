"""Segments and the measures of temporal segmentation: the published conformance case, and an independent slow reckoning."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.segments import (
    FrameSegment,
    TimedSegment,
    labels_at,
    merge_short,
    segments_of,
    smooth,
    timed,
)
from libs.vision.temporal_metrics import (
    LabelledClip,
    edit_score,
    frame_accuracy,
    segment_f1,
    temporal_measures,
)

TRUTH = "0000111112222233330000"
SAID = "0001111002222222330000"


def clip(truth: str, said: str, rate: float = 10.0, name: str = "c") -> LabelledClip:
    return LabelledClip(name, list(truth), list(said), rate)


def test_the_conformance_case_with_every_label_counted() -> None:
    case = [clip(TRUTH, SAID)]
    assert round(frame_accuracy(case), 2) == 77.27
    assert round(edit_score(TRUTH, SAID), 2) == 83.33
    assert [round(segment_f1(case, k), 2) for k in (0.10, 0.25, 0.50)] == [90.91] * 3


def test_the_conformance_case_with_a_background() -> None:
    case = [clip(TRUTH, SAID)]
    assert edit_score(TRUTH, SAID, {"0"}) == 100
    assert [segment_f1(case, k, {"0"}) for k in (0.10, 0.25, 0.50)] == [100] * 3


@pytest.mark.parametrize(
    ("truth", "said", "edit", "f1"),
    [
        ("0000", "0000", 100, 100),
        ("0000", "0110", 0, 0),
        ("0110", "0000", 0, 0),
        ("", "", 100, 100),
    ],
)
def test_a_clip_without_a_step_does_not_fail(truth: str, said: str, edit: float, f1: float) -> None:
    assert edit_score(truth, said, {"0"}) == edit
    assert segment_f1([clip(truth, said)], 0.5, {"0"}) == f1
    assert temporal_measures([clip(truth, said)], "01", background={"0"}).edit == edit


LABELS = st.text("0123", max_size=40)
PAIRS = st.integers(0, 40).flatmap(
    lambda n: st.tuples(st.text("0123", min_size=n, max_size=n), st.text("0123", min_size=n, max_size=n))
)


@given(LABELS)
def test_segments_cover_every_frame_once(labels: str) -> None:
    segments = segments_of(labels)
    assert "".join(s.label * s.frames for s in segments) == labels
    assert all(a.label != b.label and a.end == b.start for a, b in pairwise(segments))


@given(st.lists(PAIRS, min_size=1, max_size=4), st.sampled_from(["", "0", "03"]))
def test_f1_equals_an_independent_reckoning(pairs: list[tuple[str, str]], background: str) -> None:
    clips = [clip(*pair) for pair in pairs]
    for overlap in (0.10, 0.25, 0.50):
        assert segment_f1(clips, overlap, set(background)) == pytest.approx(slow_f1(pairs, overlap, background))


@given(PAIRS, st.sampled_from(["", "0", "03"]))
def test_the_edit_score_equals_an_independent_reckoning(pair: tuple[str, str], background: str) -> None:
    truth, said = (collapsed(labels, background) for labels in pair)
    longest = max(len(truth), len(said))
    expected = 100 * (1 - slow_distance(truth, said) / longest) if longest else 100
    assert edit_score(*pair, background) == pytest.approx(expected)


@given(PAIRS, st.floats(0, 1))
def test_every_measure_equals_an_independent_reckoning(pair: tuple[str, str], collar: float) -> None:
    truth, said = pair
    measured = temporal_measures([clip(truth, said, 5.0)], "0123", background={"0"}, collar_seconds=collar)
    kept = [
        i
        for i in range(len(truth))
        if all(truth[j] == truth[j - 1] or not abs(i + 0.5 - j) < collar * 5 for j in range(1, len(truth)))
    ]
    assert measured.frames == len(kept)
    if kept:
        assert measured.frame_accuracy == pytest.approx(100 * sum(truth[i] == said[i] for i in kept) / len(kept))
    for step in "123":
        true, claimed = ([i for i in kept if side[i] == step] for side in pair)
        both = len(set(true) & set(claimed))
        assert measured.steps[step].recall == (both / len(true) if true else None)
        assert measured.steps[step].precision == (both / len(claimed) if claimed else None)
        assert measured.steps[step].seconds_error == pytest.approx(abs(truth.count(step) - said.count(step)) / 5)
        onset = abs(truth.index(step) - said.index(step)) / 5 if step in truth and step in said else None
        assert measured.steps[step].onset_error == (None if onset is None else pytest.approx(onset))


def slow_f1(pairs: list[tuple[str, str]], overlap: float, background: str) -> float:
    """Frame sets instead of borders."""
    hits = false = missed = 0
    for truth, said in pairs:
        true, claimed = runs(truth, background), runs(said, background)
        used: set[int] = set()
        for label, frames in claimed:
            shares = []
            for other, theirs in true:
                span = set(range(min(frames | theirs), max(frames | theirs) + 1))
                shares.append(len(frames & theirs) / len(span) if other == label else 0.0)
            best = shares.index(max(shares)) if shares else None
            if best is not None and shares[best] >= overlap and best not in used:
                used.add(best)
                hits += 1
            else:
                false += 1
        missed += len(true) - len(used)
    if hits == false == missed == 0:
        return 100
    precision = hits / (hits + false) if hits + false else 0
    recall = hits / (hits + missed) if hits + missed else 0
    return 100 * 2 * precision * recall / (precision + recall) if precision + recall else 0


def runs(labels: str, background: str) -> list[tuple[str, set[int]]]:
    found: list[tuple[str, set[int]]] = []
    for index, label in enumerate(labels):
        if found and found[-1][0] == label and index - 1 in found[-1][1]:
            found[-1][1].add(index)
        else:
            found.append((label, {index}))
    return [run for run in found if run[0] not in background]


def collapsed(labels: str, background: str) -> str:
    return "".join(label for label, _ in runs(labels, background))


def slow_distance(left: str, right: str) -> int:
    known: dict[tuple[int, int], int] = {}

    def distance(i: int, j: int) -> int:
        if min(i, j) == 0:
            return max(i, j)
        if (i, j) not in known:
            replaced = distance(i - 1, j - 1) + (left[i - 1] != right[j - 1])
            known[i, j] = min(replaced, distance(i - 1, j) + 1, distance(i, j - 1) + 1)
        return known[i, j]

    return distance(len(left), len(right))


def test_clips_are_pooled_for_accuracy_and_f1_and_averaged_for_edit() -> None:
    clips = [clip("1111", "1111"), clip("12", "21")]
    measured = temporal_measures(clips, "12")
    assert measured.frame_accuracy == pytest.approx(100 * 4 / 6)
    assert measured.edit == pytest.approx((100 + 0) / 2)
    assert measured.over_segmentation == 1.0
    assert measured.confusion == ((4, 1), (1, 0))
    assert measured.macro_f1 == pytest.approx(100 * (2 * 4 / 10 + 0) / 2)


def test_a_label_without_a_place_is_refused_and_so_are_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="without a place in the matrix: 9"):
        temporal_measures([clip("19", "11")], "01")
    with pytest.raises(ValueError, match="c: 2 true labels and 1 predicted"):
        clip("11", "1")


def test_seconds_and_back() -> None:
    segments = timed(segments_of("0011100"), frames_per_second=10, background="0")
    assert segments == (TimedSegment("1", 0.2, 0.5),)
    assert labels_at(segments, [0.1, 0.2, 0.4, 0.5], background="0") == ["0", "1", "1", "0"]
    with pytest.raises(ValueError, match="no rate"):
        timed([], frames_per_second=0, background="0")


def test_of_overlapping_segments_the_later_start_wins() -> None:
    two = [TimedSegment("b", 1, 3), TimedSegment("a", 0, 2)]
    assert labels_at(two, [0.5, 1.5, 2.5], background="0") == ["a", "b", "b"]


@given(LABELS, st.integers(1, 6))
def test_no_short_run_stays_and_the_frames_do(labels: str, shortest: int) -> None:
    merged = merge_short(segments_of(labels), shortest)
    assert sum(s.frames for s in merged) == len(labels)
    assert all(a.label != b.label and a.end == b.start for a, b in pairwise(merged))
    assert len(merged) <= 1 or all(s.frames >= shortest for s in merged)


def test_a_flicker_goes_to_its_longer_neighbour() -> None:
    assert merge_short(segments_of("1111" + "2" + "33"), 2) == (FrameSegment("1", 0, 5), FrameSegment("3", 5, 7))
    assert merge_short(segments_of("1111" + "2" + "1111"), 2) == (FrameSegment("1", 0, 9),)


@given(st.integers(0, 12), st.integers(0, 7))
def test_smoothing_is_a_centred_mean(frames: int, window: int) -> None:
    values = np.random.default_rng(frames).random((frames, 3))
    expected = [
        values[max(0, t - window // 2) : min(frames, t + (window + 1) // 2)].mean(axis=0) if window > 1 else values[t]
        for t in range(frames)
    ]
    assert np.allclose(smooth(values, window), np.array(expected).reshape(frames, 3))
    assert math.isclose(smooth(values, window).sum(initial=0), np.sum(expected), abs_tol=1e-9)
