"""What the judging of a detector is given: pictures, and the boxes people drew in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from libs.vision.boxes import Annotation
from services.evaluator.domain.assignment import Assignment, Contender, EvaluatedSplit


@dataclass(frozen=True, slots=True)
class Picture:
    """A sample of the evaluated splits: the fetched file, where it came from, and what a person says is there."""

    sample_id: UUID
    camera_id: str
    captured_at: datetime
    path: Path
    uri: str
    truth: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class ShippedDetector(Contender):
    """`operating_confidence` is what it ships with; None for a model that has not been evaluated yet."""

    operating_confidence: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class DetectionAssignment(Assignment[ShippedDetector]):
    """`test` is judged (or `val` where there is no test split), `val` gives the operating confidences."""

    pictures: Mapping[EvaluatedSplit, tuple[Picture, ...]]
    dropped_annotations: int
