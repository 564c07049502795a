"""How commands answer: for people (tables, colours on a terminal) or for programs (`--json`)."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# Where nobody looks, a table is as wide as what is in it: ids must stay whole.
screen = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
_SHOWN = 20
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]


def answer(values: Any, *, as_json: bool, text: str | Table | None = None) -> None:
    """Print `values` as JSON, or `text` for people (the values themselves if there is none)."""
    if as_json:
        sys.stdout.write(printable(json.dumps(values, ensure_ascii=False, indent=2, default=str)) + "\n")
    elif text is not None:
        screen.print(text)
    else:
        screen.print_json(data=values, default=str)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """A plain table; empty cells for None. Words in brackets are no markup: colours come as `Text`."""
    headers = [Column(name, overflow="fold") for name in columns]
    grid = Table(*headers, title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row))
    return grid


def fail(what: str, *, as_json: bool = False, code: int = 1) -> NoReturn:
    """Say what went wrong and what to do, on stderr, and end with `code`."""
    if as_json:
        sys.stdout.write(printable(json.dumps({"error": what}, ensure_ascii=False)) + "\n")
    errors.print(f"error: {printable(what)}", style="red", markup=False)
    raise typer.Exit(code)


def list_reasons(what: str, reasons: Mapping[str, str]) -> None:
    """Say on stderr why each of these was left out, or what is wrong with it; of many the first twenty."""
    for name, reason in list(reasons.items())[:_SHOWN]:
        errors.print(printable(f"{what}: {name}: {reason}"), markup=False)
    if len(reasons) > _SHOWN:
        errors.print(f"{what}: and {len(reasons) - _SHOWN} more (--json lists all)", markup=False)


def printable(text: str) -> str:
    """Text any terminal takes: a file name may hold bytes that are no characters."""
    return text.encode(errors="replace").decode()


def pairs(values: Mapping[Any, object]) -> str:
    """`a=1 b=2`, numbers short."""
    return " ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
