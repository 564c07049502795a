"""A procedure is a list of steps with times; `judge` says whether a clip shows it, and if not, why, in words for people.

Times per step are no standard of anybody: they are configuration. The whole of a hand wash takes 40 to 60 seconds, of a hand rub
20 to 30 (World Health Organization, "WHO Guidelines on Hand Hygiene in Health Care", 2009, part I, 21.4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, Protocol

from libs.vision.segments import TimedSegment

Outcome = Literal["compliant", "non_compliant", "undetermined"]
Code = Literal["missing", "too_short", "order", "repeated", "total_too_short", "hands_not_visible"]
Language = Literal["en", "zh"]

WORDS: Mapping[Code, Mapping[Language, str]] = {
    "missing": {
        "en": "{step} is missing",
        "zh": "缺少步骤：{step}",
    },
    "too_short": {
        "en": "{step} took {seconds:.1f} s, at least {needed:.1f} s are needed",
        "zh": "{step}只有 {seconds:.1f} 秒，至少需要 {needed:.1f} 秒",
    },
    "order": {
        "en": "{step} came before {other}",
        "zh": "{step}早于{other}，顺序错误",
    },
    "repeated": {
        "en": "{step} was done more than once",
        "zh": "{step}重复进行",
    },
    "total_too_short": {
        "en": "{seconds:.1f} s in all, at least {needed:.1f} s are needed",
        "zh": "总时长 {seconds:.1f} 秒，至少需要 {needed:.1f} 秒",
    },
    "hands_not_visible": {
        "en": "hands were visible for {seconds:.0f} % of the time, at least {needed:.0f} % are needed to judge",
        "zh": "双手可见时间仅占 {seconds:.0f}%，至少需要 {needed:.0f}% 才能判断",
    },
}


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """One step. `labels` are the segment labels that show it, its own name unless it has sides.

    With `each_side` every label needs `minimum_seconds` (left and right), else all together. `order` is its place; steps of
    one place may come in any order among themselves, one without a place at any time.
    """

    name: str
    titles: Mapping[Language, str] = field(default_factory=dict[Language, str])
    required: bool = True
    minimum_seconds: float = 1.0
    order: int | None = None
    labels: tuple[str, ...] = ()
    each_side: bool = False

    @property
    def shown_by(self) -> tuple[str, ...]:
        """The segment labels that show it."""
        return self.labels or (self.name,)


@dataclass(frozen=True, slots=True)
class Procedure:
    """What a whole wash needs. `minimum_visible` of 0..1: with less of the hands in sight nothing can be said."""

    steps: tuple[ProcedureStep, ...]
    minimum_seconds: float = 0.0
    ordered: bool = False
    repeats_allowed: bool = True
    minimum_visible: float = 0.5

    def __post_init__(self) -> None:
        shown = [label for step in self.steps for label in step.shown_by]
        doubled = sorted({label for label in shown if shown.count(label) > 1})
        if doubled:
            raise ValueError(f"labels that show more than one step: {', '.join(doubled)}")


class StepRules(Protocol):
    """A step as a workflow file states it."""

    @property
    def name(self) -> str: ...
    @property
    def titles(self) -> Mapping[Language, str]: ...
    @property
    def required(self) -> bool: ...
    @property
    def minimum_seconds(self) -> float: ...
    @property
    def order(self) -> int | None: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def each_side(self) -> bool: ...


class ProcedureRules(Protocol):
    """A procedure as a workflow file states it."""

    @property
    def steps(self) -> Sequence[StepRules]: ...
    @property
    def minimum_seconds(self) -> float: ...
    @property
    def ordered(self) -> bool: ...
    @property
    def repeats_allowed(self) -> bool: ...
    @property
    def minimum_visible(self) -> float: ...


def procedure_of(rules: ProcedureRules) -> Procedure:
    """The procedure that a workflow file asks for."""
    steps = tuple(
        ProcedureStep(
            name=step.name,
            titles=step.titles,
            required=step.required,
            minimum_seconds=step.minimum_seconds,
            order=step.order,
            labels=step.labels,
            each_side=step.each_side,
        )
        for step in rules.steps
    )
    return Procedure(steps, rules.minimum_seconds, rules.ordered, rules.repeats_allowed, rules.minimum_visible)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a clip is not compliant, or cannot be judged. `seconds` and `needed` are per cent for `hands_not_visible`."""

    code: Code
    step: str | None = None
    other: str | None = None
    seconds: float | None = None
    needed: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a clip. `seconds` are those of each label that shows a step; `total` is their sum."""

    outcome: Outcome
    seconds: Mapping[str, float]
    total: float
    missing: tuple[str, ...]
    reasons: tuple[Reason, ...]


def judge(segments: Iterable[TimedSegment], procedure: Procedure, *, visible_share: float = 1.0) -> Verdict:
    """Whether these segments are a whole wash: T_s >= tau_s for every required step, T >= T_min, no inversion of first begins.

    Segments of labels no step knows (the background) count nowhere. Overlapping segments of one label count once.
    """
    washed = _merged(segments, {label for step in procedure.steps for label in step.shown_by})
    seconds = {label: _sum(s.seconds for s in washed if s.step == label) for label in {s.step for s in washed}}
    total = _sum(seconds.values())
    missing, reasons = _presence(procedure, seconds)
    if procedure.ordered:
        reasons += _inversions(procedure, washed)
    if not procedure.repeats_allowed:
        reasons += _repeats(procedure, washed)
    if total < procedure.minimum_seconds:
        reasons.append(Reason("total_too_short", seconds=total, needed=procedure.minimum_seconds))
    outcome: Outcome = "non_compliant" if reasons else "compliant"
    if visible_share < procedure.minimum_visible:
        outcome = "undetermined"
        shares = Reason("hands_not_visible", seconds=100 * visible_share, needed=100 * procedure.minimum_visible)
        reasons.insert(0, shares)
    return Verdict(outcome, seconds, total, tuple(missing), tuple(reasons))


def _sum(seconds: Iterable[float]) -> float:
    """To the microsecond: from 7.2 to 8.2 is a second, and not a rounding error less than one."""
    return round(sum(seconds), 6)


def _merged(segments: Iterable[TimedSegment], known: set[str]) -> list[TimedSegment]:
    """Known segments in time order; those of one label that touch or overlap are one."""
    merged: dict[str, list[TimedSegment]] = {}
    for segment in sorted(segments, key=lambda s: (s.start, s.end)):
        if segment.step not in known or segment.seconds <= 0:
            continue
        runs = merged.setdefault(segment.step, [])
        if runs and segment.start <= runs[-1].end:
            runs[-1] = TimedSegment(segment.step, runs[-1].start, max(runs[-1].end, segment.end))
        else:
            runs.append(segment)
    return sorted((run for runs in merged.values() for run in runs), key=lambda s: (s.start, s.end, s.step))


def _presence(procedure: Procedure, seconds: Mapping[str, float]) -> tuple[list[str], list[Reason]]:
    """Required steps (of a step with sides: its labels) that are not there, or not for long enough."""
    missing, reasons = list[str](), list[Reason]()
    for step in procedure.steps:
        parts = [(label, (label,)) for label in step.shown_by] if step.each_side else [(step.name, step.shown_by)]
        for name, labels in parts if step.required else ():
            lasted = _sum(seconds.get(label, 0.0) for label in labels)
            if lasted < step.minimum_seconds or lasted == 0:
                missing.append(name)
                reasons.append(
                    Reason("too_short", name, seconds=lasted, needed=step.minimum_seconds)
                    if lasted
                    else Reason("missing", name)
                )
    return missing, reasons


def _inversions(procedure: Procedure, washed: Sequence[TimedSegment]) -> list[Reason]:
    """Steps whose first begin is before that of a step with an earlier place; each named with the latest such step."""
    begins = _begins(procedure, washed)
    placed = [step for step in procedure.steps if step.order is not None and step.name in begins]
    reasons: list[Reason] = []
    for step in placed:
        earlier = [o for o in placed if (o.order or 0) < (step.order or 0) and begins[o.name] > begins[step.name]]
        if earlier:
            reasons.append(Reason("order", step.name, other=max(earlier, key=lambda o: begins[o.name]).name))
    return reasons


def _begins(procedure: Procedure, washed: Sequence[TimedSegment]) -> dict[str, float]:
    """First begin of each step that is there."""
    begins: dict[str, float] = {}
    for step in procedure.steps:
        starts = [segment.start for segment in washed if segment.step in step.shown_by]
        if starts:
            begins[step.name] = min(starts)
    return begins


def _repeats(procedure: Procedure, washed: Sequence[TimedSegment]) -> list[Reason]:
    """Steps taken up again after another one. The other side of the same step is no repetition, the same side is."""
    owner = {label: step.name for step in procedure.steps for label in step.shown_by}
    visits: list[str] = [run.step for run in washed]
    changes = [label for before, label in pairwise([None, *visits]) if label != before and label is not None]
    again = {owner[label] for label in changes if changes.count(label) > 1}
    return [Reason("repeated", step.name) for step in procedure.steps if step.name in again]


def in_words(
    reason: Reason, procedure: Procedure, language: Language, label_titles: Mapping[str, str] | None = None
) -> str:
    """The reason as a sentence part for people, in English or Chinese; steps by their titles.

    `label_titles` says what people call the labels of steps with sides, in this language.
    """
    titles = {step.name: step.titles.get(language, step.name) for step in procedure.steps}
    titles = {**(label_titles or {}), **titles}
    return WORDS[reason.code][language].format(
        step=titles.get(reason.step or "", reason.step or ""),
        other=titles.get(reason.other or "", reason.other or ""),
        seconds=reason.seconds or 0.0,
        needed=reason.needed or 0.0,
    )
