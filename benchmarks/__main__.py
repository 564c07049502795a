"""`make bench`: one table of ratios, ours against the other side in the same run; then the dataset build at 100,000 samples."""

import asyncio
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import dataset_build, vision


def main() -> None:
    """Print the table."""
    table = Table("what (ours / other)", "ours", "other", "ratio", "goal", box=None, header_style="bold")
    for row in vision.rows():
        goal = "" if row.goal is None else f">= {row.goal:g}"
        table.add_row(row.what, f"{row.ours:.3f} s", f"{row.other:.3f} s", f"{row.ratio:.2f}", goal)
    Console(width=150).print(table)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for result in asyncio.run(dataset_build.run(count)):
        Console().print(
            f"dataset build, {count} samples, {result.what}: {result.seconds:.2f} s, loop held {result.blocked:.3f} s"
        )


if __name__ == "__main__":
    main()
