"""Judged washes, and the report on how well hands are washed: for programs, for spreadsheets, as a page."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from libs.common.configuration import Configuration
from libs.common.errors import NotFound, Permanent, Transient
from libs.common.http import PROBLEMS
from libs.common.workflows import Title, Workflow
from services.console.api import access
from services.console.api.access import Limit, Offset, Reader
from services.console.api.answers import paged
from services.console.api.wash_answers import ComplianceAnswer, WashesAnswer, compliance_answer
from services.console.domain.compliance import Outcome, compliance_report
from services.console.domain.shifts import ShiftPlan, zone_called
from services.console.report.page import page
from services.console.report.tables import shifts_csv, washes_csv
from services.console.store.washes import WashFilter

router = APIRouter(prefix="/api", responses=PROBLEMS, dependencies=[Reader])
Moment = AwareDatetime | date
DAYS = "A moment, or a day: days begin with their first shift."
From = Annotated[Moment | None, Query(alias="from", description=DAYS)]
To = Annotated[Moment | None, Query(description=f"{DAYS} A day is counted whole.")]
Zone = Annotated[str | None, Query(max_length=64, description="A time zone like Asia/Shanghai, else the plant's own.")]
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}, "text/html": {}}, "description": "The report"}
}


@router.get("/washes")
async def list_washes(
    request: Request,
    workflow: str | None = None,
    camera: str | None = None,
    since: From = None,
    to: To = None,
    verdict: Outcome | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> WashesAnswer:
    """What models made of cameras' clips, the newest first."""
    first, end = period(access.settings(request).shift_plan, since, to)
    wanted = WashFilter(workflow, camera, first, end, verdict)
    found = await access.washes(request).page(wanted, limit=limit, offset=offset)
    return WashesAnswer(washes=found.items, **paged(found))


@router.get("/compliance", responses=FILES, response_model=ComplianceAnswer)
async def show_compliance(
    request: Request,
    workflow: str,
    since: From = None,
    to: To = None,
    language: Literal["en", "zh"] = "en",
    zone: Zone = None,
    format: Literal["json", "csv", "html"] = "json",
    table: Literal["shifts", "washes"] = "shifts",
) -> ComplianceAnswer | Response:
    """Washes by camera, shift and day, each figure with its clips and its model's measured error.

    `table` says of what the CSV is: of shifts, or of every wash. `language` is that of the CSV, and the page's first.
    """
    plan = _plan(access.settings(request).shift_plan, zone)
    shown = await _procedure(request, workflow)
    first, end = period(plan, since, to)
    washes = await access.washes(request).counted(WashFilter(workflow, None, first, end))
    report = await asyncio.to_thread(compliance_report, washes, plan)
    titles = _titles(shown)
    if format == "html":
        text = await asyncio.to_thread(
            page, report, titles, title=shown.title, made_at=datetime.now(UTC), first=language
        )
        return Response(text, media_type="text/html; charset=utf-8")
    if format == "csv":
        made = await asyncio.to_thread(shifts_csv if table == "shifts" else washes_csv, report, titles, language)
        headers = {"Content-Disposition": f'attachment; filename="compliance-{shown.name}-{table}.csv"'}
        return Response(made, media_type="text/csv; charset=utf-8", headers=headers)
    return compliance_answer(report, shown.name)


def _plan(own: ShiftPlan, zone: str | None) -> ShiftPlan:
    try:
        return own if zone is None else ShiftPlan(zone_called(zone), own.shifts)
    except ValueError as error:
        raise Permanent(str(error)) from error


def period(plan: ShiftPlan, since: Moment | None, to: Moment | None) -> tuple[datetime | None, datetime | None]:
    """From a moment on, and before another."""
    try:
        first = since if since is None or isinstance(since, datetime) else plan.begin_of(since)
        end = to if to is None or isinstance(to, datetime) else plan.begin_of(to + timedelta(days=1))
    except OverflowError as error:
        raise Permanent("`from` and `to` must be days that have one before and after them") from error
    if first is not None and end is not None and first >= end:
        raise Permanent(f"`from` {first.isoformat()} must be before `to` {end.isoformat()}")
    return first, end


async def _procedure(request: Request, name: str) -> Workflow:
    """The workflow, if its samples are clips."""
    configuration: Configuration = request.app.state.configuration
    try:
        workflow = await configuration.workflow(name)
    except Transient as error:
        raise NotFound(str(error)) from error
    if workflow.procedure is None:
        raise Permanent(f"Workflow {name} has no procedure to comply with: its samples are images")
    return workflow


def _titles(workflow: Workflow) -> dict[str, Title]:
    """Of labels, and of steps that have two of them."""
    steps = workflow.procedure.steps if workflow.procedure else ()
    return {step.name: step.title for step in steps} | {rule.name: rule.title for rule in workflow.all_classes}
