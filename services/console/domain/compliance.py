"""How well hands are washed: judged washes by camera, shift and day. Every figure names its clips and who judged them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any, Literal, TypeVar

from services.console.domain.shifts import ShiftPlan

Outcome = Literal["compliant", "non_compliant", "undetermined"]
K = TypeVar("K", bound=tuple[Any, ...])


@dataclass(frozen=True)
class MeasuredModel:
    """A model version, and how right its verdicts were when it was evaluated (shares of 0..1, None if nobody knows)."""

    name: str
    version: int
    sensitivity: float | None
    specificity: float | None

    @property
    def reference(self) -> str:
        """As people write it: handwash@3."""
        return f"{self.name}@{self.version}"

    @property
    def order(self) -> tuple[str, int, str]:
        """By name, then version."""
        return self.name, self.version, f"{self.sensitivity} {self.specificity}"


@dataclass(frozen=True)
class Wash:
    """A clip and what a model made of it."""

    clip_id: str
    camera_id: str
    captured_at: datetime
    verdict: Outcome
    missing_steps: tuple[str, ...]
    seconds: float
    model: MeasuredModel


@dataclass(frozen=True)
class Figures:
    """Counts of washes that one model version judged, each as the ids of its clips."""

    model: MeasuredModel
    compliant: tuple[str, ...]
    non_compliant: tuple[str, ...]
    undetermined: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]
    median_seconds: float | None

    @property
    def washes(self) -> int:
        """All of them."""
        return len(self.compliant) + len(self.non_compliant) + len(self.undetermined)

    @property
    def rate(self) -> float | None:
        """Compliant ones by those that could be judged; None where none could."""
        judged = len(self.compliant) + len(self.non_compliant)
        return len(self.compliant) / judged if judged else None


@dataclass(frozen=True)
class ShiftRow:
    """One camera in one shift of one day; where the model changed meanwhile there is a row for each."""

    day: date
    shift: int
    camera_id: str
    figures: Figures


@dataclass(frozen=True)
class CameraRow:
    """One camera over all days."""

    camera_id: str
    figures: Figures


@dataclass(frozen=True)
class ComplianceReport:
    """Rows in the order of their time, and what they come to per camera. `washes` are those that were counted."""

    plan: ShiftPlan
    rows: tuple[ShiftRow, ...]
    cameras: tuple[CameraRow, ...]
    washes: tuple[Wash, ...]

    @property
    def steps(self) -> tuple[str, ...]:
        """All steps that were missing anywhere."""
        return tuple(sorted({step for row in self.cameras for step in row.figures.missing}))


def compliance_report(washes: Iterable[Wash], plan: ShiftPlan) -> ComplianceReport:
    """Count washes. One that is told twice by the same model counts once, as it was told last."""
    last = {(wash.clip_id, wash.model.reference): wash for wash in washes}
    counted = tuple(sorted(last.values(), key=lambda wash: (wash.captured_at, wash.clip_id, wash.model.order)))
    shifts = _grouped(counted, lambda wash: (*plan.place(wash.captured_at), wash.camera_id))
    cameras = _grouped(counted, lambda wash: (wash.camera_id,))
    return ComplianceReport(
        plan=plan,
        rows=tuple(ShiftRow(day, shift, camera, figures) for (day, shift, camera), figures in shifts),
        cameras=tuple(CameraRow(camera, figures) for (camera,), figures in cameras),
        washes=counted,
    )


def _grouped(washes: Iterable[Wash], key: Callable[[Wash], K]) -> list[tuple[K, Figures]]:
    """Figures by key and model version, in the order of both."""
    groups: dict[tuple[K, MeasuredModel], list[Wash]] = {}
    for wash in washes:
        groups.setdefault((key(wash), wash.model), []).append(wash)
    ordered = sorted(groups, key=lambda group: (group[0], group[1].order))
    return [(group[0], _figures(group[1], groups[group])) for group in ordered]


def _figures(model: MeasuredModel, washes: Sequence[Wash]) -> Figures:
    """Of an undetermined wash nobody knows its steps nor its time."""
    judged = [wash for wash in washes if wash.verdict != "undetermined"]
    missing: dict[str, list[str]] = {}
    for wash in judged:
        for step in wash.missing_steps:
            missing.setdefault(step, []).append(wash.clip_id)
    return Figures(
        model=model,
        compliant=_clips(washes, "compliant"),
        non_compliant=_clips(washes, "non_compliant"),
        undetermined=_clips(washes, "undetermined"),
        missing={step: tuple(clips) for step, clips in sorted(missing.items())},
        median_seconds=median(wash.seconds for wash in judged) if judged else None,
    )


def _clips(washes: Sequence[Wash], verdict: Outcome) -> tuple[str, ...]:
    return tuple(wash.clip_id for wash in washes if wash.verdict == verdict)
