"""`make bench`: one table of ours against the other side in the same run, each line with its goal. It never fails a build.

`python -m benchmarks bus search` measures only these parts.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks import bus, cleaning, dataset_build, exporting, features, gestures, search, training, vision, whole
from benchmarks.rows import Row

PARTS: dict[str, Callable[[], list[Row]]] = {
    "vision": vision.rows,
    "features": features.rows,
    "bus": lambda: asyncio.run(bus.run()),
    "cleaning": lambda: asyncio.run(cleaning.run()),
    "search": lambda: asyncio.run(search.run()),
    "build": lambda: asyncio.run(dataset_build.rows()),
    "export": lambda: asyncio.run(exporting.run()),
    "whole": whole.run,
    "training": training.run,
    "gestures": gestures.run,
}


def main() -> None:
    """Measure part by part, then print the table."""
    console, rows = Console(width=160), list[Row]()
    for name in sys.argv[1:] or PARTS:
        began = perf_counter()
        rows += PARTS[name]()
        console.print(f"{name}: measured in {perf_counter() - began:.0f} s")
    console.print(_circumstances())
    console.print(_table(rows))


def _circumstances() -> str:
    """What a history of ratios has to name: when, of which commit, where, and who else used the machine."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {said.stdout.strip() or 'unknown'}, {os.cpu_count()} cores, load at the end {load}"


def _table(rows: list[Row]) -> Table:
    table = Table("what", "ours", "other", "ratio", "goal", "", box=None, header_style="bold")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {True: "met", False: "MISSED", None: ""}[row.met]
        table.add_row(row.what, row.ours, row.other, ratio, row.goal, verdict)
    return table


if __name__ == "__main__":
    main()
