"""Measures the model and the champion on the same pictures, and keeps the time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.vision.detection_metrics import evaluate_detections
from libs.vision.inference import Detector
from services.evaluator.domain.assignment import Champion, EvaluatedSplit
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.detection_assignment import DetectionAssignment, ShippedDetector
from services.evaluator.domain.gate import Obstacle
from services.evaluator.domain.words import Words
from services.evaluator.runner.bench import TEST_IS_EMPTY, Stopwatch, champion_or_obstacle
from services.evaluator.runner.detection.scores import Measured
from services.evaluator.vision.pictures import Seen, load_detector, look, operating_points

WORST = 200


@dataclass
class Bench:
    """Runs detectors over an assignment's pictures; `notes` gather what a reader has to know besides the numbers."""

    assignment: DetectionAssignment
    split: EvaluatedSplit
    tell: Tell
    watch: Stopwatch = field(default_factory=Stopwatch)
    notes: tuple[Words, ...] = ()
    operating_from: EvaluatedSplit = "val"

    def load(self, contender: ShippedDetector) -> Detector:
        """Raises `Permanent` where it can't be run."""
        with self.watch.stage("inference"):
            return load_detector(contender, threads=self.assignment.threads)

    def measure(self, detector: Detector) -> Measured:
        """The model, at the confidences its validation pictures suggest."""
        self._note_split()
        seen = self._look(detector, self.split, "looking at the pictures")
        operating = self._operating_confidence(detector)
        self._note_fallback(operating)
        return self._measured(seen, operating, worst=WORST)

    def measure_champion(self, champion: Champion[ShippedDetector]) -> Measured | Obstacle:
        """The champion on the same pictures, at the confidences it ships with, or why it can't be measured."""
        return champion_or_obstacle(champion, self.assignment.model.classes, self._champion_measured)

    def _champion_measured(self, contender: ShippedDetector) -> Measured:
        detector = self.load(contender)
        seen = self._look(detector, self.split, "looking at the pictures with the champion")
        operating = contender.operating_confidence or self._operating_confidence(detector)
        return self._measured(seen, operating, worst=0)

    def _measured(self, seen: Seen, operating: Mapping[str, float], *, worst: int) -> Measured:
        classes = self.assignment.model.classes
        with self.watch.stage("metrics"):
            return Measured(seen, evaluate_detections(seen.images, classes, operating=operating, worst=worst))

    def _look(self, detector: Detector, split: EvaluatedSplit, stage: str) -> Seen:
        pictures = self.assignment.pictures[split]
        with self.watch.stage("inference"):
            return look(detector, pictures, lambda done: self.tell(stage, done, len(pictures)))

    def _operating_confidence(self, detector: Detector) -> Mapping[str, float]:
        """Of the classes the validation pictures show: the test pictures must not choose what they then judge."""
        if self.split == "val" or not self.assignment.pictures.get("val"):
            return {}
        seen = self._look(detector, "val", "choosing the working confidence")
        with self.watch.stage("metrics"):
            return operating_points(seen.images, detector.classes)

    def _note_split(self) -> None:
        if self.split == "val":
            self.notes += (TEST_IS_EMPTY,)
        if self.assignment.dropped_annotations:
            self.notes += (_dropped(self.assignment.dropped_annotations),)

    def _note_fallback(self, operating: Mapping[str, float]) -> None:
        missing = [label for label in self.assignment.model.classes if label not in operating]
        self.operating_from = "val" if operating or self.split == "val" else "test"
        if self.split == "test" and missing:
            self.notes += (_chosen_on_test(missing),)


def _dropped(count: int) -> Words:
    return Words(
        en=f"{count} annotations without any area inside their picture were left out",
        zh=f"忽略了 {count} 个在图片内没有面积的标注",
    )


def _chosen_on_test(labels: list[str]) -> Words:
    names = ", ".join(labels)
    return Words(
        en=f"working confidence of {names} was chosen on the test split: the validation split shows none of it",
        zh=f"{names} 的工作置信度在测试集上选定：验证集中没有该类别",
    )
