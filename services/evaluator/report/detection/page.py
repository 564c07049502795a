"""The page about a detector."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from services.evaluator.domain.words import Words
from services.evaluator.report import html
from services.evaluator.report.charts import heat_map
from services.evaluator.report.detection.content import DetectionReport
from services.evaluator.report.detection.curves import curve_lines
from services.evaluator.report.detection.pictures import GalleryPicture
from services.evaluator.report.detection.sentences import conclusions, mistake_words

METRIC_NAMES = {
    "map50": Words("mAP50", "mAP50"),
    "map50_95": Words("mAP50-95", "mAP50-95"),
    "precision": Words("Is right (precision)", "正确率（精确率）"),
    "recall": Words("Finds (recall)", "检出率（召回率）"),
    "f1": Words("Both (F1)", "综合（F1）"),
}
COMPARISON_HINT = Words(
    "Both models saw the same pictures. The likely range is where the difference lies in 95 % of redrawn picture sets; a range"
    " across zero may be chance.",
    "两个模型使用相同的图片。置信区间为重复抽样中 95 % 的差异范围；若区间跨过零，差异可能是偶然。",
)


def render(report: DetectionReport, pictures: Sequence[GalleryPicture], *, first: Literal["en", "zh"]) -> str:
    """The page; `first` is the language it shows until the reader chooses the other."""
    titles = {label: report.class_titles.get(label, Words(label, label)) for label in report.metrics.per_class}
    known = [titles[label] for label in report.metrics.confusion.labels[:-1]]
    more = {
        "titles": titles,
        "comparison": html.compared_rows(
            METRIC_NAMES, report.metrics.headline(), report.champion, show=html.score, show_change=html.signed
        ),
        "comparison_hint": COMPARISON_HINT,
        "lines": curve_lines(report.metrics),
        "cells": heat_map(report.metrics.confusion.counts),
        "heat_rows": [*known, Words("nothing there", "实际没有")],
        "heat_columns": [*known, Words("missed", "漏检")],
        "pictures": pictures,
        "mistake_words": partial(mistake_words, titles),
    }
    return html.render("detection.html", report, first=first, conclusions=conclusions(report), more=more)
