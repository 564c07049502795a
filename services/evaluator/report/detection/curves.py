"""Where the lines of precision and recall lie: coordinates for the template, in the units of its view box."""

from collections.abc import Mapping
from dataclasses import dataclass

from libs.vision.curves import Curve
from libs.vision.detection_metrics import ClassMetrics, DetectionMetrics
from services.evaluator.report.charts import PALETTE

DASHES = ("", "7 4", "2 3")
LEFT, TOP, SIDE_X, SIDE_Y = 52.0, 14.0, 420.0, 300.0


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One class: its line as SVG points, and where it works."""

    label: str
    colour: str
    dashes: str
    points: str
    operating_point: tuple[float, float] | None


def curve_lines(metrics: DetectionMetrics) -> tuple[CurveLine, ...]:
    """One line per class that has annotations, in the order of the classes."""
    return tuple(_line(at, label, curve, metrics.per_class) for at, (label, curve) in enumerate(metrics.curves.items()))


def _line(at: int, label: str, curve: Curve, per_class: Mapping[str, ClassMetrics]) -> CurveLine:
    points = list(zip(curve.recall, curve.precision, strict=True))
    start = [(0.0, points[0][1])] if points else []
    scores = per_class[label]
    works = None if scores.recall is None or scores.precision is None else _place(scores.recall, scores.precision)
    return CurveLine(
        label=label,
        colour=PALETTE[at % len(PALETTE)],
        dashes=DASHES[at // len(PALETTE) % len(DASHES)],
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*point) for point in start + points)),
        operating_point=works,
    )


def _place(recall: float, precision: float) -> tuple[float, float]:
    return round(LEFT + recall * SIDE_X, 1), round(TOP + (1 - precision) * SIDE_Y, 1)
