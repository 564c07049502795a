"""`python -m tests.soak --minutes 15`: run it, print the report, exit with 1 if an account is off."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.accounts import as_json
from tests.soak.run import soak


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--report", type=Path, default=Path("var/reports/soak.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="camloop-soak-") as folder:
        books = asyncio.run(soak(Path(folder), seconds=arguments.minutes * 60))
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(as_json(books), encoding="utf-8")
    sys.stdout.write(as_json(books) + f"\nreport: {arguments.report}\n")
    sys.exit(1 if books.wrong else 0)


if __name__ == "__main__":
    main()
