"""The gate: which numbers hold a model back, and in what words."""

from dataclasses import fields
from functools import partial

import pytest

from libs.common.workflows import GateRules
from services.evaluator.domain import gate
from services.evaluator.domain.gate import NO_CHAMPION, Numbers, Obstacle, Rival, Rules
from services.evaluator.domain.words import Words, differing

judge = partial(gate.judge, camera_metric="map50")
OBSTACLE = Words("champion hairnet@3 could not be measured: gone", "无法测量")


def numbers(map50: float | None = 0.8, **cameras: float | None) -> Numbers:
    return Numbers(
        overall={"map50": map50, "recall": 0.9},
        per_class={"no_hairnet": {"recall": 0.7, "map50": map50}, "hairnet": {"recall": None}},
        per_camera={camera: {"map50": value} for camera, value in cameras.items()},
    )


def rival(map50: float | None = 0.8, **cameras: float | None) -> Rival:
    return Rival("hairnet@3", numbers(map50, **cameras))


@pytest.mark.parametrize(
    ("rules", "model", "champion", "reason"),
    [
        (Rules(minimum={"map50": 0.5}), numbers(0.41), None, "map50 0.41 is below the minimum 0.50"),
        (Rules(minimum={"map50": 0.5}), numbers(0.4996), None, "map50 0.4996 is below the minimum 0.5000"),
        (
            Rules(minimum={"map50": 0.5}),
            numbers(None),
            None,
            "map50 could not be measured (nothing to judge it by); the minimum is 0.50",
        ),
        (
            Rules(minimum={"accuracy": 0.5}),
            numbers(),
            None,
            "accuracy could not be measured (nothing to judge it by); the minimum is 0.50",
        ),
        (
            Rules(per_class_minimum={"no_hairnet": {"recall": 0.75}}),
            numbers(),
            None,
            "recall of no_hairnet 0.70 is below the minimum 0.75",
        ),
        (
            Rules(per_class_minimum={"hairnet": {"recall": 0.5}}),
            numbers(),
            None,
            "recall of hairnet could not be measured (nothing to judge it by); the minimum is 0.50",
        ),
        (
            Rules(maximum_drop={"map50": 0.05}),
            numbers(0.7),
            rival(0.8),
            "map50 0.700 is 0.10 below the champion hairnet@3 (0.800); 0.05 is allowed",
        ),
        (
            Rules(maximum_drop={"map50": 0.05}),
            numbers(None),
            rival(0.8),
            "map50 could not be measured; the champion hairnet@3 has 0.80",
        ),
        (
            Rules(maximum_camera_drop=0.1),
            numbers(0.9, line_1=0.9, line_2=0.6),
            rival(0.8, line_1=0.85, line_2=0.8),
            "map50 on camera line_2 0.600 is 0.20 below the champion hairnet@3 (0.800); 0.10 is allowed",
        ),
        (
            Rules(maximum_drop={"map50": 0.05}),
            numbers(),
            Rival("hairnet@3", Obstacle(OBSTACLE, blocks=True)),
            OBSTACLE.en,
        ),
        (Rules(maximum_camera_drop=0.1), numbers(), Rival("hairnet@3", Obstacle(OBSTACLE, blocks=True)), OBSTACLE.en),
    ],
)
def test_a_rule_that_is_broken_holds_the_model_back(
    rules: Rules, model: Numbers, champion: Rival | None, reason: str
) -> None:
    verdict = judge(rules, model, champion)
    assert [words.en for words in verdict.failures] == [reason]
    assert not verdict.passed
    assert verdict.reasons[0] == reason


@pytest.mark.parametrize(
    ("rules", "model", "champion"),
    [
        (Rules(), numbers(None), rival(0.9)),
        (Rules(minimum={"map50": 0.8}), numbers(0.8), rival()),
        (Rules(minimum={"map50": 0.3}), numbers(0.1 + 0.2 - 1e-12), rival()),
        (Rules(per_class_minimum={"no_hairnet": {"recall": 0.7}}), numbers(), rival()),
        (Rules(maximum_drop={"map50": 0.1}), numbers(0.7), rival(0.8)),
        (Rules(maximum_drop={"map50": 0.0}), numbers(0.7), rival(None)),
        (Rules(maximum_drop={"precision": 0.0}), numbers(), rival()),
        (Rules(maximum_camera_drop=0.1), numbers(0.8, line_1=0.7), rival(0.8, line_1=0.8)),
        (Rules(maximum_camera_drop=0.1), numbers(0.8, line_9=0.1), rival(0.8, line_9=None)),
        (Rules(maximum_drop={"map50": 0.0}), numbers(), None),
        (Rules(maximum_drop={"map50": 0.0}), numbers(), Rival("hairnet@3", Obstacle(OBSTACLE))),
        (Rules(minimum={"map50": 0.1}), numbers(), Rival("hairnet@3", Obstacle(OBSTACLE, blocks=True))),
    ],
)
def test_a_model_that_keeps_the_rules_passes(rules: Rules, model: Numbers, champion: Rival | None) -> None:
    assert judge(rules, model, champion).failures == ()


def test_all_broken_rules_are_told_and_then_the_notes() -> None:
    note = Words("measured on the validation split: the test split is empty", "测试集为空")
    rules = Rules(minimum={"map50": 0.9, "recall": 0.95})
    verdict = judge(rules, numbers(), None, (note,))
    assert verdict.reasons == (
        "map50 0.80 is below the minimum 0.90",
        "recall 0.90 is below the minimum 0.95",
        note.en,
        NO_CHAMPION.en,
    )


def test_without_a_comparison_the_reason_for_that_is_a_note() -> None:
    assert judge(Rules(), numbers(), None).reasons == (NO_CHAMPION.en,)
    assert judge(Rules(), numbers(), Rival("hairnet@3", Obstacle(OBSTACLE))).reasons == (OBSTACLE.en,)


def test_the_rules_are_those_of_the_workflow_file() -> None:
    assert {field.name for field in fields(Rules)} == set(GateRules.model_fields)
    assert Rules(**GateRules(minimum={"map50": 0.5}).model_dump()).minimum == {"map50": 0.5}


@pytest.mark.parametrize(
    ("value", "limit", "texts"),
    [
        (0.41, 0.5, ("0.41", "0.50")),
        (0.4999, 0.5, ("0.4999", "0.5000")),
        (0.49999999, 0.5, ("0.500000", "0.500000")),
    ],
)
def test_numbers_are_shown_with_the_decimals_that_tell_them_apart(
    value: float, limit: float, texts: tuple[str, str]
) -> None:
    assert differing(value, limit) == texts
