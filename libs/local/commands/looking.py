"""`why` and `events`: what led to something, and everything that is said."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any

import typer

from libs.local.chains import picture
from libs.local.client import Client
from libs.local.connections import console
from libs.local.output import Json, answer, pairs, screen

app = typer.Typer()
events = typer.Typer(no_args_is_help=True, help="Everything that was said, in one order.")
app.add_typer(events, name="events")
_SHOWN = (
    "version",
    "reason",
    "verdict",
    "approved_by",
    "epoch",
    "epochs",
    "state",
    "why",
    "reviewer",
    "decision",
    "by",
)


@app.command()
def why(
    subject: Annotated[
        str, typer.Argument(help="An event, run, dataset version, sample, snapshot or clip; hairnet@2, hairnet.")
    ],
    as_json: Json = False,
) -> None:
    """The chain of causes behind something; of a run that waits, what it waits for."""
    with console() as client:
        found = client.get(f"/api/why/{subject}")
    answer(found, as_json=as_json, text=picture(found).replace("[", r"\["))


@events.command("tail")
def tail(
    topics: Annotated[list[str] | None, typer.Option("--topic", "-t", help="Only this topic; may be repeated.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=500, help="How many of the last.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """The last events, oldest first; with --json one a line."""
    asked = {"topic": topics, "workflow": workflow}
    with console() as client, suppress(KeyboardInterrupt):
        known = client.rows("/api/events", **asked, newest_first=True, limit=number)[::-1]
        _show(known, as_json=as_json)
        if follow:
            _show(_stream(client, asked, after=known[-1]["position"] if known else 0), as_json=as_json)


def _stream(client: Client, asked: dict[str, Any], *, after: int) -> Iterable[dict[str, Any]]:
    return client.events("/api/stream", **asked, after=after)


def _show(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    for event in found:
        if as_json:
            typer.echo(json.dumps(event, ensure_ascii=False))
            continue
        said = {name: event["body"][name] for name in _SHOWN if event["body"].get(name) is not None}
        line = f"{event['position']:>7} {str(event['at'])[11:19]} {event['topic']:<26} {event['key']:<38} {pairs(said)}"
        screen.print(line, markup=False)
