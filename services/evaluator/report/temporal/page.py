"""The page about a clip model."""

from collections.abc import Mapping, Sequence
from typing import Literal

from libs.vision.procedures import Code, Outcome
from services.evaluator.domain.ratios import Rate
from services.evaluator.domain.unseen import unseen_words
from services.evaluator.domain.words import Words
from services.evaluator.report import html
from services.evaluator.report.charts import heat_map
from services.evaluator.report.temporal.bars import bars, colours, ticks
from services.evaluator.report.temporal.content import TemporalReport
from services.evaluator.report.temporal.gallery import FilmedClip
from services.evaluator.report.temporal.sentences import conclusions, signed_points

PER_CENT_NAMES = {
    "frame_accuracy": Words("Right frames", "帧准确率"),
    "macro_f1": Words("Macro F1", "宏平均 F1"),
    "edit": Words("Edit", "编辑得分"),
    "f1_10": Words("F1@10", "F1@10"),
    "f1_25": Words("F1@25", "F1@25"),
    "f1_50": Words("F1@50", "F1@50"),
}
SHARE_NAMES = {
    "sensitivity": Words("Catches what is not compliant (sensitivity)", "发现不合规（灵敏度）"),
    "specificity": Words("Spares what is compliant (specificity)", "不误判合规（特异度）"),
}
COMPARISON_HINT = Words(
    "Both models saw the same clips; differences are in percentage points. The likely range is where the difference lies in"
    " 95 % of redrawn clip sets; a range across zero may be chance.",
    "两个模型使用相同的视频片段，差异以百分点表示。置信区间为重复抽样中 95 % 的差异范围；若区间跨过零，差异可能是偶然。",
)
OUTCOME_WORDS: Mapping[Outcome, Words] = {
    "compliant": Words("compliant", "合规"),
    "non_compliant": Words("not compliant", "不合规"),
    "undetermined": Words("can't be judged", "无法判断"),
}
CODE_WORDS: Mapping[Code, Words] = {
    "missing": Words("a step is missing", "缺少步骤"),
    "too_short": Words("a step is too short", "步骤时间不足"),
    "order": Words("steps in the wrong order", "步骤顺序错误"),
    "repeated": Words("a step is repeated", "步骤重复"),
    "total_too_short": Words("too short in all", "总时长不足"),
}


def render(report: TemporalReport, pictures: Sequence[FilmedClip], *, first: Literal["en", "zh"]) -> str:
    """The page; `first` is the language it shows until the reader chooses the other."""
    titles = titles_of(report)
    known = [titles[label] for label in report.strict.labels]
    more = {
        "titles": titles,
        "comparison": _comparison(report),
        "comparison_hint": COMPARISON_HINT,
        "cells": heat_map(report.strict.confusion),
        "heat_titles": known,
        "unseen": [unseen_words(each, titles) for each in report.unseen],
        "outcomes": OUTCOME_WORDS,
        "codes": CODE_WORDS,
        "colours": colours(report.strict.labels, report.protocol.background),
        "pictures": pictures,
        "bars": bars,
        "ticks": ticks,
        "of_hundred": of_hundred,
        "likely": likely,
        "signed_points": points_or_dash,
    }
    return html.render("temporal.html", report, first=first, conclusions=conclusions(report), more=more)


def titles_of(report: TemporalReport) -> dict[str, Words]:
    """What people call every label and every step of the procedure; its own name where nobody says."""
    names = {label: Words(label, label) for label in (*report.strict.labels, *report.per_class)}
    steps = {s.name: Words(s.titles.get("en", s.name), s.titles.get("zh", s.name)) for s in report.procedure.steps}
    return {**names, **steps, **report.class_titles}


def of_hundred(value: float | None) -> str:
    """A metric that is per cent already: 78.3, or a dash."""
    return html.ABSENT if value is None else f"{value:.1f}"


def likely(rate: Rate) -> str:
    """Where a share likely lies: 61–94 %, or nothing."""
    return "" if rate.low is None or rate.high is None else f"{100 * rate.low:.0f}–{100 * rate.high:.0f} %"


def points_or_dash(value: float | None) -> str:
    """A difference of percentages: +3.1, or a dash."""
    return html.ABSENT if value is None else signed_points(value)


def _comparison(report: TemporalReport) -> tuple[html.ComparedRow, ...]:
    return (
        *html.compared_rows(
            PER_CENT_NAMES, report.metrics, report.champion, show=of_hundred, show_change=points_or_dash
        ),
        *html.compared_rows(SHARE_NAMES, report.metrics, report.champion, show=html.percent, show_change=html.points),
    )
