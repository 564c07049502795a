"""Steps a model cannot see: it finds less of their time than it misses, or nobody can tell."""

from collections.abc import Mapping
from dataclasses import dataclass

from libs.vision.temporal_metrics import TemporalMeasures
from services.evaluator.domain.words import Words

UNSEEN_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class UnseenStep:
    """`recall` None: no clip shows the step. `taken_for` is what the model mostly says instead, in `share` of its time."""

    label: str
    recall: float | None
    taken_for: str | None
    share: float | None


def unseen_steps(measures: TemporalMeasures, below: float = UNSEEN_BELOW) -> tuple[UnseenStep, ...]:
    """The steps with less than `below` of their time found, worst first; those that no clip shows come last."""
    blind = [_unseen(measures, label) for label, step in measures.steps.items() if (step.recall or 0.0) < below]
    return tuple(sorted(blind, key=lambda each: (each.recall is None, each.recall or 0.0)))


def _unseen(measures: TemporalMeasures, label: str) -> UnseenStep:
    recall = measures.steps[label].recall
    if recall is None:
        return UnseenStep(label, None, None, None)
    row = measures.confusion[measures.labels.index(label)]
    others = {name: count for name, count in zip(measures.labels, row, strict=True) if name != label}
    taken_for = max(others, key=lambda name: others[name])
    return UnseenStep(label, recall, taken_for, others[taken_for] / sum(row))


def unseen_words(step: UnseenStep, titles: Mapping[str, Words]) -> Words:
    """The finding in a sentence."""
    name = titles[step.label]
    if step.recall is None or step.taken_for is None or step.share is None:
        return Words(
            en=f"{name.en}: no clip of this split shows it, so nobody can say whether the model sees it.",
            zh=f"{name.zh}：该划分中没有视频片段包含此步骤，无法判断模型能否识别。",
        )
    found, other, share = round(100 * step.recall), titles[step.taken_for], round(100 * step.share)
    return Words(
        en=f"{name.en}: it finds {found} % of its time; {share} % is taken for: {other.en}.",
        zh=f"{name.zh}：只识别出其 {found} % 的时间；{share} % 被当成“{other.zh}”。",
    )
