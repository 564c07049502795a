"""How many bad inputs of which kind met which fate: counted, printed as a table, kept as JSON."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KINDS = {"pictures": 0.25, "imports": 0.15, "requests": 0.30, "hyper-parameters": 0.15, "messages": 0.15}
"""Share of each kind in a run."""


@dataclass
class Tally:
    """Counts by kind and fate."""

    wanted: int
    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def share(self, kind: str) -> int:
        """How many of a kind make up the run."""
        return round(self.wanted * KINDS[kind])

    def add(self, kind: str, fate: str) -> None:
        """One more."""
        self.counts.setdefault(kind, Counter())[fate] += 1

    @property
    def total(self) -> int:
        return sum(sum(fates.values()) for fates in self.counts.values())

    def table(self) -> str:
        """As Markdown."""
        rows = [
            f"| {kind} | {sum(fates.values())} | {', '.join(f'{fate} {n}' for fate, n in fates.most_common())} |"
            for kind, fates in self.counts.items()
        ]
        return "\n".join(["| kind | inputs | fates |", "|---|---|---|", *rows, f"| all | {self.total} | |"])

    def write(self, path: Path) -> None:
        """As JSON."""
        content = {"inputs": self.total, "kinds": {kind: dict(fates) for kind, fates in self.counts.items()}}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
