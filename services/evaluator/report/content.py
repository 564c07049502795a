"""What a report says: report.json is this, field by field. Fields are only ever added; a break is a new `schema`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.vision.confusion import Mistake
from libs.vision.detection_metrics import CameraMetrics, ClassMetrics, DetectionMetrics
from services.evaluator.domain.assignment import EvaluatedSplit, Lineage
from services.evaluator.domain.words import Words

SCHEMA = "camloop/evaluation-report/1"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How it was measured, so that somebody else gets the same numbers."""

    split: EvaluatedSplit
    images: int
    cameras: int
    boxes: int
    operating_confidence_from: EvaluatedSplit
    matching_iou: float
    bootstrap_replicates: int
    seed: int
    input_width: int
    input_height: int
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
    """This model minus the champion; `low` to `high` holds 95 % of bootstrap replicates over images."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ChampionPart:
    """The champion on the same pictures, at the confidences it ships with."""

    name: str
    version: int
    sha256: str
    metrics: dict[str, float | None]
    per_class: dict[str, ClassMetrics]
    per_camera: dict[str, CameraMetrics]
    differences: dict[str, Difference]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class ReportedMistake:
    """One of the worst errors, and the sample it is in."""

    mistake: Mistake
    uri: str
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """Everything an evaluation found. `metrics.worst` is empty: `mistakes` says the same with the samples' addresses."""

    schema: str
    evaluated_at: datetime
    workflow: str
    title: Words
    class_titles: Mapping[str, Words]
    model_sha256: str
    lineage: Lineage
    protocol: Protocol
    verdict: VerdictPart
    latency_ms: dict[str, float]
    metrics: DetectionMetrics
    champion: ChampionPart | None
    mistakes: tuple[ReportedMistake, ...]


def to_json(report: Report) -> bytes:
    """Report.json; raises ValueError on NaN, which is no JSON."""
    return json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a report: {value!r}")
