"""`dlq`: messages nobody could handle."""

import json
from typing import Annotated

import typer

from libs.local.connections import console
from libs.local.output import Json, answer, table

app = typer.Typer()
dlq = typer.Typer(no_args_is_help=True, help="Dead letters: messages a consumer gave up on.")
app.add_typer(dlq, name="dlq")
Letter = Annotated[str, typer.Argument(metavar="LETTER", help="The id `dlq list` shows.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="It is kept with the letter.")]


@dlq.command("list")
def show_all(
    state: Annotated[str, typer.Option(help="open, replayed or discarded.")] = "open",
    consumer: Annotated[str | None, typer.Option(help="Only what this service gave up on.")] = None,
    as_json: Json = False,
) -> None:
    """Dead letters, newest first."""
    with console() as client:
        found = client.rows("/api/dlq", state=state, consumer=consumer)
    rows = [
        (each["id"], each["consumer"], each["topic"], each["times"], str(each["last_at"])[:19], each["error"][:80])
        for each in found
    ]
    columns = ("letter", "consumer", "topic", "times", "last", "error")
    answer(found, as_json=as_json, text=table(columns, rows) if rows else f"No {state} dead letters")


@dlq.command("show")
def show(letter: Letter, as_json: Json = False) -> None:
    """One letter with its headers, body, origin and error."""
    with console() as client:
        found = client.get(f"/api/dlq/{letter}")
    lines = [f"{name:<18} {value if isinstance(value, str) else json.dumps(value, default=str)}"
             for name, value in found.items() if value is not None]  # fmt: skip
    answer(found, as_json=as_json, text="\n".join(lines).replace("[", r"\["))


@dlq.command("replay")
def replay(letter: Letter, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Give the letter back to the consumer that gave it up, and to no other."""
    with console() as client:
        told = client.post(f"/api/dlq/{letter}/replay", {"reason": reason})
    answer(told, as_json=as_json, text=f"{letter} goes back to its consumer\nnext: uv run camloop dlq show {letter}")


@dlq.command("discard")
def discard(
    letter: Letter,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why nobody needs it.")],
    as_json: Json = False,
) -> None:
    """Close the letter for ever; it stays on record with the reason."""
    with console() as client:
        told = client.post(f"/api/dlq/{letter}/discard", {"reason": reason})
    answer(told, as_json=as_json, text=f"{letter} is discarded")
