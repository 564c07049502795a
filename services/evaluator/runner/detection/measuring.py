"""Measures the model and the champion on the same pictures, and keeps the time."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from libs.common.errors import Permanent
from libs.vision.detection_metrics import evaluate_detections
from libs.vision.inference import Detector
from services.evaluator.domain.assignment import (
    Assignment,
    Champion,
    Contender,
    EvaluatedSplit,
    class_obstacle,
    unreadable,
)
from services.evaluator.domain.gate import Obstacle, Rival
from services.evaluator.domain.words import Words
from services.evaluator.runner.child import Tell
from services.evaluator.runner.scores import Measured
from services.evaluator.vision import Seen, load_detector, look, operating_points

WORST = 200
TEST_IS_EMPTY = Words(
    en="measured on the validation split: the test split is empty", zh="测试集为空，指标在验证集上测得"
)


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 4)


@dataclass
class Bench:
    """Runs detectors over an assignment's pictures; `notes` gather what a reader has to know besides the numbers."""

    assignment: Assignment
    split: EvaluatedSplit
    tell: Tell
    watch: Stopwatch = field(default_factory=Stopwatch)
    notes: tuple[Words, ...] = ()
    operating_from: EvaluatedSplit = "val"

    def load(self, contender: Contender) -> Detector:
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

    def measure_champion(self, champion: Champion) -> Measured | Obstacle:
        """The champion on the same pictures, at the confidences it ships with, or why it can't be measured."""
        contender = champion.model
        if isinstance(contender, Obstacle):
            return contender
        obstacle = class_obstacle(champion.reference, contender.classes, self.assignment.model.classes)
        if obstacle is not None:
            return obstacle
        try:
            detector = self.load(contender)
            seen = self._look(detector, self.split, "looking at the pictures with the champion")
            operating = contender.operating_confidence or self._operating_confidence(detector)
        except Permanent as error:
            return unreadable(champion.reference, error)
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


def rival_of(champion: Champion, measured: Measured | Obstacle) -> Rival:
    """The champion as the gate sees it."""
    return Rival(champion.reference, measured if isinstance(measured, Obstacle) else measured.numbers)


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
