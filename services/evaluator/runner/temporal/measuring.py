"""Measures the model and the champion on the same clips, and keeps the time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.evaluator.domain.assignment import Champion, EvaluatedSplit
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.compliance import impossible_parts
from services.evaluator.domain.gate import Obstacle
from services.evaluator.domain.temporal_assignment import Clip, ShippedClipModel, TemporalAssignment
from services.evaluator.domain.words import Words
from services.evaluator.runner.bench import TEST_IS_EMPTY, Stopwatch, champion_or_obstacle
from services.evaluator.runner.temporal.scores import Measured, measured
from services.evaluator.vision.clips import load_looker


@dataclass
class Bench:
    """Runs clip models over an assignment's clips."""

    assignment: TemporalAssignment
    split: EvaluatedSplit
    tell: Tell
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def clips(self) -> Sequence[Clip]:
        """Those that are judged."""
        return self.assignment.clips[self.split]

    @property
    def notes(self) -> tuple[Words, ...]:
        """What a reader has to know besides the numbers."""
        asked = self.assignment
        unknown = impossible_parts(asked.procedure.steps, asked.classes)
        split = (TEST_IS_EMPTY,) if self.split == "val" else ()
        return (*split, _never_seen(unknown)) if unknown else split

    def measure(self, contender: ShippedClipModel, stage: str = "looking at the clips") -> Measured:
        """Raises `Permanent` where it can't be run."""
        asked = self.assignment
        with self.watch.stage("inference"):
            looker = load_looker(contender, asked.background, asked.procedure, threads=asked.threads)
            seen = looker.look(self.clips, lambda done: self.tell(stage, done, len(self.clips)))
        with self.watch.stage("metrics"):
            return measured(seen, asked.model.classes, asked.background, asked.procedure)

    def measure_champion(self, champion: Champion[ShippedClipModel]) -> Measured | Obstacle:
        """The champion on the same clips, decoded as it ships, or why it can't be measured."""
        return champion_or_obstacle(
            champion,
            self.assignment.model.classes,
            lambda contender: self.measure(contender, "looking at the clips with the champion"),
        )


def _never_seen(labels: tuple[str, ...]) -> Words:
    names = ", ".join(labels)
    return Words(
        en=f"the procedure asks for {names}, which this dataset version does not know: no clip can be compliant by it",
        zh=f"流程要求 {names}，但该数据集版本中没有这些标签：任何片段都无法被判为合规",
    )
