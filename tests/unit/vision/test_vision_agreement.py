"""Agreement of two people against slow ones written from the definitions, and the majority of several."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.agreement import agreement_of, frame_pairs, majority, segment_pairs
from libs.vision.segments import TimedSegment, labels_at

LABELS = ("other", "palm", "thumb")
both = st.integers(0, 40).flatmap(lambda n: st.tuples(*[st.lists(st.sampled_from(LABELS), min_size=n, max_size=n)] * 2))


def slow_kept(first: list[str], second: list[str], collar: int) -> list[int]:
    changes = [at for one in (first, second) for at in range(1, len(one)) if one[at] != one[at - 1]]
    # The change lies between two frames: those that lie wholly within the collar on either side go.
    return [
        at for at in range(len(first)) if all(at + 0.5 < each - collar or at + 0.5 > each + collar for each in changes)
    ]


@given(both, st.integers(0, 6))
def test_measures_are_those_of_their_definitions(labels: tuple[list[str], list[str]], collar: int) -> None:
    first, second = labels
    kept = slow_kept(first, second, collar)
    found = agreement_of(frame_pairs(first, second, collar=collar))
    assert found.frames == len(kept)
    if not kept:
        assert (found.share, found.kappa, found.steps) == (None, None, {})
        return
    a, b = [first[at] for at in kept], [second[at] for at in kept]
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / len(kept)
    chance = sum(a.count(label) / len(a) * (b.count(label) / len(b)) for label in LABELS)
    assert found.share == pytest.approx(observed)
    if math.isclose(chance, 1):
        assert found.kappa is None
    else:
        assert found.kappa == pytest.approx((observed - chance) / (1 - chance))
    assert set(found.steps) == {*a, *b}
    for label, share in found.steps.items():
        either = [x == y for x, y in zip(a, b, strict=True) if label in (x, y)]
        assert share == pytest.approx(sum(either) / len(either))


def test_the_example_of_the_definition() -> None:
    # 20 + 15 of 50 agreed, 25 and 30 times yes: observed 0.7, by chance 0.5, kappa 0.4.
    found = agreement_of({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})
    assert (found.share, found.kappa) == (pytest.approx(0.7), pytest.approx(0.4))


def test_a_border_that_is_off_by_less_than_the_collar_costs_nothing() -> None:
    one, other = [TimedSegment("palm", 1, 5)], [TimedSegment("palm", 1.4, 5)]
    plain = agreement_of(segment_pairs(one, other, background="other"))
    loose = agreement_of(segment_pairs(one, other, background="other", collar_seconds=0.5))
    assert plain.frames == 125
    assert plain.steps["palm"] == pytest.approx(0.9)
    assert (loose.share, loose.kappa, loose.steps) == (1.0, 1.0, {"other": 1.0, "palm": 1.0})


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1 frames"):
        frame_pairs(["a", "a"], ["a"])


def runs(draw: st.DrawFn) -> list[TimedSegment]:
    borders = sorted(draw(st.sets(st.integers(0, 30), max_size=8)))
    named = [(draw(st.sampled_from(LABELS)), a, b) for a, b in pairwise(borders)]
    return [TimedSegment(label, a / 8, b / 8) for label, a, b in named if label != "other"]


people = st.lists(st.composite(runs)(), min_size=1, max_size=5)


@given(people)
def test_the_majority_of_each_frame(said: list[list[TimedSegment]]) -> None:
    middles = [(frame + 0.5) / 8 for frame in range(32)]
    votes = list(zip(*(labels_at(each, middles, background="other") for each in said), strict=True))
    expected: list[str] = []
    for frame in votes:
        counts = {label: frame.count(label) for label in LABELS}
        first = [label for label in LABELS if counts[label] == max(counts.values())]
        expected.append(first[0] if len(first) == 1 else "other")
    found = majority(said, background="other")
    assert labels_at(found, middles, background="other") == expected
    assert all(a.end < b.start or a.step != b.step for a, b in pairwise(found))


def test_nobody_says_nothing() -> None:
    assert majority([], background="other") == ()
    assert majority([[], []], background="other") == ()
