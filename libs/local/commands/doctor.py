"""`doctor`: what is missing on this machine, and what to type."""

from dataclasses import asdict

import typer
from rich.text import Text

from libs.local.checks import Check, all_checks
from libs.local.connections import local_settings
from libs.local.output import Json, answer, table

app = typer.Typer()
_COLOURS = {"ok": "green", "note": "yellow", "missing": "red"}


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is missing and what to type; exit code 1 when something is."""
    checks = list(all_checks(local_settings()))
    rows = [(Text(each.state, style=_COLOURS[each.state]), each.name, each.detail, each.do) for each in checks]
    answer([asdict(each) for each in checks], as_json=as_json, text=table(("", "what", "found", "type"), rows))
    if any(missing(each) for each in checks):
        raise typer.Exit(1)


def missing(check: Check) -> bool:
    """Whether camloop cannot run like this."""
    return check.state == "missing"
