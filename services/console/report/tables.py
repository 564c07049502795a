"""The compliance report as CSV that any spreadsheet opens right: Chinese stays Chinese, and no cell becomes a formula."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from libs.common.workflows import Title
from services.console.domain.compliance import ComplianceReport, Figures
from services.console.report.words import COLUMNS, VERDICTS

Language = Literal["en", "zh"]
Cell = str | int | float | None
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of its own country."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
LONGEST_CELL = 32_000
"""A cell of Excel ends at 32,767 characters."""


def shifts_csv(report: ComplianceReport, titles: Mapping[str, Title], language: Language) -> bytes:
    """A row for each camera, shift and day: counts, rate, missing steps, the model with its measured error, the clips."""
    names = [COLUMNS[name] for name in ("day", "shift", "camera")]
    head = [_in(each, language) for each in names] + _figure_names(report.steps, titles, language)
    rows = [
        [
            row.day.isoformat(),
            _in(report.plan.shifts[row.shift].title, language),
            row.camera_id,
            *_figures(row.figures, report.steps),
        ]
        for row in report.rows
    ]
    return _table([head, *rows])


def washes_csv(report: ComplianceReport, titles: Mapping[str, Title], language: Language) -> bytes:
    """A row for each wash that was counted."""
    columns = ("clip", "camera", "moment", "day", "shift", "verdict", "seconds", "missing", "model")
    rows: list[list[Cell]] = [[_in(COLUMNS[name], language) for name in columns]]
    for wash in report.washes:
        day, shift = report.plan.place(wash.captured_at)
        local = wash.captured_at.astimezone(report.plan.zone)
        rows.append(
            [
                wash.clip_id,
                wash.camera_id,
                local.isoformat(sep=" ", timespec="seconds"),
                day.isoformat(),
                _in(report.plan.shifts[shift].title, language),
                _in(VERDICTS[wash.verdict], language),
                round(wash.seconds, 1),
                "; ".join(_in(titles.get(step, Title(en=step, zh=step)), language) for step in wash.missing_steps),
                wash.model.reference,
            ]
        )
    return _table(rows)


def _figure_names(steps: Sequence[str], titles: Mapping[str, Title], language: Language) -> list[str]:
    counted = ("washes", "compliant", "non_compliant", "undetermined", "rate", "median_seconds")
    told = ("model", "sensitivity", "specificity", "clips_compliant", "clips_non_compliant", "clips_undetermined")
    missing = _in(COLUMNS["missing"], language)
    names = [f"{missing}: {_in(titles.get(step, Title(en=step, zh=step)), language)}" for step in steps]
    return [_in(COLUMNS[each], language) for each in counted] + names + [_in(COLUMNS[each], language) for each in told]


def _figures(figures: Figures, steps: Sequence[str]) -> list[Cell]:
    return [
        figures.washes,
        len(figures.compliant),
        len(figures.non_compliant),
        len(figures.undetermined),
        _rounded(figures.rate, 4),
        _rounded(figures.median_seconds, 1),
        *(len(figures.missing.get(step, ())) for step in steps),
        figures.model.reference,
        _rounded(figures.model.sensitivity, 4),
        _rounded(figures.model.specificity, 4),
        *(_listed(clips) for clips in (figures.compliant, figures.non_compliant, figures.undetermined)),
    ]


def _listed(clips: Sequence[str]) -> str:
    """The ids, as many as a cell holds; the table of washes has them all."""
    kept, length = list[str](), 0
    for clip in clips:
        length += len(clip) + 1
        if length > LONGEST_CELL:
            return " ".join([*kept, f"... +{len(clips) - len(kept)}"])
        kept.append(clip)
    return " ".join(kept)


def _table(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return (BYTE_ORDER_MARK + text.getvalue()).encode()


def _harmless(cell: Cell) -> Cell:
    """Text that a spreadsheet would take for a formula, shown as the text it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _in(title: Title, language: Language) -> str:
    return title.en if language == "en" else title.zh
