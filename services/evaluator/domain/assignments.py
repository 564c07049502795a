"""Either kind of assignment, and how whoever works on one tells how far it is."""

from collections.abc import Callable

from services.evaluator.domain.detection_assignment import DetectionAssignment
from services.evaluator.domain.temporal_assignment import TemporalAssignment

AnyAssignment = DetectionAssignment | TemporalAssignment
Tell = Callable[[str, int, int], None]
"""(stage, done, of how many)"""
