"""How far a model's verdicts can be trusted: those it comes to, against those that what people marked comes to.

In 3,185 real hospital washes 6.2 % were compliant: who always says "not compliant" is right in 93.8 %. So the accuracy of
verdicts says nothing; sensitivity and specificity do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from libs.vision.procedures import Code, Outcome, Procedure, ProcedureStep
from services.evaluator.domain.bootstrap import FloatArray
from services.evaluator.domain.ratios import Rate, Ratio, counted, rate_of
from services.evaluator.domain.washes import JudgedWash

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CODES: tuple[Code, ...] = get_args(Code)


@dataclass(frozen=True, slots=True)
class WashPair:
    """One clip: the verdict of what a person marked, and of what the model said."""

    truth: JudgedWash
    said: JudgedWash


@dataclass(frozen=True, slots=True)
class MissingStep:
    """Of the clips that could be judged: in how many a step is missing, in how many the model says so, and how right."""

    true: int
    said: int
    precision: Rate
    recall: Rate


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """In how many clips there is this reason: truly, by the model, and both."""

    true: int
    said: int
    both: int


@dataclass(frozen=True, slots=True)
class ComplianceMeasures:
    """Verdicts of N clips. All rates are over the clips that could be judged: undetermined ones are counted apart.

    sensitivity: of the clips that are truly not compliant, those the model calls so; specificity: of the compliant ones,
    those it calls compliant. `outcomes[truth][said]` counts all clips.
    """

    clips: int
    undetermined: int
    outcomes: Mapping[str, Mapping[str, int]]
    true_rate: Rate
    rate: Rate
    sensitivity: Rate
    specificity: Rate
    steps: Mapping[str, MissingStep]
    reasons: Mapping[str, ReasonCount]


def compliance_measures(
    pairs: Sequence[WashPair], procedure: Procedure, weights: FloatArray | None = None
) -> ComplianceMeasures:
    """Count the verdicts; with `weights` of redrawn clips [R, N], rates have intervals."""
    ratios = compliance_ratios(pairs)
    judged = [pair for pair in pairs if pair.said.determined]
    return ComplianceMeasures(
        clips=len(pairs),
        undetermined=len(pairs) - len(judged),
        outcomes={true: {said: _count(pairs, true, said) for said in OUTCOMES} for true in OUTCOMES},
        true_rate=rate_of(counted([_compliant(p.truth) for p in pairs], _determined(pairs)), weights),
        rate=rate_of(ratios["compliance_rate"], weights),
        sensitivity=rate_of(ratios["sensitivity"], weights),
        specificity=rate_of(ratios["specificity"], weights),
        steps={name: _missing(pairs, name, weights) for name in required_parts(procedure.steps)},
        reasons={code: _reason(judged, code) for code in CODES if code != "hands_not_visible"},
    )


def compliance_ratios(pairs: Sequence[WashPair]) -> dict[str, Ratio]:
    """The rates of the verdicts, by the names of events, in the order of the clips."""
    judged = _determined(pairs)
    bad = [not _compliant(pair.truth) for pair in pairs]
    said_bad = [not _compliant(pair.said) for pair in pairs]
    return {
        "sensitivity": counted(said_bad, _both(judged, bad)),
        "specificity": counted(_not(said_bad), _both(judged, _not(bad))),
        "compliance_rate": counted(_not(said_bad), judged),
    }


def required_parts(steps: Iterable[ProcedureStep]) -> tuple[str, ...]:
    """What can be missing: required steps, and of those that need each side both labels, in the order of the procedure."""
    return tuple(
        name for step in steps if step.required for name in (step.shown_by if step.each_side else (step.name,))
    )


def impossible_parts(steps: Iterable[ProcedureStep], known: Sequence[str]) -> tuple[str, ...]:
    """Required parts that no clip can show, because none of the labels that would is known."""
    found: list[str] = []
    for step in steps:
        for name in required_parts([step]):
            labels = (name,) if step.each_side else step.shown_by
            if not set(labels) & set(known):
                found.append(name)
    return tuple(found)


def _missing(pairs: Sequence[WashPair], name: str, weights: FloatArray | None) -> MissingStep:
    judged = _determined(pairs)
    true = _both(judged, [name in pair.truth.missing_steps for pair in pairs])
    said = _both(judged, [name in pair.said.missing_steps for pair in pairs])
    return MissingStep(
        true=sum(true),
        said=sum(said),
        precision=rate_of(counted(true, said), weights),
        recall=rate_of(counted(said, true), weights),
    )


def _reason(pairs: Sequence[WashPair], code: Code) -> ReasonCount:
    true = [any(reason.code == code for reason in pair.truth.reasons) for pair in pairs]
    said = [any(reason.code == code for reason in pair.said.reasons) for pair in pairs]
    return ReasonCount(sum(true), sum(said), sum(_both(true, said)))


def _count(pairs: Sequence[WashPair], true: Outcome, said: Outcome) -> int:
    return sum(pair.truth.verdict == true and pair.said.verdict == said for pair in pairs)


def _determined(pairs: Sequence[WashPair]) -> list[bool]:
    return [pair.truth.determined and pair.said.determined for pair in pairs]


def _compliant(wash: JudgedWash) -> bool:
    return wash.verdict == "compliant"


def _both(left: Sequence[bool], right: Sequence[bool]) -> list[bool]:
    return [a and b for a, b in zip(left, right, strict=True)]


def _not(values: Sequence[bool]) -> list[bool]:
    return [not value for value in values]
