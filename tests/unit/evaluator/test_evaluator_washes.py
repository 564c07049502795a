"""Verdicts of clips, and how often a model's agree with those of people: worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.procedures import Procedure, ProcedureStep, Reason
from libs.vision.segments import TimedSegment
from services.evaluator.domain.bootstrap import drawn_weights
from services.evaluator.domain.compliance import (
    WashPair,
    compliance_measures,
    compliance_ratios,
    impossible_parts,
    required_parts,
)
from services.evaluator.domain.ratios import Rate
from services.evaluator.domain.washes import JudgedWash, judged_wash, reason_values

PROCEDURE = Procedure(
    steps=(
        ProcedureStep("palms", minimum_seconds=3.0, order=1),
        ProcedureStep("thumb", minimum_seconds=1.0, order=2, labels=("thumb_left", "thumb_right"), each_side=True),
        ProcedureStep("soap", required=False),
    ),
    minimum_seconds=6.0,
    ordered=True,
    minimum_visible=0.6,
)
WHOLE = (TimedSegment("palms", 0, 4), TimedSegment("thumb_left", 4, 5.5), TimedSegment("thumb_right", 6, 7.5))


def test_a_whole_wash_is_compliant_and_says_its_seconds() -> None:
    found = judged_wash(WHOLE, PROCEDURE, visible_share=0.6)
    assert (found.verdict, found.total_seconds, found.missing_steps, found.reasons) == ("compliant", 7.0, (), ())
    assert found.seconds == {"palms": 4.0, "thumb_left": 1.5, "thumb_right": 1.5}
    assert found.segments == WHOLE


def test_what_is_missing_and_why_is_said_step_by_step() -> None:
    segments = (TimedSegment("thumb_left", 0, 0.5), TimedSegment("palms", 1, 4), TimedSegment("other", 4, 9))
    found = judged_wash(segments, PROCEDURE, visible_share=1.0)
    assert found.verdict == "non_compliant"
    assert found.missing_steps == ("thumb_left", "thumb_right")
    assert [reason_values(each) for each in found.reasons] == [
        {"code": "too_short", "step": "thumb_left", "seconds": 0.5, "needed": 1.0},
        {"code": "missing", "step": "thumb_right"},
        {"code": "order", "step": "thumb", "other": "palms"},
        {"code": "total_too_short", "seconds": 3.5, "needed": 6.0},
    ]


@pytest.mark.parametrize("segments", [(), WHOLE[:1], WHOLE])
def test_hands_out_of_sight_are_undetermined_whatever_was_seen(segments: tuple[TimedSegment, ...]) -> None:
    found = judged_wash(segments, PROCEDURE, visible_share=0.5999)
    assert found.verdict == "undetermined"
    assert found.missing_steps == (), "what was not in sight is not missing"
    assert [reason_values(each) for each in found.reasons] == [
        {"code": "hands_not_visible", "seconds": pytest.approx(59.99), "needed": 60.0}
    ]


def test_a_clip_without_any_step_is_not_compliant_if_the_hands_were_seen() -> None:
    found = judged_wash((), PROCEDURE, visible_share=1.0)
    assert (found.verdict, found.total_seconds) == ("non_compliant", 0)
    assert found.missing_steps == ("palms", "thumb_left", "thumb_right")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"no share of 0\.\.1"):
        judged_wash(WHOLE, PROCEDURE, visible_share=share)


@given(
    st.lists(
        st.tuples(st.sampled_from(["palms", "thumb_left", "other"]), st.floats(0, 50), st.floats(0, 20)), max_size=8
    ),
    st.floats(0, 1),
)
def test_non_compliant_is_never_said_of_hands_that_were_not_seen(
    drawn: list[tuple[str, float, float]], visible: float
) -> None:
    segments = [TimedSegment(step, start, start + length) for step, start, length in drawn]
    found = judged_wash(segments, PROCEDURE, visible_share=visible)
    assert (found.verdict == "undetermined") == (visible < PROCEDURE.minimum_visible)
    assert bool(found.missing_steps) <= (found.verdict == "non_compliant")


def test_optional_steps_cannot_be_missing_and_sides_can_one_by_one() -> None:
    assert required_parts(PROCEDURE.steps) == ("palms", "thumb_left", "thumb_right")


def test_a_part_without_a_known_label_is_impossible_and_one_of_two_sides_is_enough_if_either_will_do() -> None:
    either = ProcedureStep("thumb", labels=("thumb_left", "thumb_right"))
    known = ("other", "palms", "thumb_left")
    assert impossible_parts(PROCEDURE.steps, known) == ("thumb_right",), "soap is optional"
    assert impossible_parts([either], known) == ()
    assert impossible_parts([either], ("other",)) == ("thumb",)


def wash(verdict: str, *missing: str, order: bool = False) -> JudgedWash:
    reasons = tuple(Reason("missing", each) for each in missing) + ((Reason("order", "thumb", "palms"),) * order)
    return JudgedWash((), {}, 0.0, verdict, missing, reasons)  # pyright: ignore[reportArgumentType]


GOOD, HIDDEN = wash("compliant"), wash("undetermined")


def bad(*missing: str, order: bool = False) -> JudgedWash:
    return wash("non_compliant", *missing, order=order)


PAIRS = (
    WashPair(GOOD, GOOD),
    WashPair(GOOD, bad("palms")),
    WashPair(bad("palms"), bad("palms", "thumb_left")),
    WashPair(bad("palms", order=True), bad(order=True)),
    WashPair(bad(order=True), GOOD),
    WashPair(bad("palms"), HIDDEN),
    WashPair(GOOD, HIDDEN),
)


def test_verdicts_are_counted_as_by_hand() -> None:
    found = compliance_measures(PAIRS, PROCEDURE)
    assert (found.clips, found.undetermined) == (7, 2)
    assert found.sensitivity == Rate(2, 3, 2 / 3)
    assert found.specificity == Rate(1, 2, 1 / 2)
    assert found.rate == Rate(2, 5, 2 / 5)
    assert found.true_rate == Rate(2, 5, 2 / 5)
    assert found.outcomes["non_compliant"] == {"compliant": 1, "non_compliant": 2, "undetermined": 1}
    assert found.outcomes["compliant"] == {"compliant": 1, "non_compliant": 1, "undetermined": 1}
    palms = found.steps["palms"]
    assert (palms.true, palms.said) == (2, 2), "the clip nobody could judge does not count"
    assert (palms.precision, palms.recall) == (Rate(1, 2, 0.5), Rate(1, 2, 0.5))
    assert found.steps["thumb_left"].precision == Rate(0, 1, 0.0)
    assert found.steps["thumb_left"].recall == Rate(0, 0, None)
    order = found.reasons["order"]
    assert (order.true, order.said, order.both) == (2, 1, 1)
    assert "hands_not_visible" not in found.reasons


def test_intervals_are_repeatable_hold_the_value_and_need_five_clips() -> None:
    pairs = PAIRS * 4
    found = compliance_measures(pairs, PROCEDURE, drawn_weights(len(pairs), seed=1))
    again = compliance_measures(pairs, PROCEDURE, drawn_weights(len(pairs), seed=1))
    assert found == again
    rate = found.sensitivity
    assert rate.among == 12
    assert rate.low is not None
    assert rate.high is not None
    assert 0.3 < rate.low < 2 / 3 < rate.high < 1
    few = compliance_measures(PAIRS, PROCEDURE, drawn_weights(len(PAIRS), seed=1))
    assert few.rate.low is not None
    assert few.sensitivity.low is None, "three clips"


def test_without_any_clip_nothing_is_claimed() -> None:
    found = compliance_measures((), PROCEDURE)
    assert (found.sensitivity, found.rate) == (Rate(0, 0, None), Rate(0, 0, None))


WASHES = st.sampled_from([GOOD, bad("palms"), bad(order=True)])


@given(st.lists(st.tuples(WASHES, st.one_of(WASHES, st.just(HIDDEN))), min_size=1, max_size=15), st.integers(0, 99))
def test_a_redrawn_rate_is_the_rate_of_the_redrawn_clips(drawn: list[tuple[JudgedWash, JudgedWash]], seed: int) -> None:
    pairs = [WashPair(truth, said) for truth, said in drawn]
    weights = drawn_weights(len(pairs), seed=seed, replicates=4)
    ratios = compliance_ratios(pairs)
    for row, counts in enumerate(weights.astype(int)):
        copies = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
        for name, slow in _slowly(copies).items():
            fast = ratios[name].replicates(weights)[row]
            assert np.isnan(fast) if slow is None else fast == pytest.approx(slow)


def _slowly(pairs: Sequence[WashPair]) -> dict[str, float | None]:
    judged = [(p.truth.verdict, p.said.verdict) for p in pairs if p.said.verdict != "undetermined"]
    caught = [said == "non_compliant" for truth, said in judged if truth == "non_compliant"]
    spared = [said == "compliant" for truth, said in judged if truth == "compliant"]
    shares = {"sensitivity": caught, "specificity": spared, "compliance_rate": [s == "compliant" for _, s in judged]}
    return {name: sum(hits) / len(hits) if hits else None for name, hits in shares.items()}
