"""What the children of `test_common_children.py` do: a module of its own, quickly imported by each."""

import os
import time
from pathlib import Path
from typing import Any

from libs.common.errors import Conflict


def raise_conflict(text: str) -> None:
    raise Conflict(text)


def unpicklable() -> Any:
    return lambda: None


def write_pid_and_sleep(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(60)
