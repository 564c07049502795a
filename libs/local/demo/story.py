"""Tells what the demo has reached, line by line and alike with and without a terminal, and names what failed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Whose log tells why a stage does not come to its end; the data folder's `log/` holds them.
LOGS: Mapping[str, str] = {
    "start": "supervisor.log",
    "cameras": "ingest.log",
    "cleaning": "cleaner.log",
    "review": "cleaner.log",
    "dataset": "dataset.log",
    "training": "trainer.log",
    "evaluation": "evaluator.log",
    "registration": "registry.log",
    "promotion": "registry.log",
    "takeover": "demo",
    "judging": "evaluator.log",
    "summary": "console.log",
}


class DemoFailed(Exception):
    """The chain broke in a stage; the text names it, why, and the log that says more."""

    def __init__(self, stage: str, why: str, log: Path) -> None:
        super().__init__(f"The demo failed in the stage {stage}: {why}\nMore in {log}")
        self.stage = stage
        self.log = log


@dataclass
class Story:
    """Where the demo is. `write` gets each line."""

    log_folder: Path
    write: Callable[[str], None]
    stage: str = "start"
    started: float = field(default_factory=time.monotonic)

    def reach(self, stage: str, text: str) -> None:
        """A stage is reached: what fails from now on fails in it."""
        self.stage = stage
        self.tell(text)

    def tell(self, text: str) -> None:
        """Something happened in the present stage."""
        elapsed = round(time.monotonic() - self.started)
        self.write(f"[{elapsed // 60:2d}:{elapsed % 60:02d}] {self.stage:<12} {text}")

    def failure(self, why: str, stage: str | None = None) -> DemoFailed:
        """The error that ends the demo, with the stage's log."""
        name = stage or self.stage
        return DemoFailed(name, why, self.log_folder / LOGS.get(name, "supervisor.log"))
