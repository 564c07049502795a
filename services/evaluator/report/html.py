"""Report.html: one file without scripts or links to other servers, readable for years from any disk."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import Literal

from jinja2 import Environment, FunctionLoader, StrictUndefined

from services.evaluator.domain.words import Words
from services.evaluator.report import charts
from services.evaluator.report.content import Report
from services.evaluator.report.pictures import GalleryPicture
from services.evaluator.report.sentences import conclusions, headline, mistake_words, signed_number

ABSENT = "–"
METRIC_NAMES = {
    "map50": Words("mAP50", "mAP50"),
    "map50_95": Words("mAP50-95", "mAP50-95"),
    "precision": Words("Is right (precision)", "正确率（精确率）"),
    "recall": Words("Finds (recall)", "检出率（召回率）"),
    "f1": Words("Both (F1)", "综合（F1）"),
}


def render(report: Report, pictures: Sequence[GalleryPicture], *, first: Literal["en", "zh"]) -> str:
    """The page; `first` is the language it shows until the reader chooses the other."""
    titles = {label: report.class_titles.get(label, Words(label, label)) for label in report.metrics.per_class}
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            first=first,
            headline=headline(report),
            conclusions=conclusions(report),
            titles=titles,
            metric_names=METRIC_NAMES,
            lines=charts.curve_lines(report.metrics),
            cells=charts.heat_map(report.metrics.confusion),
            pictures=pictures,
            mistake_words=partial(mistake_words, titles),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        score=score,
        percent=percent,
        signed=signed,
        points=points,
        moment=moment,
        hours=hours,
        size_of_difference=size_of_difference,
    )
    return environment


def _template(name: str) -> str:
    return (files("services.evaluator.report") / "templates" / name).read_text(encoding="utf-8")


def score(value: float | None) -> str:
    """0.931, or a dash."""
    return ABSENT if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """93 %, or a dash."""
    return ABSENT if value is None else f"{100 * value:.0f} %"


def signed(value: float | None) -> str:
    """+0.031, or a dash."""
    return ABSENT if value is None else signed_number(value)


def points(value: float | None) -> str:
    """A difference of shares in percentage points: +3.1, or a dash."""
    return ABSENT if value is None else f"{100 * value:+.1f}".replace("-", "−")


def size_of_difference(value: float | None) -> Literal["better", "worse", "same"]:
    """How a difference is coloured."""
    if value is None or abs(value) < 0.0005:
        return "same"
    return "better" if value > 0 else "worse"


def moment(value: datetime) -> str:
    """A time as people read it."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def hours(seconds: float) -> str:
    """A duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
