"""What every report says: report.json is this, field by field. Fields are only ever added; a break is a new `schema`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.evaluator.domain.assignment import EvaluatedSplit, Lineage
from services.evaluator.domain.bootstrap import Interval
from services.evaluator.domain.words import Words


@dataclass(frozen=True, slots=True)
class Protocol:
    """How it was measured, so that somebody else gets the same numbers."""

    split: EvaluatedSplit
    bootstrap_replicates: int
    seed: int
    runtime: str
    threads: int


@dataclass(frozen=True, slots=True)
class VerdictPart:
    """What the gate decided, in words."""

    passed: bool
    failures: tuple[Words, ...]
    notes: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """This model minus the champion; `low` to `high` holds 95 % of bootstrap replicates over samples."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, ours: float | None, theirs: float | None, interval: Interval | None) -> "Difference":
        """None where one of them could not be measured."""
        value = None if ours is None or theirs is None else ours - theirs
        return cls(value, interval and interval.low, interval and interval.high)


def values_of(differences: Mapping[str, Difference]) -> dict[str, float | None]:
    """Without their intervals, for the event."""
    return {name: each.value for name, each in differences.items()}


@dataclass(frozen=True, slots=True)
class ChampionPart:
    """The champion on the same samples, working as it ships."""

    name: str
    version: int
    sha256: str
    metrics: dict[str, float | None]
    differences: dict[str, Difference]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Report:
    """Of any evaluation; what was found is said by the kinds of it."""

    schema: str
    evaluated_at: datetime
    workflow: str
    title: Words
    class_titles: Mapping[str, Words]
    model_sha256: str
    lineage: Lineage
    verdict: VerdictPart
    latency_ms: dict[str, float]


def to_json(report: Report) -> bytes:
    """Report.json; raises ValueError on NaN, which is no JSON."""
    return json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a report: {value!r}")
