"""The gate: which numbers hold an evaluated model back, said in words that name values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.evaluator.domain.words import Words, differing

Scores = Mapping[str, float | None]
NO_SCORES: Scores = {}
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Rules:
    """`GateRules` of the workflow file as plain values: the child starts a quarter of a second sooner without pydantic."""

    minimum: Mapping[str, float] = field(default_factory=dict[str, float])
    per_class_minimum: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    maximum_drop: Mapping[str, float] = field(default_factory=dict[str, float])
    maximum_camera_drop: float | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was measured of one model: overall, by class and by camera; None where there was nothing to judge."""

    overall: Scores
    per_class: Mapping[str, Scores] = field(default_factory=dict[str, Scores])
    per_camera: Mapping[str, Scores] = field(default_factory=dict[str, Scores])


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why there is no comparison. `blocks`: rules about drops then fail, for a champion nobody could measure is no excuse."""

    words: Words
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion as the gate sees it: its numbers on the same pictures, or what kept it from being measured."""

    name: str
    measured: Numbers | Obstacle


@dataclass(frozen=True, slots=True)
class Verdict:
    """`failures` hold the model back; `notes` say what a reader has to know besides."""

    failures: tuple[Words, ...]
    notes: tuple[Words, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def reasons(self) -> tuple[str, ...]:
        """For the event: failures first, then notes, in English."""
        return tuple(words.en for words in (*self.failures, *self.notes))


def judge(
    rules: Rules, model: Numbers, rival: Rival | None, notes: tuple[Words, ...] = (), *, camera_metric: str
) -> Verdict:
    """Hold the numbers to the workflow's rules; rules about drops need a champion, all others don't.

    `camera_metric` is the metric in which no camera may drop.
    """
    failures = [*_minimum_failures(rules, model), *_class_failures(rules, model)]
    if rival is None:
        return Verdict(tuple(failures), (*notes, NO_CHAMPION))
    if isinstance(rival.measured, Obstacle):
        if rival.measured.blocks and _asks_for_champion(rules):
            return Verdict((*failures, rival.measured.words), notes)
        return Verdict(tuple(failures), (*notes, rival.measured.words))
    failures += [*_drop_failures(rules, model, rival.name, rival.measured)]
    failures += [*_camera_failures(rules, model, rival, rival.measured, camera_metric)]
    return Verdict(tuple(failures), notes)


NO_CHAMPION = Words(
    en="not compared with a champion: this workflow has none yet", zh="未与现役模型比较：该工作流还没有现役模型"
)


def _asks_for_champion(rules: Rules) -> bool:
    return bool(rules.maximum_drop) or rules.maximum_camera_drop is not None


def _minimum_failures(rules: Rules, model: Numbers) -> Iterator[Words]:
    for metric, floor in rules.minimum.items():
        yield from _below(metric, model.overall.get(metric), floor)


def _class_failures(rules: Rules, model: Numbers) -> Iterator[Words]:
    for label, floors in rules.per_class_minimum.items():
        for metric, floor in floors.items():
            value = model.per_class.get(label, NO_SCORES).get(metric)
            yield from _below(f"{metric} of {label}", value, floor, zh_name=f"{label} 的 {metric}")


def _below(name: str, value: float | None, floor: float, *, zh_name: str | None = None) -> Iterator[Words]:
    zh_name = zh_name or name
    if value is None:
        yield Words(
            en=f"{name} could not be measured (nothing to judge it by); the minimum is {floor:.2f}",
            zh=f"{zh_name} 无法测量（没有可供评判的标注），下限为 {floor:.2f}",
        )
    elif value < floor - ROUNDING:
        shown, limit = differing(value, floor)
        yield Words(en=f"{name} {shown} is below the minimum {limit}", zh=f"{zh_name} 为 {shown}，低于下限 {limit}")


def _drop_failures(rules: Rules, model: Numbers, champion: str, theirs: Numbers) -> Iterator[Words]:
    for metric, allowed in rules.maximum_drop.items():
        before, after = theirs.overall.get(metric), model.overall.get(metric)
        yield from _dropped(metric, before, after, allowed, champion=champion)


def _camera_failures(rules: Rules, model: Numbers, rival: Rival, theirs: Numbers, metric: str) -> Iterator[Words]:
    if rules.maximum_camera_drop is None:
        return
    for camera, scores in theirs.per_camera.items():
        before, after = scores.get(metric), model.per_camera.get(camera, NO_SCORES).get(metric)
        yield from _dropped(
            f"{metric} on camera {camera}", before, after, rules.maximum_camera_drop, champion=rival.name
        )


def _dropped(name: str, before: float | None, after: float | None, allowed: float, *, champion: str) -> Iterator[Words]:
    if before is None:
        return
    if after is None:
        yield Words(
            en=f"{name} could not be measured; the champion {champion} has {before:.2f}",
            zh=f"{name} 无法测量，而现役模型 {champion} 为 {before:.2f}",
        )
    elif after < before - allowed - ROUNDING:
        lost, limit = differing(before - after, allowed)
        yield Words(
            en=f"{name} {after:.3f} is {lost} below the champion {champion} ({before:.3f}); {limit} is allowed",
            zh=f"{name} 为 {after:.3f}，比现役模型 {champion}（{before:.3f}）低 {lost}，最多允许低 {limit}",
        )
