"""The numbers of a clip model under the names that events and gate rules use.

Frame accuracy, macro F1, edit and F1@k are per cent, as they are published everywhere; all other shares are of 0..1.
`per_class` carries the contract's by-step numbers: step_recall{s} is per_class[s].step_recall, missing_steps{s} is
per_class[s].missing_steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.vision.procedures import Procedure
from libs.vision.temporal_metrics import OVERLAPS, TemporalMeasures, temporal_measures
from services.evaluator.domain.bootstrap import MINIMUM_SAMPLES, SEED, Interval, difference_interval, drawn_weights
from services.evaluator.domain.compliance import (
    ComplianceMeasures,
    MissingStep,
    compliance_measures,
    compliance_ratios,
)
from services.evaluator.domain.gate import Numbers
from services.evaluator.domain.temporal_tally import TemporalTally, f1_name, temporal_tally
from services.evaluator.report.content import Difference
from services.evaluator.vision.clips import SeenClip

COLLAR_SECONDS = 0.5
SEGMENTATION = ("frame_accuracy", "macro_f1", "edit", *(f1_name(each) for each in OVERLAPS))
VERDICTS = ("sensitivity", "specificity", "compliance_rate")
Row = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """One model on the evaluated split; `per_class` by step, and by side where a step has sides."""

    seen: tuple[SeenClip, ...]
    strict: TemporalMeasures
    collar: TemporalMeasures
    compliance: ComplianceMeasures
    overall: Row
    per_class: dict[str, Row]
    per_camera: dict[str, Row]

    @property
    def numbers(self) -> Numbers:
        """For the gate."""
        return Numbers(self.overall, self.per_class, self.per_camera)


def measured(seen: tuple[SeenClip, ...], labels: tuple[str, ...], background: str, procedure: Procedure) -> Measured:
    """Everything about one model's answers; `seen` holds at least one clip."""
    weights = drawn_weights(len(seen), seed=SEED) if len(seen) >= MINIMUM_SAMPLES else None
    labelled = [each.labelled for each in seen]
    strict = temporal_measures(labelled, labels, background={background})
    collar = temporal_measures(labelled, labels, background={background}, collar_seconds=COLLAR_SECONDS)
    compliance = compliance_measures([each.washes for each in seen], procedure, weights)
    return Measured(
        seen=seen,
        strict=strict,
        collar=collar,
        compliance=compliance,
        overall=_headline(seen, strict, compliance)
        | {"frame_accuracy_collar": collar.frame_accuracy, "macro_f1_collar": collar.macro_f1},
        per_class=_class_rows(seen, strict, compliance),
        per_camera=_camera_rows(seen, labels, background, procedure),
    )


def _headline(seen: Sequence[SeenClip], measures: TemporalMeasures, compliance: ComplianceMeasures) -> Row:
    return {
        "frame_accuracy": measures.frame_accuracy,
        "macro_f1": measures.macro_f1,
        "edit": measures.edit,
        **{f1_name(overlap): value for overlap, value in measures.f1.items()},
        "over_segmentation": measures.over_segmentation,
        "sensitivity": compliance.sensitivity.value,
        "specificity": compliance.specificity.value,
        "compliance_rate": compliance.rate.value,
        "compliance_rate_true": compliance.true_rate.value,
        "order_errors": compliance.reasons["order"].said,
        "order_errors_true": compliance.reasons["order"].true,
        "undetermined": compliance.undetermined,
        "clips": len(seen),
        "seconds": round(sum(each.clip.seconds for each in seen), 3),
    }


def _class_rows(seen: Sequence[SeenClip], measures: TemporalMeasures, compliance: ComplianceMeasures) -> dict[str, Row]:
    rows: dict[str, Row] = {
        label: {
            "step_recall": step.recall,
            "step_precision": step.precision,
            "step_f1": step.f1,
            "seconds_error": step.seconds_error,
            "onset_error": step.onset_error,
            "seconds": sum(each.labelled.truth.count(label) / each.labelled.frames_per_second for each in seen),
        }
        for label, step in measures.steps.items()
    }
    for name, missing in compliance.steps.items():
        rows[name] = rows.get(name, {}) | _missing_row(missing)
    return rows


def _missing_row(missing: MissingStep) -> Row:
    return {
        "missing_steps": missing.said,
        "missing_steps_true": missing.true,
        "missing_precision": missing.precision.value,
        "missing_recall": missing.recall.value,
    }


def _camera_rows(
    seen: Sequence[SeenClip], labels: tuple[str, ...], background: str, procedure: Procedure
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for camera in sorted({each.clip.camera_id for each in seen}):
        mine = [each for each in seen if each.clip.camera_id == camera]
        measures = temporal_measures([each.labelled for each in mine], labels, background={background})
        rows[camera] = _headline(mine, measures, compliance_measures([each.washes for each in mine], procedure))
    return rows


def differences(model: Measured, champion: Measured, labels: tuple[str, ...], background: str) -> dict[str, Difference]:
    """Model minus champion with 95 % intervals, over the same redrawn clips."""
    intervals = _intervals(model, champion, labels, background)
    return {
        name: Difference.of(model.overall[name], champion.overall[name], intervals.get(name))
        for name in (*SEGMENTATION, *VERDICTS)
    }


def _intervals(
    model: Measured, champion: Measured, labels: tuple[str, ...], background: str
) -> Mapping[str, Interval | None]:
    if len(model.seen) < MINIMUM_SAMPLES:
        return {}
    weights = drawn_weights(len(model.seen), seed=SEED)
    ours, theirs = (_tally(each, labels, background) for each in (model, champion))
    return {
        name: difference_interval(ours.replicates(name, weights), theirs.replicates(name, weights))
        for name in (*SEGMENTATION, *VERDICTS)
    }


def _tally(of: Measured, labels: tuple[str, ...], background: str) -> TemporalTally:
    verdicts = compliance_ratios([each.washes for each in of.seen])
    return temporal_tally([each.labelled for each in of.seen], labels, background, verdicts)
