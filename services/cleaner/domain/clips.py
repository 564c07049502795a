"""A clip on its way to being a sample: the order to look at it, what was seen, and the verdict."""

from dataclasses import dataclass
from uuid import UUID

from libs.common.events import ClipCaptured, Media, Metrics
from libs.common.workflows import CleaningRules, Workflow
from services.cleaner.domain.samples import Sample, Unreadable
from services.cleaner.domain.segments import segment_mistakes, sound_segments
from services.cleaner.domain.verdicts import (
    MISTAKE_PRIORITY,
    PLAIN_PRIORITY,
    SPOT_CHECK_PRIORITY,
    Approved,
    Queued,
    Rejected,
    Verdict,
    badly_taken,
    drawn,
    in_words,
)

JOB = "clip"
EMPTY_PRIORITY = 0.1


@dataclass(frozen=True)
class ClipSeen:
    """What a decoded clip is. `fingerprint`: what tells it from others; `measures` as `unusable_clip` reads them."""

    width: int
    height: int
    content_type: str
    seconds: float
    frames_per_second: float
    measures: Metrics
    fingerprint: bytes


def new_clip_sample(clip: ClipCaptured, seen: ClipSeen | Unreadable, sample_id: UUID) -> Sample:
    """The sample before its verdict."""
    readable = seen if isinstance(seen, ClipSeen) else None
    return Sample(
        sample_id=sample_id,
        workflow=clip.workflow,
        kind="clip",
        clip_id=clip.clip_id,
        subject_id=clip.subject_id,
        camera_id=clip.camera_id,
        captured_at=clip.captured_at,
        media=_described(clip.video, readable) if readable else clip.video,
        leakage_group=recording_of(clip),
        verdict="queued",
        measures=readable.measures if readable else None,
        fingerprint=readable.fingerprint if readable else None,
    )


def _described(video: Media, seen: ClipSeen) -> Media:
    """The stored video with the size, length and rate it really has: headers are often wrong."""
    found = {"width": seen.width, "height": seen.height, "content_type": seen.content_type}
    return video.model_copy(update=found | {"duration_seconds": seen.seconds, "fps": seen.frames_per_second})


def recording_of(clip: ClipCaptured) -> str:
    """What never crosses splits: the recording it was cut from, else the clips of one person, else the clip itself."""
    if clip.source_group:
        return f"source:{clip.source_group}"
    return f"subject:{clip.subject_id}" if clip.subject_id else f"clip:{clip.clip_id}"


def judge_clip(clip: ClipCaptured, workflow: Workflow, seen: ClipSeen | Unreadable, sample_id: UUID) -> Verdict:
    """The verdict on a clip that repeats no other."""
    rejected = unusable_clip(seen, workflow.cleaning)
    if rejected is not None or isinstance(seen, Unreadable):
        return rejected or Rejected("undecodable")
    hidden = _hands_out_of_sight(seen, workflow.cleaning)
    if clip.segments is None:
        return Queued(hidden, EMPTY_PRIORITY) if hidden else Queued("nobody has looked at it yet", PLAIN_PRIORITY)
    return _on_segments(clip, workflow, seen, sample_id)


def _on_segments(clip: ClipCaptured, workflow: Workflow, seen: ClipSeen, sample_id: UUID) -> Verdict:
    rules, given = workflow.cleaning.approve, clip.segments or ()
    wrong = segment_mistakes(given, workflow, seconds=seen.seconds)
    if given and (hidden := _hands_out_of_sight(seen, workflow.cleaning)):
        wrong.append(f"steps came along, but {hidden}")
    segments = sound_segments(given, workflow, seconds=seen.seconds)
    if wrong:
        return Queued(in_words(wrong), MISTAKE_PRIORITY, segments=segments, annotated_by="camera")
    if not rules.annotated:
        why = f"{workflow.name} lets a person confirm segments that come along"
        return Queued(why, PLAIN_PRIORITY, segments=segments, annotated_by="camera")
    if drawn(sample_id, "spot-check", rules.spot_check_share):
        why = "spot check of segments that came along"
        return Queued(why, SPOT_CHECK_PRIORITY, segments=segments, annotated_by="camera")
    return Approved("rule:annotated", (), "camera", segments)


def _hands_out_of_sight(seen: ClipSeen, rules: CleaningRules) -> str | None:
    """Said to the person who is asked; None where enough of bare hands is seen. Skin is a hint: it rejects nothing."""
    share, least = seen.measures.get("skin_share") or 0.0, rules.clips.minimum_hands_share
    if share >= least:
        return None
    return f"hands are in sight in {100 * share:.0f} % of the clip (skin that moves), at least {100 * least:g} % are expected"


def unusable_clip(seen: ClipSeen | Unreadable, rules: CleaningRules) -> Rejected | None:
    """Why nobody could learn from it, or None."""
    if isinstance(seen, Unreadable):
        return Rejected("undecodable", seen.detail)
    if seen.width < rules.minimum_width or seen.height < rules.minimum_height:
        smallest = f"{rules.minimum_width}x{rules.minimum_height}"
        return Rejected("too_small", f"{seen.width}x{seen.height} pixels, at least {smallest} are needed")
    return _badly_timed(seen, rules) or badly_taken(seen.measures, rules)


def _badly_timed(seen: ClipSeen, rules: CleaningRules) -> Rejected | None:
    limits = rules.clips
    if seen.seconds < limits.minimum_seconds:
        return Rejected("too_short", f"{seen.seconds:.1f} s, at least {limits.minimum_seconds:g} s are needed")
    if seen.seconds > limits.maximum_seconds:
        return Rejected("too_long", f"{seen.seconds:.1f} s, at most {limits.maximum_seconds:g} s: cut it into visits")
    frozen = seen.measures.get("frozen_share") or 0.0
    if frozen > limits.maximum_frozen_share:
        return Rejected("frozen", f"the picture stands still for {100 * frozen:.0f} % of the clip")
    return None
