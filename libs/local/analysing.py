"""Watches one clip with a clip model, as the evaluator does with the clips of cameras, and says what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from libs.common.errors import Permanent
from libs.common.procedure_rules import ProcedureRules
from libs.common.workflows import Workflow
from libs.local.clip_models import ClipModel
from libs.vision.clip_types import UnreadableVideo
from libs.vision.extractors.extracting import extract
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.features import Features
from libs.vision.onnx_sessions import SignatureError
from libs.vision.procedures import Language, Outcome, Procedure, Reason, in_words, judge, procedure_of
from libs.vision.segments import TimedSegment
from libs.vision.step_bar import Tone, burn_in
from libs.vision.temporal_inference import TemporalModel, decode

OUTCOMES: Mapping[Outcome, Mapping[Language, str]] = {
    "compliant": {"en": "compliant", "zh": "合规"},
    "non_compliant": {"en": "not compliant", "zh": "不合规"},
    "undetermined": {"en": "cannot be judged", "zh": "无法判断"},
}
TONES: Mapping[Outcome, Tone] = {"compliant": "good", "non_compliant": "bad", "undetermined": "neutral"}
_SEPARATOR: Mapping[Language, Literal["; ", "；"]] = {"en": "; ", "zh": "；"}
_COLON: Mapping[Language, Literal[": ", "："]] = {"en": ": ", "zh": "："}


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a clip shows. `seconds` are those of each step's label; `missing` are labels; `visible_share` is of 0..1."""

    workflow: Workflow
    procedure: Procedure
    clip_seconds: float
    segments: tuple[TimedSegment, ...]
    seconds: Mapping[str, float]
    outcome: Outcome
    missing: tuple[str, ...]
    reasons: tuple[Reason, ...]
    visible_share: float

    def titles(self, language: Language) -> dict[str, str]:
        """What people call each label, without the background."""
        named = {each.name: each.title for each in self.workflow.all_classes}
        return {label: getattr(named[label], language) for label in self.workflow.given_labels}

    def reasons_in_words(self, language: Language) -> list[str]:
        """Why it is not compliant, or cannot be judged."""
        titles = self.titles(language)
        return [in_words(reason, self.procedure, language, titles) for reason in self.reasons]

    def verdict_in_words(self, language: Language) -> str:
        """The verdict and its reasons as one line."""
        reasons, verdict = self.reasons_in_words(language), OUTCOMES[self.outcome][language]
        return verdict + (_COLON[language] + _SEPARATOR[language].join(reasons) if reasons else "")

    def as_values(self, language: Language) -> dict[str, Any]:
        """For programs, with the names of `wash.judged`."""
        words = self.reasons_in_words(language)
        return {
            "workflow": self.workflow.name,
            "verdict": self.outcome,
            "missing_steps": list(self.missing),
            "reasons": [
                {"code": reason.code, "step": reason.step, "other": reason.other, "words": said}
                for reason, said in zip(self.reasons, words, strict=True)
            ],
            "segments": [
                {"step": s.step, "start_seconds": s.start, "end_seconds": s.end, "confidence": s.confidence}
                for s in self.segments
            ],
            "seconds": dict(self.seconds),
            "total_seconds": sum(self.seconds.values()),
            "visible_share": self.visible_share,
            "clip_seconds": self.clip_seconds,
        }


def analyse(clip: Path, model: ClipModel, workflow: Workflow, *, weights: Path | None = None) -> Analysis:
    """Watch a clip. `weights` are those of an extractor that needs some. Raises `Permanent` with what does not fit."""
    rules = _procedure(workflow, model)
    features = _features(clip, model, weights)
    try:
        posteriors = TemporalModel(model.path, model.labels).posteriors(features)
    except SignatureError as error:
        raise Permanent(f"{model.name} can't be run: {error}") from error
    segments = decode(
        posteriors,
        model.labels,
        frames_per_second=features.frames_per_second,
        smooth_seconds=model.smooth_seconds,
        shortest_seconds=model.shortest_seconds,
        background=model.background,
    )
    procedure = procedure_of(rules)
    found = judge(segments, procedure, visible_share=features.visible_share)
    hidden = found.outcome == "undetermined"  # what was not in sight is not missing
    return Analysis(
        workflow=workflow,
        procedure=procedure,
        clip_seconds=features.seconds,
        segments=segments,
        seconds=found.seconds,
        outcome=found.outcome,
        missing=() if hidden else found.missing,
        reasons=tuple(r for r in found.reasons if r.code == "hands_not_visible") if hidden else found.reasons,
        visible_share=features.visible_share,
    )


def _procedure(workflow: Workflow, model: ClipModel) -> ProcedureRules:
    if workflow.procedure is None:
        raise Permanent(f"The workflow {workflow.name} is of task {workflow.task}: name one with a procedure")
    needed = {label for step in workflow.procedure.steps if step.required for label in step.labels}
    unknown = sorted(needed - set(model.labels))
    if unknown:
        raise Permanent(
            f"{model.name} does not know {', '.join(unknown)}, which {workflow.name} asks for: train it again, "
            f"or name the workflow it was trained for ({model.workflow})"
        )
    return workflow.procedure


def _features(clip: Path, model: ClipModel, weights: Path | None) -> Features:
    extractor, version = model.reads
    try:
        features = extract(clip, extractor, weights=weights)
    except (UnreadableVideo, OSError) as error:
        raise Permanent(f"{clip} is no video that can be watched: {error}") from error
    except (ExtractorUnavailable, ValueError) as error:
        raise Permanent(f"{model.name} reads features of {extractor!r}: {error}") from error
    if features.extractor_version != version:
        raise Permanent(
            f"{model.name} reads features of {extractor} {version}, this camloop makes version "
            f"{features.extractor_version}: train the model again"
        )
    return features


def write_clip(clip: Path, out: Path, analysis: Analysis, language: Language) -> tuple[str, ...]:
    """Write the clip with its step bar as MP4; the words that no font of this machine could write."""
    return burn_in(
        clip, out, analysis.segments, titles=analysis.titles(language),
        verdict_words=analysis.verdict_in_words(language), tone=TONES[analysis.outcome],
    ).unwritable  # fmt: skip
