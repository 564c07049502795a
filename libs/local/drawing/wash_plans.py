"""What the demo's hand-wash clips show, planned before any is drawn: who washes where, what they do, and the true verdict."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor

import numpy as np

from libs.local.drawing.gestures import STEPS, UNSEEN
from libs.local.drawing.wash_acts import BACKGROUND, Act, Scenario, acts_of
from libs.vision.procedures import Language, Procedure, ProcedureStep, Verdict, judge
from libs.vision.segments import FrameSegment, TimedSegment, timed

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
_BETWEEN_CLIPS = timedelta(minutes=2)
_SIDED = ("palm_over_dorsum", "thumb")


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
    length when `start` begins one. A procedure that takes longer gets longer clips. Raises `ValueError` for one with steps that
    can't be drawn, and for more clips than fit into a recording.
    """
    unknown = sorted({label for step in procedure.steps for label in step.shown_by} - set(STEPS))
    if unknown:
        raise ValueError(f"Steps that can't be drawn: {', '.join(unknown)}; can be: {', '.join(STEPS)}")
    if clips_per_recording * _BETWEEN_CLIPS > every:
        raise ValueError(f"{clips_per_recording} clips {_BETWEEN_CLIPS} apart take longer than {every}")
    scenarios = _scenarios(count, np.random.default_rng((seed, 3)))
    plans: list[WashPlan] = []
    for number, scenario in enumerate(scenarios):
        session, clip = divmod(number, clips_per_recording)
        turn, place = divmod(session, len(cameras))
        own = np.random.default_rng((seed, 1, number))
        acts = acts_of(scenario, procedure, own, frames_per_second)
        plans.append(WashPlan(
            number=number,
            recording=f"{cameras[place]}-{seed}-{turn:03d}",
            camera=cameras[place],
            person=_on_duty(persons, seed, place, turn),
            captured_at=start + turn * every + clip * _BETWEEN_CLIPS + timedelta(seconds=int(own.integers(60))),
            scenario=scenario,
            acts=acts,
            verdict=judge(_segments(acts, frames_per_second), procedure, visible_share=_visible_share(acts)),
            seed=int(own.integers(1 << 31)),
            frames_per_second=frames_per_second,
        ))  # fmt: skip
    return sorted(plans, key=lambda plan: (plan.captured_at, plan.number))


def _on_duty(persons: Sequence[str], seed: int, camera: int, turn: int) -> str:
    """Who washes before this camera at this turn: everybody once, in an order by lot, before anybody comes again.

    By lot alone some would hardly be seen among the few clips of a demo, and no model knows whom it has hardly seen.
    """
    passed, place = divmod(turn, len(persons))
    return persons[int(np.random.default_rng((seed, 2, camera, passed)).permutation(len(persons))[place])]


def number_of(text: str) -> int:
    """A number that stands for a name: what is drawn by lot for it is the same each time."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _scenarios(count: int, rng: np.random.Generator) -> list[Scenario]:
    """As many of each as its share says, by largest remainder, shuffled."""
    exact: dict[Scenario, float] = {scenario: count * share for scenario, share in SHARES.items()}
    given: dict[Scenario, int] = {scenario: floor(many) for scenario, many in exact.items()}
    behind = sorted(exact, key=lambda scenario: given[scenario] - exact[scenario])
    for scenario in behind[: count - sum(given.values())]:
        given[scenario] += 1
    ordered: list[Scenario] = [scenario for scenario, many in given.items() for _ in range(many)]
    lots: list[int] = rng.permutation(count).tolist()
    return [ordered[place] for place in lots]


def _segments(acts: Sequence[Act], rate: int) -> tuple[TimedSegment, ...]:
    found: list[FrameSegment] = []
    at = 0
    for act in acts:
        found.append(FrameSegment(act.label, at, at + act.frames))
        at += act.frames
    return timed(found, frames_per_second=rate, background=BACKGROUND)


def _visible_share(acts: Sequence[Act]) -> float:
    return sum(act.frames for act in acts if act.action not in UNSEEN) / sum(act.frames for act in acts)
