"""What the judging of a clip model is given: features of clips, the segments people marked, and the procedure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from libs.vision.procedures import Procedure
from libs.vision.segments import TimedSegment
from services.evaluator.domain.assignment import Assignment, Contender, EvaluatedSplit


@dataclass(frozen=True, slots=True)
class Decoding:
    """How segments are read off what the model says; it ships with the model."""

    smooth_seconds: float
    shortest_seconds: float


@dataclass(frozen=True, slots=True)
class ShippedClipModel(Contender):
    """`classes` begin with the background. `reads` names the features it was trained on: "<extractor>-<version>"."""

    decoding: Decoding
    reads: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A sample of the evaluated splits, and what a person says happens in it.

    `recording` is its leakage group; `features` are the files of its features, by what a model `reads`; `strip` is a JPEG of
    its moments side by side, for people.
    """

    sample_id: UUID
    camera_id: str
    captured_at: datetime
    recording: str
    features: Mapping[str, Path]
    uri: str
    seconds: float
    truth: tuple[TimedSegment, ...]
    strip: Path | None = None


@dataclass(frozen=True, slots=True)
class TemporalAssignment(Assignment[ShippedClipModel]):
    """`test` is judged, or `val` where there is no test split. The first of `classes` is the background."""

    procedure: Procedure
    clips: Mapping[EvaluatedSplit, tuple[Clip, ...]]

    @property
    def background(self) -> str:
        """What happens while no step does."""
        return self.classes[0]
