"""Fixtures of the evaluator's tests."""

from pathlib import Path

import pytest
from evaluator_kit import four_picture_assignment

from services.evaluator.domain.detection_assignment import DetectionAssignment


@pytest.fixture
def assignment(tmp_path: Path) -> DetectionAssignment:
    """A small evaluation whose result is known by hand."""
    return four_picture_assignment(tmp_path)
