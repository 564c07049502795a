"""`compliance`: how well hands are washed, on the screen or as a file to take along."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from libs.local.connections import console
from libs.local.output import Json, answer, fail, screen, table

app = typer.Typer()
Format = Literal["json", "csv", "html"]
_COLUMNS = ("camera", "model", "washes", "rate", "compliant", "not", "can't be judged", "median s", "missing")
_DAY = "A day (2026-03-02) or a moment with its zone."


@app.command()
def compliance(
    workflow: Annotated[str, typer.Argument()],
    since: Annotated[str | None, typer.Option("--from", help=_DAY)] = None,
    to: Annotated[str | None, typer.Option("--to", help=f"{_DAY} A day is counted whole.")] = None,
    language: Annotated[
        Literal["en", "zh"], typer.Option(help="Of the CSV; the page has both and shows this first.")
    ] = "en",
    zone: Annotated[str | None, typer.Option(help="A time zone like Asia/Shanghai, else the plant's own.")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Without it a table on the screen.")] = None,
    of: Annotated[Literal["shifts", "washes"], typer.Option("--table", help="What a line of the CSV is.")] = "shifts",
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write it here.")] = None,
    as_json: Json = False,
) -> None:
    """Washes by camera, shift and day, each figure with its clips and its model's measured error."""
    asked = {"workflow": workflow, "from": since, "to": to, "language": language, "zone": zone, "table": of}
    with console() as client:
        if form in ("csv", "html"):
            return _hand_over(client.file("/api/compliance", **asked, format=form), out, as_json=as_json)
        report: dict[str, Any] = client.get("/api/compliance", **asked)
    if out is not None:
        return _hand_over(json.dumps(report, ensure_ascii=False, indent=2).encode(), out, as_json=as_json)
    return answer(report, as_json=as_json or form == "json", text=_shown(report))


def _hand_over(content: bytes, out: Path | None, *, as_json: bool) -> None:
    """Into the file, or as it is to whoever reads this command's output."""
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}", as_json=as_json)
    if as_json:
        answer({"file": str(out), "bytes": len(content)}, as_json=True)
    else:
        screen.print(f"{out}: {len(content)} bytes", markup=False)


def _shown(report: dict[str, Any]) -> Table | str:
    rows = [
        (
            each["camera_id"], f"{each['model']}{_error(each)}", each["washes"], _percent(each["rate"]),
            len(each["compliant"]), len(each["non_compliant"]), len(each["undetermined"]), each["median_seconds"],
            ", ".join(f"{step} {len(clips)}" for step, clips in each["missing"].items()),
        )
        for each in report["cameras"]
    ]  # fmt: skip
    return table(_COLUMNS, rows) if rows else "No wash was judged in this time"


def _error(figures: dict[str, Any]) -> str:
    """How right the model's verdicts are, as they were measured."""
    if figures["sensitivity"] is None and figures["specificity"] is None:
        return " (error not measured)"
    return f" (catches {_percent(figures['sensitivity'])}, spares {_percent(figures['specificity'])})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
