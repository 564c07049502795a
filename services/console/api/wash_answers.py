"""The shapes of answers about washes. A list stands alone in its answer."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel

from libs.common.workflows import Title
from services.console.api.answers import Paged
from services.console.domain.compliance import ComplianceReport, Figures
from services.console.domain.washes import JudgedWash


class WashesAnswer(Paged):
    washes: list[JudgedWash]


class FiguresAnswer(BaseModel):
    """Washes that one model version judged: counts as the ids of their clips, `missing` by step.

    `rate`: compliant ones by those that could be judged. `sensitivity` and `specificity` are the version's own, measured
    when it was evaluated. All three are shares of 0..1, null if nobody knows.
    """

    camera_id: str
    model: str
    sensitivity: float | None
    specificity: float | None
    washes: int
    rate: float | None
    median_seconds: float | None
    compliant: Sequence[str]
    non_compliant: Sequence[str]
    undetermined: Sequence[str]
    missing: Mapping[str, Sequence[str]]


class ShiftFiguresAnswer(FiguresAnswer):
    """Of one camera in one shift of one day."""

    day: date
    shift: Title


class ShiftAnswer(BaseModel):
    """A shift of the plan. `begins`: by the clock of the report's zone, like 06:00."""

    title: Title
    begins: str


class ComplianceAnswer(BaseModel):
    """The report: by camera, and by camera, shift and day, in the order of time. A row for each model version."""

    workflow: str
    zone: str
    shifts: Sequence[ShiftAnswer]
    washes: int
    cameras: Sequence[FiguresAnswer]
    rows: Sequence[ShiftFiguresAnswer]


def compliance_answer(report: ComplianceReport, workflow: str) -> ComplianceAnswer:
    """The report for programs."""
    shifts = report.plan.shifts
    return ComplianceAnswer(
        workflow=workflow,
        zone=str(report.plan.zone),
        shifts=[ShiftAnswer(title=shift.title, begins=shift.begins.isoformat("minutes")) for shift in shifts],
        washes=len(report.washes),
        cameras=[FiguresAnswer(camera_id=row.camera_id, **_figures(row.figures)) for row in report.cameras],
        rows=[
            ShiftFiguresAnswer(
                day=row.day, shift=shifts[row.shift].title, camera_id=row.camera_id, **_figures(row.figures)
            )
            for row in report.rows
        ],
    )


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "model": figures.model.reference,
        "sensitivity": figures.model.sensitivity,
        "specificity": figures.model.specificity,
        "washes": figures.washes,
        "rate": figures.rate,
        "median_seconds": figures.median_seconds,
        "compliant": figures.compliant,
        "non_compliant": figures.non_compliant,
        "undetermined": figures.undetermined,
        "missing": figures.missing,
    }
