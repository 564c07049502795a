"""Every clip as the report tells it: what a person marked, what the model said, both verdicts in words; worst first."""

from collections.abc import Sequence

from libs.vision.temporal_metrics import frame_accuracy, segment_f1
from services.evaluator.domain.temporal_assignment import TemporalAssignment
from services.evaluator.domain.washes import JudgedWash, reason_words
from services.evaluator.report.temporal.content import ReportedClip, ReportedSegment, ReportedWash
from services.evaluator.vision.clips import SeenClip


def reported_clips(seen: Sequence[SeenClip], asked: TemporalAssignment) -> tuple[ReportedClip, ...]:
    """Wrong verdicts come first, then those that were judged rightly or not at all, each by falling frame error."""
    clips = [_reported(each, asked) for each in seen]
    return tuple(sorted(clips, key=lambda each: (each.verdict_right is not False, each.frame_accuracy, each.sample_id)))


def _reported(seen: SeenClip, asked: TemporalAssignment) -> ReportedClip:
    truth, said = seen.washes.truth, seen.washes.said
    return ReportedClip(
        sample_id=str(seen.clip.sample_id),
        camera_id=seen.clip.camera_id,
        captured_at=seen.clip.captured_at,
        recording=seen.clip.recording,
        uri=seen.clip.uri,
        seconds=seen.clip.seconds,
        visible_share=seen.visible_share,
        frame_accuracy=frame_accuracy([seen.labelled]),
        f1_50=segment_f1([seen.labelled], 0.5, {asked.background}),
        verdict_right=truth.verdict == said.verdict if said.determined else None,
        truth=_wash(truth, asked),
        said=_wash(said, asked),
    )


def _wash(wash: JudgedWash, asked: TemporalAssignment) -> ReportedWash:
    return ReportedWash(
        verdict=wash.verdict,
        seconds=wash.total_seconds,
        missing_steps=wash.missing_steps,
        reasons=tuple(reason_words(each, asked.procedure, asked.class_titles) for each in wash.reasons),
        segments=tuple(ReportedSegment(s.step, s.start, s.end, s.confidence) for s in wash.segments),
    )
