"""Judges one model: measure, compare with the champion, hold to the gate, write the report. Runs in the child."""

from services.evaluator.domain.assignment import Judgement
from services.evaluator.domain.assignments import AnyAssignment, Tell
from services.evaluator.domain.detection_assignment import DetectionAssignment
from services.evaluator.runner.detection import judging as of_detectors
from services.evaluator.runner.temporal import judging as of_clip_models


def judge(assignment: AnyAssignment, tell: Tell) -> Judgement:
    """Everything about one evaluation, on files of this machine. Raises `Permanent` where it can't be judged.

    Writes report.json and report.html into the assignment's folder.
    """
    if isinstance(assignment, DetectionAssignment):
        return of_detectors.judge(assignment, tell)
    return of_clip_models.judge(assignment, tell)
