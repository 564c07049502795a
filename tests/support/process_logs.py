"""Beside a failure: the last lines of what the test's processes printed. In CI nothing else tells what they did."""

from pathlib import Path
from typing import Any

import pytest

SHOWN = 6000  # characters of each log


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add every log in the test's folder to the report of a failed test."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and isinstance(folder, Path):
        for log in sorted(folder.glob("*.log")):
            report.sections.append((f"the end of {log.name}", log.read_text(errors="replace")[-SHOWN:]))
    return report
