"""What the report of a detector says beyond the frame all reports share."""

from dataclasses import dataclass
from datetime import datetime

from libs.vision.confusion import Mistake
from libs.vision.detection_metrics import CameraMetrics, ClassMetrics, DetectionMetrics
from services.evaluator.domain.assignment import EvaluatedSplit
from services.evaluator.report.content import ChampionPart, Protocol, Report

SCHEMA = "camloop/evaluation-report/1"


@dataclass(frozen=True, slots=True)
class DetectionProtocol(Protocol):
    """How many pictures, and by which rules boxes count."""

    images: int
    cameras: int
    boxes: int
    operating_confidence_from: EvaluatedSplit
    matching_iou: float
    input_width: int
    input_height: int


@dataclass(frozen=True, slots=True)
class DetectionChampion(ChampionPart):
    """The champion at the confidences it ships with."""

    per_class: dict[str, ClassMetrics]
    per_camera: dict[str, CameraMetrics]


@dataclass(frozen=True, slots=True)
class ReportedMistake:
    """One of the worst errors, and the sample it is in."""

    mistake: Mistake
    uri: str
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class DetectionReport(Report):
    """Everything an evaluation found. `metrics.worst` is empty: `mistakes` says the same with the samples' addresses."""

    protocol: DetectionProtocol
    metrics: DetectionMetrics
    champion: DetectionChampion | None
    mistakes: tuple[ReportedMistake, ...]
