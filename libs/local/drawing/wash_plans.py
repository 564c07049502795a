"""What the demo's hand-wash clips show, planned before any is drawn: who washes where, what they do, and the true verdict."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, cast, get_args

import numpy as np

from libs.local.drawing.gestures import STEPS, UNSEEN, Action, Interlude, Manner, Step
from libs.vision.procedures import Language, Procedure, ProcedureStep, Verdict, judge
from libs.vision.segments import FrameSegment, TimedSegment, timed

Scenario = Literal["complete", "missing_step", "wrong_order", "too_short", "no_hands", "hands_rarely_visible"]

BACKGROUND = "other"
LABELS: tuple[str, ...] = (*STEPS, BACKGROUND)
SHARES: Mapping[Scenario, float] = {
    "complete": 0.44,
    "missing_step": 0.2,
    "wrong_order": 0.14,
    "too_short": 0.1,
    "no_hands": 0.05,
    "hands_rarely_visible": 0.07,
}
MINIMUM_STEP_SECONDS = 1.0
MINIMUM_WASH_SECONDS = 10.0
MINIMUM_VISIBLE_SHARE = 0.5
TITLES: Mapping[str, Mapping[Language, str]] = {
    "palm_to_palm": {"en": "palm to palm", "zh": "掌心相对揉搓"},
    "palm_over_dorsum": {"en": "palm over back of hand", "zh": "掌心对手背揉搓"},
    "fingers_interlaced": {"en": "fingers interlaced", "zh": "十指交叉揉搓"},
    "backs_of_fingers": {"en": "backs of fingers", "zh": "指背揉搓"},
    "thumb": {"en": "thumb", "zh": "拇指揉搓"},
    "fingertips": {"en": "fingertips", "zh": "指尖揉搓"},
}
_SIDED = ("palm_over_dorsum", "thumb")
_INTERLUDES: frozenset[str] = frozenset(get_args(Interlude))
# What a step takes at least must be exceeded clearly, or missed clearly: a verdict must not hang on a frame.
_AMPLY, _HARDLY = 1.6, 0.55
_MOST_SCALED = 0.5


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


@dataclass(frozen=True, slots=True)
class WashPlan:
    """One clip: what is done in it frame by frame, and the truth about it.

    Clips of one `recording` show one person before one camera within minutes; a split must not part them. Camera and
    person look the same in every clip that names them; all else in the picture is by `seed`.
    """

    number: int
    recording: str
    camera: str
    person: str
    captured_at: datetime
    scenario: Scenario
    acts: tuple[Act, ...]
    verdict: Verdict
    seed: int
    frames_per_second: int = 10
    size: tuple[int, int] = (320, 240)

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return sum(act.frames for act in self.acts)

    @property
    def seconds(self) -> float:
        """How long the clip is."""
        return self.frames / self.frames_per_second

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of every frame."""
        return tuple(act.label for act in self.acts for _ in range(act.frames))

    @property
    def segments(self) -> tuple[TimedSegment, ...]:
        """The steps, exact to the frame; the background is left out."""
        return _segments(self.acts, self.frames_per_second)

    @property
    def visible_share(self) -> float:
        """The share of frames with hands in the picture."""
        return _visible_share(self.acts)


def demo_procedure() -> Procedure:
    """The wash the demo asks for: the six steps in their order, both sides of those that have sides, 1 s each."""
    return Procedure(
        steps=tuple(
            ProcedureStep(
                name=name,
                titles=titles,
                minimum_seconds=MINIMUM_STEP_SECONDS,
                order=place,
                labels=(f"{name}_left", f"{name}_right") if name in _SIDED else (),
                each_side=name in _SIDED,
            )
            for place, (name, titles) in enumerate(TITLES.items(), start=1)
        ),
        minimum_seconds=MINIMUM_WASH_SECONDS,
        ordered=True,
        minimum_visible=MINIMUM_VISIBLE_SHARE,
    )


def plan_washes(
    count: int,
    seed: int,
    procedure: Procedure,
    cameras: Sequence[str],
    persons: Sequence[str],
    *,
    start: datetime = datetime(2026, 1, 5, 6, tzinfo=UTC),
    every: timedelta = timedelta(hours=1),
    clips_per_recording: int = 2,
    frames_per_second: int = 10,
) -> list[WashPlan]:
    """Plans `count` clips in the order of time, scenarios in the shares of `SHARES`; the same arguments plan the same.

    Each camera has a recording per `every`, its clips two minutes apart: recordings fall into distinct time blocks of that
    length when `start` begins one. Raises `ValueError` for a procedure with steps that can't be drawn.
    """
    unknown = sorted({label for step in procedure.steps for label in step.shown_by} - set(STEPS))
    if unknown:
        raise ValueError(f"Steps that can't be drawn: {', '.join(unknown)}; can be: {', '.join(STEPS)}")
    rng = np.random.default_rng((seed, 7))
    scenarios = _scenarios(count, rng)
    plans: list[WashPlan] = []
    for number, scenario in enumerate(scenarios):
        session, clip = divmod(number, clips_per_recording)
        turn, place = divmod(session, len(cameras))
        own = np.random.default_rng((seed, number))
        acts = _acts(scenario, procedure, own, frames_per_second)
        person = np.random.default_rng((seed, session, 11)).integers(len(persons))
        plans.append(WashPlan(
            number=number,
            recording=f"{cameras[place]}-{seed}-{turn:03d}",
            camera=cameras[place],
            person=persons[int(person)],
            captured_at=start + turn * every + timedelta(minutes=2 * clip, seconds=int(own.integers(60))),
            scenario=scenario,
            acts=acts,
            verdict=judge(_segments(acts, frames_per_second), procedure, visible_share=_visible_share(acts)),
            seed=int(own.integers(2**31)),
            frames_per_second=frames_per_second,
        ))  # fmt: skip
    return sorted(plans, key=lambda plan: (plan.captured_at, plan.number))


def number_of(text: str) -> int:
    """A number that stands for a name: what is drawn by lot for it is the same each time."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _scenarios(count: int, rng: np.random.Generator) -> list[Scenario]:
    """As many of each as its share says, by largest remainder, shuffled."""
    exact = {scenario: count * share for scenario, share in SHARES.items()}
    given = {scenario: int(many) for scenario, many in exact.items()}
    behind = sorted(exact, key=lambda scenario: given[scenario] - exact[scenario])
    for scenario in behind[: count - sum(given.values())]:
        given[scenario] += 1
    ordered = [scenario for scenario, many in given.items() for _ in range(many)]
    return [ordered[place] for place in rng.permutation(count)]


def _acts(scenario: Scenario, procedure: Procedure, rng: np.random.Generator, rate: int) -> tuple[Act, ...]:
    if scenario == "no_hands":
        unseen: Action = "away" if rng.random() < 0.6 else "covered"
        return (Act(unseen, _frames(rng.uniform(8, 14), rate), Manner()),)
    tempo = float(rng.uniform(0.9, 1.35))
    if scenario == "hands_rarely_visible":
        return _rarely_visible(procedure, rng, tempo, rate)
    steps = _order(scenario, procedure, rng)
    washed = [replace(act, frames=frames) for act, frames in zip(
        (_act(label, 0, rng, tempo) for label in steps), _lengths(scenario, steps, procedure, rng, rate), strict=True
    )]  # fmt: skip
    return tuple(_with_interludes(washed, rng, tempo, rate))


def _order(scenario: Scenario, procedure: Procedure, rng: np.random.Generator) -> list[Step]:
    """The labels in the order in which they are done: sides of a step either way round, steps of one place too."""
    steps = [procedure.steps[place] for place in rng.permutation(len(procedure.steps))]
    if procedure.ordered and scenario != "wrong_order":
        steps.sort(key=lambda step: (step.order is None, step.order or 0))
    labels = [label for step in steps for label in _sides(step, rng)]
    if scenario == "wrong_order":
        return _disordered(steps, procedure, rng)
    if scenario == "missing_step":
        needed = [label for step in procedure.steps if step.required for label in step.shown_by]
        gone = rng.choice(needed, min(len(needed), int(rng.integers(1, 3))), replace=False).tolist()
        gone += [label for step in procedure.steps if not step.each_side and set(step.shown_by) & set(gone)
                 for label in step.shown_by]  # fmt: skip
        return [label for label in labels if label not in gone]
    if scenario == "complete" and procedure.repeats_allowed and rng.random() < 0.15:
        labels.append(labels[int(rng.integers(len(labels) - 1))])
    return labels


def _sides(step: ProcedureStep, rng: np.random.Generator) -> list[Step]:
    return [cast("Step", step.shown_by[place]) for place in rng.permutation(len(step.shown_by))]


def _disordered(steps: Sequence[ProcedureStep], procedure: Procedure, rng: np.random.Generator) -> list[Step]:
    """All steps, two or more of them out of their order wherever the procedure has one."""
    shuffled = list(steps)
    places = sorted({step.order for step in steps if step.order is not None})
    if procedure.ordered and len(places) > 1:
        by_place = [step.order for step in shuffled if step.order is not None]
        if by_place == sorted(by_place):
            shuffled.reverse()
    return [label for step in shuffled for label in _sides(step, rng)]


def _lengths(
    scenario: Scenario, labels: Sequence[Step], procedure: Procedure, rng: np.random.Generator, rate: int
) -> list[int]:
    """Frames of each act: amply more than is needed of each and in all, but for the one that is too short."""
    needed = {label: step.minimum_seconds / (1 if step.each_side else len(step.shown_by))
              for step in procedure.steps for label in step.shown_by}  # fmt: skip
    seconds = np.array([_seconds(label, needed[label], rng) for label in labels])
    short = _short_place(labels, procedure, rng) if scenario == "too_short" else None
    if short is not None:
        seconds[short] = 0.0
    if 0 < seconds.sum() < 1.1 * procedure.minimum_seconds:
        seconds *= 1.1 * procedure.minimum_seconds / seconds.sum()
    if short is not None:
        seconds[short] = needed[labels[short]] * rng.uniform(_MOST_SCALED * _HARDLY, _HARDLY) + 1e-9
    return [_frames(each, rate) for each in seconds.tolist()]


def _short_place(labels: Sequence[Step], procedure: Procedure, rng: np.random.Generator) -> int | None:
    """One of the steps that are needed for a while, done once and shown by one label."""
    able = [label for step in procedure.steps if step.required and step.minimum_seconds > 0
            and (step.each_side or len(step.shown_by) == 1) for label in step.shown_by]  # fmt: skip
    places = [place for place, label in enumerate(labels) if label in able]
    return places[int(rng.integers(len(places)))] if places else None


def _seconds(label: Step, needed: float, rng: np.random.Generator) -> float:
    sided = label.endswith(("_left", "_right"))
    usual = rng.uniform(1.7, 2.5) if sided else rng.uniform(2.0, 3.2)
    return float(max(usual, needed * rng.uniform(_AMPLY, _AMPLY + 0.3)))


def _with_interludes(washed: Sequence[Act], rng: np.random.Generator, tempo: float, rate: int) -> Iterator[Act]:
    """Comes, wets, takes soap, washes with a pause now and then, rinses, goes."""

    def interlude(action: Interlude, low: float, high: float) -> Act:
        return _act(action, _frames(rng.uniform(low, high), rate), rng, tempo)

    yield interlude("arrive", 0.6, 1.0)
    if rng.random() < 0.7:
        yield interlude("wet", 0.6, 1.3)
    if rng.random() < 0.75:
        yield interlude("soap", 0.8, 1.3)
    for act, following in pairwise([*washed, None]):
        assert act is not None
        yield act
        if following is not None and (rng.random() < 0.2 or act.action == following.action):
            yield interlude("apart", 0.4, 0.8)
    if rng.random() < 0.85:
        yield interlude("rinse", 0.8, 1.6)
    if rng.random() < 0.4:
        yield interlude("shake", 0.4, 0.8)
    yield interlude("leave", 0.5, 0.9)


def _rarely_visible(procedure: Procedure, rng: np.random.Generator, tempo: float, rate: int) -> tuple[Act, ...]:
    """A step or two before the camera; else the hands are out of the picture, or something hangs over the lens."""
    unseen: Action = "away" if rng.random() < 0.6 else "covered"
    labels = _order("complete", procedure, rng)
    first = int(rng.integers(len(labels) - 1))
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


def _segments(acts: Sequence[Act], rate: int) -> tuple[TimedSegment, ...]:
    found: list[FrameSegment] = []
    at = 0
    for act in acts:
        found.append(FrameSegment(act.label, at, at + act.frames))
        at += act.frames
    return timed(found, frames_per_second=rate, background=BACKGROUND)


def _visible_share(acts: Sequence[Act]) -> float:
    return sum(act.frames for act in acts if act.action not in UNSEEN) / sum(act.frames for act in acts)
