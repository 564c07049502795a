"""The numbers of an evaluation under the names that events and gate rules use."""

from dataclasses import asdict, dataclass

from libs.vision.detection_metrics import CameraMetrics, ClassMetrics, DetectionMetrics
from services.evaluator.domain.bootstrap import MINIMUM_SAMPLES, SEED, Interval, difference_interval, drawn_weights
from services.evaluator.domain.detection_tally import f1_of, map50_of
from services.evaluator.domain.gate import Numbers
from services.evaluator.report.content import Difference
from services.evaluator.vision.pictures import Seen, tally_of

Row = dict[str, float | None]


@dataclass(frozen=True)
class Measured:
    """One model on the evaluated split."""

    seen: Seen
    metrics: DetectionMetrics

    @property
    def numbers(self) -> Numbers:
        """For the gate."""
        return Numbers(self.metrics.headline(), class_scores(self.metrics), camera_scores(self.metrics))


def class_scores(metrics: DetectionMetrics) -> dict[str, Row]:
    """By class, under the names of the headline: map50 of one class is its AP50."""
    return {label: _class_row(each) for label, each in metrics.per_class.items()}


def _class_row(each: ClassMetrics) -> Row:
    rates: Row = {"precision": each.precision, "recall": each.recall, "f1": each.f1}
    return {"map50": each.ap50, "map50_95": each.ap50_95, **rates, "annotations": each.n_truth}


def camera_scores(metrics: DetectionMetrics) -> dict[str, Row]:
    """By camera."""
    return {camera: _camera_row(each) for camera, each in metrics.per_camera.items()}


def _camera_row(each: CameraMetrics) -> Row:
    scores = asdict(each)
    return {"images": scores.pop("n_images"), "annotations": scores.pop("n_truth"), **scores}


def differences(model: Measured, champion: Measured, classes: tuple[str, ...]) -> dict[str, Difference]:
    """Model minus champion for each headline metric; with 95 % intervals for map50 and f1."""
    ours, theirs = model.metrics.headline(), champion.metrics.headline()
    intervals = _intervals(model, champion, classes)
    return {metric: Difference.of(value, theirs[metric], intervals.get(metric)) for metric, value in ours.items()}


def _intervals(model: Measured, champion: Measured, classes: tuple[str, ...]) -> dict[str, Interval | None]:
    if len(model.seen.images) < MINIMUM_SAMPLES:
        return {}
    weights = drawn_weights(len(model.seen.images), seed=SEED)
    ours, theirs = (
        tally_of(each.seen.images, classes, each.metrics.operating_confidence) for each in (model, champion)
    )
    return {
        "map50": difference_interval(map50_of(ours, weights), map50_of(theirs, weights)),
        "f1": difference_interval(f1_of(ours, weights), f1_of(theirs, weights)),
    }
