"""Rules of a gate that can't mean what they say for clips: they must not let a model pass by mistake."""

from collections.abc import Iterator

from services.evaluator.domain.gate import Rules
from services.evaluator.domain.words import Words

PER_CENT = ("frame_accuracy", "frame_accuracy_collar", "macro_f1", "macro_f1_collar", "edit", "f1_10", "f1_25", "f1_50")
"""Published in per cent everywhere, so also here; all other shares are 0..1."""
LOWER_IS_BETTER = ("over_segmentation", "order_errors", "undetermined", "seconds_error", "onset_error")


def odd_rules(rules: Rules) -> tuple[Words, ...]:
    """Failures that say which rule to change: a percentage given as a share, or a floor for what should be low."""
    return (*_shares(rules), *_floors(rules))


def _shares(rules: Rules) -> Iterator[Words]:
    for metric, floor in rules.minimum.items():
        if metric in PER_CENT and 0 < floor <= 1:
            yield Words(
                en=f"the minimum {floor:g} of {metric} is no rule: {metric} is per cent, write {100 * floor:g}",
                zh=f"{metric} 的下限 {floor:g} 无效：{metric} 以百分数表示，应写作 {100 * floor:g}",
            )


def _floors(rules: Rules) -> Iterator[Words]:
    named = {*rules.minimum, *rules.maximum_drop, *(name for each in rules.per_class_minimum.values() for name in each)}
    for metric in sorted(named & set(LOWER_IS_BETTER)):
        yield Words(
            en=f"{metric} is better the lower it is: a minimum or maximum_drop of it is no rule",
            zh=f"{metric} 越低越好：不能为它设置下限或最大降幅",
        )
