"""When a wash is whole: every rule, alone and together, and its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.procedures import Procedure, ProcedureStep, in_words, judge
from libs.vision.segments import TimedSegment

PALM = ProcedureStep("palm", {"en": "Palm to palm", "zh": "掌心相对"}, minimum_seconds=2, order=1)
BACK = ProcedureStep(
    "back",
    {"en": "Back of hands", "zh": "手背"},
    minimum_seconds=2,
    order=2,
    labels=("back_l", "back_r"),
    each_side=True,
)
THUMB = ProcedureStep(
    "thumb", {"en": "Thumbs", "zh": "拇指"}, minimum_seconds=2, order=3, labels=("thumb_l", "thumb_r")
)
DRY = ProcedureStep("dry", required=False)
WASH = Procedure((PALM, BACK, THUMB, DRY), minimum_seconds=10, ordered=True)


def segments(*parts: tuple[str, float]) -> list[TimedSegment]:
    """One after the other, each with its seconds."""
    at, made = 0.0, []
    for step, seconds in parts:
        made.append(TimedSegment(step, at, at + seconds))
        at += seconds
    return made


WHOLE = (("palm", 3.0), ("back_l", 3.0), ("back_r", 3.0), ("other", 9.0), ("thumb_l", 3.0))


def codes(verdict) -> list[tuple[str, str | None]]:
    return [(reason.code, reason.step) for reason in verdict.reasons]


def test_a_whole_wash_is_compliant() -> None:
    verdict = judge(segments(*WHOLE), WASH)
    assert (verdict.outcome, verdict.missing, verdict.reasons) == ("compliant", (), ())
    assert verdict.seconds == {"palm": 3, "back_l": 3, "back_r": 3, "thumb_l": 3}
    assert verdict.total == 12


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (WHOLE[1:], [("missing", "palm"), ("total_too_short", None)]),
        ((("palm", 8.0), *WHOLE[1:2], *WHOLE[3:]), [("missing", "back_r")]),
        ((("palm", 1.5), ("back_l", 3.0), ("back_r", 3.0), ("thumb_r", 3.0)), [("too_short", "palm")]),
        ((*WHOLE[1:3], ("palm", 3.0), ("thumb_l", 3.0)), [("order", "back")]),
        ((("thumb_l", 3.0), *WHOLE[:3]), [("order", "thumb")]),
        (
            (("palm", 2.0), ("back_l", 2.0), ("back_r", 2.0), ("thumb_l", 1.0), ("thumb_r", 1.0)),
            [("total_too_short", None)],
        ),
        ((), [("missing", "palm"), ("missing", "back_l"), ("missing", "back_r"), ("missing", "thumb"),
              ("total_too_short", None)]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(parts, expected) -> None:
    verdict = judge(segments(*parts), WASH)
    assert verdict.outcome == "non_compliant"
    assert codes(verdict) == expected
    assert verdict.missing == tuple(step for code, step in expected if code in ("missing", "too_short"))


def test_a_step_in_two_pieces_counts_together_and_overlaps_once() -> None:
    pieces = [TimedSegment("palm", 0, 1.5), TimedSegment("palm", 1, 2), TimedSegment("palm", 5, 6)]
    assert judge(pieces, Procedure((PALM,))).seconds == {"palm": 3.0}


@pytest.mark.parametrize("start", [0.0, 3.35, 7.2, 1234.7])
def test_a_step_that_lasts_just_long_enough_is_there_wherever_it_begins(start: float) -> None:
    wash = Procedure((ProcedureStep("palm", minimum_seconds=1),), minimum_seconds=1)
    exact, short = (judge([TimedSegment("palm", start, start + length)], wash) for length in (1.0, 0.999))
    assert exact.outcome == "compliant"
    assert codes(short) == [("too_short", "palm"), ("total_too_short", None)]


def test_repeats_are_wrong_only_where_they_are_not_allowed() -> None:
    again = segments(("palm", 3), ("thumb_l", 3), ("palm", 3))
    assert judge(again, Procedure((PALM, THUMB))).outcome == "compliant"
    assert codes(judge(again, Procedure((PALM, THUMB), repeats_allowed=False))) == [("repeated", "palm")]
    sides = segments(("palm", 3), ("thumb_l", 3), ("thumb_r", 3))
    assert judge(sides, Procedure((PALM, THUMB), repeats_allowed=False)).outcome == "compliant"


def test_hands_out_of_sight_are_undetermined_never_non_compliant() -> None:
    verdict = judge([], WASH, visible_share=0.3)
    assert verdict.outcome == "undetermined"
    assert verdict.reasons[0].code == "hands_not_visible"
    assert in_words(verdict.reasons[0], WASH, "en").startswith("hands were visible for 30 % of the time")


def test_steps_of_one_place_may_come_in_any_order() -> None:
    one, other = ProcedureStep("a", order=1), ProcedureStep("b", order=1)
    assert judge(segments(("b", 2), ("a", 2)), Procedure((one, other), ordered=True)).outcome == "compliant"


def test_reasons_in_words_of_both_languages() -> None:
    verdict = judge(segments(("back_l", 3.0), ("back_r", 3.0), ("palm", 1.0)), WASH)
    english = [in_words(reason, WASH, "en") for reason in verdict.reasons]
    assert english == [
        "Palm to palm took 1.0 s, at least 2.0 s are needed",
        "Thumbs is missing",
        "Back of hands came before Palm to palm",
        "7.0 s in all, at least 10.0 s are needed",
    ]
    chinese = [in_words(reason, WASH, "zh") for reason in verdict.reasons]
    assert chinese[0] == "掌心相对只有 1.0 秒，至少需要 2.0 秒"
    assert chinese[1] == "缺少步骤：拇指"


def test_a_label_shows_one_step_only() -> None:
    with pytest.raises(ValueError, match="labels that show more than one step: palm"):
        Procedure((PALM, ProcedureStep("other", labels=("palm",))))


@given(st.lists(st.tuples(st.sampled_from(["palm", "back_l", "back_r", "thumb_l", "dry", "other"]), st.floats(0.1, 5))))
def test_compliant_means_that_no_rule_is_broken(parts) -> None:
    verdict = judge(segments(*parts), WASH)
    lasted = {name: sum(s for step, s in parts if step == name) for name in ("palm", "back_l", "back_r", "thumb_l")}
    firsts = [step.split("_")[0] for step, _ in parts if step not in ("dry", "other")]
    order = [firsts.index(name) for name in ("palm", "back", "thumb") if name in firsts]
    total = sum(s for step, s in parts if step != "other")
    tight = min(abs(v - 2) for v in lasted.values()) < 1e-6 or abs(total - 10) < 1e-6
    expected = all(v >= 2 for v in lasted.values()) and total >= 10 and order == sorted(order)
    assert tight or (verdict.outcome == "compliant") == expected
