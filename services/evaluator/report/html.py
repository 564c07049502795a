"""Report.html: one file without scripts or links to other servers, readable for years from any disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, FunctionLoader, StrictUndefined

from services.evaluator.domain.words import Words
from services.evaluator.report.content import ChampionPart, Difference, Report
from services.evaluator.report.sentences import headline, signed_number

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One metric of both models, as it is printed."""

    name: Words
    ours: str
    theirs: str
    change: str
    size: Literal["better", "worse", "same"]
    likely: str


def render(
    template: str,
    report: Report,
    *,
    first: Literal["en", "zh"],
    conclusions: tuple[Words, ...],
    more: Mapping[str, Any],
) -> str:
    """The page of a template that extends `frame.html`; `first` is the language shown until the reader chooses the other.

    `more` is what only this template knows of.
    """
    page = _environment().get_template(template)
    return page.render(report=report, first=first, headline=headline(report), conclusions=conclusions, **more)


def compared_rows(
    names: Mapping[str, Words],
    ours: Mapping[str, float | None],
    champion: ChampionPart | None,
    *,
    show: Callable[[float | None], str],
    show_change: Callable[[float | None], str],
) -> tuple[ComparedRow, ...]:
    """The table of model against champion, in the order of `names`; empty without a champion."""
    if champion is None:
        return ()
    return tuple(
        ComparedRow(
            name=words,
            ours=show(ours[metric]),
            theirs=show(champion.metrics[metric]),
            change=show_change(champion.differences[metric].value),
            size=size_of_difference(champion.differences[metric].value),
            likely=_likely(champion.differences[metric], show_change),
        )
        for metric, words in names.items()
    )


def _likely(difference: Difference, show: Callable[[float | None], str]) -> str:
    return ABSENT if difference.low is None else f"{show(difference.low)} … {show(difference.high)}"


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
