"""What every kind of judging needs: time by stage, the champion beside the model, the two report files."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import onnxruntime

from libs.common.errors import Permanent
from services.evaluator.domain.assignment import C, Champion, class_obstacle, unreadable
from services.evaluator.domain.gate import Numbers, Obstacle, Rival
from services.evaluator.domain.words import Words
from services.evaluator.report.content import Report, to_json

M = TypeVar("M")
TEST_IS_EMPTY = Words(
    en="measured on the validation split: the test split is empty", zh="测试集为空，指标在验证集上测得"
)


class Measured(Protocol):
    """What was found out about one model."""

    @property
    def numbers(self) -> Numbers:
        """For the gate."""
        ...


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


def champion_or_obstacle(champion: Champion[C], classes: tuple[str, ...], measure: Callable[[C], M]) -> M | Obstacle:
    """What `measure` finds out about the champion, or why a model of these classes is not compared with it."""
    contender = champion.model
    if isinstance(contender, Obstacle):
        return contender
    obstacle = class_obstacle(champion.reference, contender.classes, classes)
    if obstacle is not None:
        return obstacle
    try:
        return measure(contender)
    except Permanent as error:
        return unreadable(champion.reference, error)


def rival_of(reference: str, measured: Measured | Obstacle) -> Rival:
    """The champion as the gate sees it."""
    return Rival(reference, measured if isinstance(measured, Obstacle) else measured.numbers)


def latency_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of the time one sample takes, in milliseconds."""
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def runtime() -> str:
    """What ran the model."""
    return f"ONNX Runtime {onnxruntime.__version__} (CPU)"


def write_report(folder: Path, report: Report, page: str) -> None:
    """Report.json and report.html, where the parent looks for them."""
    (folder / "report.json").write_bytes(to_json(report))
    (folder / "report.html").write_text(page, encoding="utf-8")
