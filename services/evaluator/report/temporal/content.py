"""What the report of a clip model says beyond the frame all reports share.

`metrics`, `per_class` and `per_camera` are those of the event. Frame accuracy, macro F1, edit and F1@k are per cent, all
other shares 0..1.
"""

from dataclasses import dataclass
from datetime import datetime

from libs.vision.procedures import Outcome, Procedure
from libs.vision.temporal_metrics import TemporalMeasures
from services.evaluator.domain.compliance import ComplianceMeasures
from services.evaluator.domain.unseen import UnseenStep
from services.evaluator.domain.words import Words
from services.evaluator.report.content import ChampionPart, Protocol, Report

SCHEMA = "camloop/temporal-report/1"
Row = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class TemporalProtocol(Protocol):
    """How many clips, and by which rules frames and segments count. `features`: extractor and version."""

    clips: int
    recordings: int
    cameras: int
    seconds: float
    frames: int
    frames_per_second: tuple[float, ...]
    labels: tuple[str, ...]
    background: str
    collar_seconds: float
    smooth_seconds: float
    shortest_seconds: float
    features: str
    unseen_below: float


@dataclass(frozen=True, slots=True)
class TemporalChampion(ChampionPart):
    """The champion with the decoding it ships with."""

    per_class: dict[str, Row]
    per_camera: dict[str, Row]


@dataclass(frozen=True, slots=True)
class ReportedSegment:
    """A step of a clip, in seconds; `confidence` where a model said it."""

    step: str
    start_seconds: float
    end_seconds: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class ReportedWash:
    """What one side makes of a clip."""

    verdict: Outcome
    seconds: float
    missing_steps: tuple[str, ...]
    reasons: tuple[Words, ...]
    segments: tuple[ReportedSegment, ...]


@dataclass(frozen=True, slots=True)
class ReportedClip:
    """One clip. `verdict_right` is None where the model could not judge it."""

    sample_id: str
    camera_id: str
    captured_at: datetime
    recording: str
    uri: str
    seconds: float
    visible_share: float
    frame_accuracy: float
    f1_50: float
    verdict_right: bool | None
    truth: ReportedWash
    said: ReportedWash


@dataclass(frozen=True, slots=True)
class TemporalReport(Report):
    """Everything an evaluation found. `strict` counts every frame, `collar` none near a true change; clips worst first."""

    protocol: TemporalProtocol
    times_real_time: float
    metrics: Row
    per_class: dict[str, Row]
    per_camera: dict[str, Row]
    strict: TemporalMeasures
    collar: TemporalMeasures
    compliance: ComplianceMeasures
    procedure: Procedure
    unseen: tuple[UnseenStep, ...]
    champion: TemporalChampion | None
    clips: tuple[ReportedClip, ...]
