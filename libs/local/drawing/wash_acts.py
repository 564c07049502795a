"""What somebody does at the basin from frame to frame: a script of acts for each kind of hand wash."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, cast, get_args

import numpy as np

from libs.local.drawing.gestures import Action, Interlude, Manner, Step
from libs.vision.procedures import Procedure, ProcedureStep

Scenario = Literal["complete", "missing_step", "wrong_order", "too_short", "no_hands", "hands_rarely_visible"]

BACKGROUND = "other"
_INTERLUDES: frozenset[str] = frozenset(get_args(Interlude))
# What a step needs must be exceeded clearly, or missed clearly: a verdict must not hang on a frame.
_AMPLY, _HARDLY = (1.6, 1.9), (0.4, 0.65)
_AMPLY_IN_ALL = 1.1


@dataclass(frozen=True, slots=True)
class Act:
    """Something done for so many frames; the label is that of its step, or the background."""

    action: Action
    frames: int
    manner: Manner

    @property
    def label(self) -> str:
        """How its frames are labelled."""
        return BACKGROUND if self.action in _INTERLUDES else self.action


def acts_of(scenario: Scenario, procedure: Procedure, rng: np.random.Generator, rate: int) -> tuple[Act, ...]:
    """A script of this kind for this procedure, `rate` frames a second. Its labels must be names of gestures."""
    if scenario == "no_hands":
        unseen: Action = "away" if rng.random() < 0.6 else "covered"
        return (Act(unseen, _frames(rng.uniform(8, 14), rate), Manner()),)
    tempo = float(rng.uniform(0.9, 1.35))
    if scenario == "hands_rarely_visible":
        return _rarely_visible(procedure, rng, tempo, rate)
    labels = _labels(scenario, procedure, rng)
    lengths = _lengths(scenario, labels, procedure, rng, rate)
    washed = [_act(label, frames, rng, tempo) for label, frames in zip(labels, lengths, strict=True)]
    return tuple(_with_interludes(washed, rng, tempo, rate))


def _labels(scenario: Scenario, procedure: Procedure, rng: np.random.Generator) -> list[Step]:
    """The labels in the order in which they are done: sides of a step either way round, steps of one place too."""
    steps: list[ProcedureStep] = [procedure.steps[place] for place in rng.permutation(len(procedure.steps)).tolist()]
    if scenario == "wrong_order":
        _disorder(steps)
    elif procedure.ordered:
        steps.sort(key=lambda step: (step.order is None, step.order or 0))
    labels: list[Step] = [label for step in steps for label in _sides(step, rng)]
    if scenario == "missing_step":
        gone = _left_out(procedure, rng)
        return [label for label in labels if label not in gone]
    if scenario == "complete" and procedure.repeats_allowed and len(labels) > 1 and rng.random() < 0.15:
        labels.append(labels[int(rng.integers(len(labels) - 1))])
    return labels


def _disorder(steps: list[ProcedureStep]) -> None:
    """Shuffled steps that happen to be in order are turned round."""
    places = [step.order for step in steps if step.order is not None]
    if places == sorted(places):
        steps.reverse()


def _left_out(procedure: Procedure, rng: np.random.Generator) -> set[str]:
    """One or two of the things that are needed: a side where each side is, else a step with all its labels."""
    needed: list[tuple[str, ...]] = []
    for step in procedure.steps:
        if step.required:
            needed += [(label,) for label in step.shown_by] if step.each_side else [step.shown_by]
    lots: list[int] = rng.permutation(len(needed))[: int(rng.integers(1, 3))].tolist()
    return {label for lot in lots for label in needed[lot]}


def _sides(step: ProcedureStep, rng: np.random.Generator) -> list[Step]:
    return [cast("Step", step.shown_by[place]) for place in rng.permutation(len(step.shown_by))]


def _lengths(
    scenario: Scenario, labels: Sequence[Step], procedure: Procedure, rng: np.random.Generator, rate: int
) -> list[int]:
    """Frames of each label: amply more than is needed of each and in all, but for the one that is too short."""
    needed = {
        label: step.minimum_seconds / (1 if step.each_side else len(step.shown_by))
        for step in procedure.steps
        for label in step.shown_by
    }
    seconds = [_ample_seconds(label, needed[label], rng) for label in labels]
    short = _short_place(labels, procedure, rng) if scenario == "too_short" else None
    ample = sum(each for place, each in enumerate(seconds) if place != short)
    lasting = max(1.0, _AMPLY_IN_ALL * procedure.minimum_seconds / ample) if ample else 1.0
    frames = [_frames(lasting * each, rate) for each in seconds]
    if short is not None:
        least = needed[labels[short]] * rate
        frames[short] = max(1, min(round(least * rng.uniform(*_HARDLY)), ceil(least) - 1))
    return frames


def _short_place(labels: Sequence[Step], procedure: Procedure, rng: np.random.Generator) -> int | None:
    """One of those that are needed for a while and that one label alone shows."""
    able = {
        label
        for step in procedure.steps
        if step.required and step.minimum_seconds > 0 and (step.each_side or len(step.shown_by) == 1)
        for label in step.shown_by
    }
    places = [place for place, label in enumerate(labels) if label in able]
    return places[int(rng.integers(len(places)))] if places else None


def _ample_seconds(label: Step, needed: float, rng: np.random.Generator) -> float:
    sided = label.endswith(("_left", "_right"))
    usual = rng.uniform(1.7, 2.3) if sided else rng.uniform(1.9, 2.8)
    return float(max(usual, needed * rng.uniform(*_AMPLY)))


def _with_interludes(washed: Sequence[Act], rng: np.random.Generator, tempo: float, rate: int) -> Iterator[Act]:
    """Comes, wets, takes soap, washes with a pause now and then, rinses, goes."""

    def interlude(action: Interlude, low: float, high: float) -> Act:
        return _act(action, _frames(rng.uniform(low, high), rate), rng, tempo)

    yield interlude("arrive", 0.6, 1.0)
    if rng.random() < 0.7:
        yield interlude("wet", 0.6, 1.3)
    if rng.random() < 0.75:
        yield interlude("soap", 0.8, 1.3)
    for place, act in enumerate(washed):
        if place > 0 and rng.random() < 0.2:
            yield interlude("apart", 0.4, 0.8)
        yield act
    if rng.random() < 0.85:
        yield interlude("rinse", 0.8, 1.6)
    if rng.random() < 0.4:
        yield interlude("shake", 0.4, 0.8)
    yield interlude("leave", 0.5, 0.9)


def _rarely_visible(procedure: Procedure, rng: np.random.Generator, tempo: float, rate: int) -> tuple[Act, ...]:
    """A step or two before the camera; else the hands are out of the picture, or something hangs over the lens."""
    unseen: Action = "away" if rng.random() < 0.6 else "covered"
    labels = _labels("complete", procedure, rng)
    first = int(rng.integers(max(1, len(labels) - 1)))
    shown = [_act(label, _frames(rng.uniform(1.6, 2.4), rate), rng, tempo) for label in labels[first : first + 2]]
    seen = [_act("arrive", _frames(0.7, rate), rng, tempo), *shown, _act("leave", _frames(0.6, rate), rng, tempo)]
    hidden = sum(act.frames for act in seen) * float(rng.uniform(1.8, 2.8))
    before = max(1, round(hidden * float(rng.uniform(0.1, 0.9))))
    return (Act(unseen, before, Manner()), *seen, Act(unseen, max(1, round(hidden) - before), Manner()))


def _act(action: Action, frames: int, rng: np.random.Generator, tempo: float) -> Act:
    manner = Manner(
        amplitude=float(rng.uniform(0.7, 1.3)),
        rate=tempo * float(rng.uniform(0.85, 1.15)),
        phase=float(rng.uniform()),
        dx=float(rng.normal(0, 0.018)),
        dy=float(rng.normal(0, 0.018)),
        tilt=float(rng.normal(0, 5)),
        other_side=bool(rng.random() < 0.5),
    )
    return Act(action, frames, manner)


def _frames(seconds: float, rate: int) -> int:
    return max(1, round(seconds * rate))
