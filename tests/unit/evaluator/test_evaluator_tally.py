"""Redrawn clips: the fast count equals judging the drawn clips as they are; and what is said of steps nobody sees."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.temporal_metrics import LabelledClip, temporal_measures
from services.evaluator.domain.bootstrap import Interval, difference_interval, drawn_weights
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.temporal_rules import odd_rules
from services.evaluator.domain.temporal_tally import temporal_tally
from services.evaluator.domain.unseen import unseen_steps, unseen_words
from services.evaluator.domain.words import Words
from services.evaluator.report.temporal.bars import bars, colours, ticks
from services.evaluator.report.temporal.content import ReportedSegment

LABELS = ("other", "a", "b", "c")
TITLES = {label: Words(label.upper(), f"步骤{label}") for label in LABELS}
CLIPS = st.lists(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), max_size=20), min_size=1, max_size=6
)


def labelled(pairs: Sequence[tuple[str, str]], number: int = 0) -> LabelledClip:
    return LabelledClip(str(number), [truth for truth, _ in pairs], [said for _, said in pairs], 2.0)


def clip(truth: str, said: str) -> LabelledClip:
    letters = dict(zip(".abc", LABELS, strict=True))
    return labelled([(letters[t], letters[s]) for t, s in zip(truth, said, strict=True)])


@given(CLIPS, st.integers(0, 99))
def test_a_replicate_equals_judging_the_drawn_clips_as_they_are(drawn: list[list[tuple[str, str]]], seed: int) -> None:
    clips = [labelled(pairs, number) for number, pairs in enumerate(drawn)]
    tally = temporal_tally(clips, LABELS, "other", {})
    weights = drawn_weights(len(clips), seed=seed, replicates=3)
    for row, counts in enumerate(weights.astype(int)):
        copies = [each for each, count in zip(clips, counts, strict=True) for _ in range(count)]
        slow = temporal_measures(copies, LABELS, background={"other"})
        expected = {
            "frame_accuracy": slow.frame_accuracy,
            "macro_f1": slow.macro_f1,
            "edit": slow.edit,
            "f1_10": slow.f1[0.1],
            "f1_25": slow.f1[0.25],
            "f1_50": slow.f1[0.5],
        }
        found = {name: tally.replicates(name, weights)[row] for name in expected}
        assert found == pytest.approx(expected)


def test_models_that_say_the_same_differ_by_nothing_and_a_better_one_by_more() -> None:
    truth = ["..aaabbb..", ".aabbbccc.", "aaaa.bbbbb", ".cccaaabb.", "bbb...aaaa"]
    good = [clip(each, each) for each in truth]
    worse = [clip(each, each.replace("b", "c")) for each in truth]
    weights = drawn_weights(5, seed=7)
    ours, theirs = (temporal_tally(clips, LABELS, "other", {}).replicates("f1_50", weights) for clips in (good, worse))
    assert difference_interval(ours, ours) == Interval(0.0, 0.0)
    better = difference_interval(ours, theirs)
    assert better is not None
    assert 0 < better.low <= better.high <= 100
    assert np.isfinite(theirs).all()


def test_a_step_that_is_not_seen_is_named_with_what_it_is_taken_for() -> None:
    measures = temporal_measures([clip("aaaabbbb..", "aaaabcccc.")], LABELS, background={"other"})
    found = unseen_steps(measures)
    assert [(each.label, each.recall, each.taken_for, each.share) for each in found] == [
        ("b", 0.25, "c", 0.75),
        ("c", None, None, None),
    ]
    assert unseen_words(found[0], TITLES).en == "B: it finds 25 % of its time; 75 % is taken for: C."
    assert unseen_words(found[0], TITLES).zh == "步骤b：只识别出其 25 % 的时间；75 % 被当成“步骤c”。"
    assert "no clip of this split shows it" in unseen_words(found[1], TITLES).en


def test_half_of_the_time_is_seen_enough() -> None:
    assert unseen_steps(temporal_measures([clip("aabbcc", "a.bbcc")], LABELS, background={"other"})) == ()


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(minimum={"edit": 0.7}), "the minimum 0.7 of edit is no rule: edit is per cent, write 70"),
        (Rules(minimum={"f1_10": 1}), "the minimum 1 of f1_10 is no rule: f1_10 is per cent, write 100"),
        (
            Rules(minimum={"over_segmentation": 2}),
            "over_segmentation is better the lower it is: a minimum or maximum_drop of it is no rule",
        ),
        (
            Rules(per_class_minimum={"a": {"onset_error": 2}}),
            "onset_error is better the lower it is: a minimum or maximum_drop of it is no rule",
        ),
        (
            Rules(maximum_drop={"order_errors": 2}),
            "order_errors is better the lower it is: a minimum or maximum_drop of it is no rule",
        ),
    ],
)
def test_rules_that_cannot_mean_what_they_say_are_told(rules: Rules, reason: str) -> None:
    assert [each.en for each in odd_rules(rules)] == [reason]


def test_rules_that_mean_what_they_say_are_none_of_that() -> None:
    rules = Rules(
        minimum={"edit": 70, "f1_50": 0, "sensitivity": 0.9},
        per_class_minimum={"a": {"step_recall": 0.5}},
        maximum_drop={"f1_50": 1.0},
    )
    assert odd_rules(rules) == ()


def test_bars_lie_where_their_segments_are_and_inside_the_clip() -> None:
    segments = [ReportedSegment(*each, None) for each in [("a", -1.0, 2.0), ("b", 4.0, 30.0), ("x", 2.0, 3.0)]]
    found = bars(segments, 20.0, dict.fromkeys(LABELS, "#000000"))
    assert [(bar.label, bar.x, bar.width) for bar in found] == [("a", 0.0, 100.0), ("b", 200.0, 800.0)]
    assert bars(segments, 0.0, dict.fromkeys(LABELS, "#000000")) == ()


@pytest.mark.parametrize(
    ("seconds", "texts"), [(4.5, ["0 s", "1 s", "2 s", "3 s", "4 s"]), (45.0, ["0 s", "5 s"]), (0.0, [])]
)
def test_times_are_marked_at_whole_seconds(seconds: float, texts: list[str]) -> None:
    found = [tick.text for tick in ticks(seconds)]
    assert found[: len(texts)] == texts
    assert len(found) <= 11


def test_every_step_has_a_colour_of_its_own_and_the_background_is_grey() -> None:
    labels = [f"step{number}" for number in range(20)]
    found = colours(["other", *labels], "other")
    assert found["other"] == "#dfe5ec"
    assert len(set(found.values())) == 21
