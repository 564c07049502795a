"""The verdict on a snapshot: unusable, believed without a person, or a question to one. Rules come from the workflow."""

from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

from libs.common.events import Annotation, Detection, Metrics, Segment, SnapshotCaptured
from libs.common.workflows import CleaningRules, Workflow
from services.cleaner.domain.annotations import mistakes, sound, sound_detections
from services.cleaner.domain.samples import Sample, Seen, Unreadable

# Where a question stands in the review queue: 0..1, a reported violation comes before all others.
SPOT_CHECK_PRIORITY = 0.2
PLAIN_PRIORITY = 0.4
MISTAKE_PRIORITY = 0.9
VIOLATION_BONUS = 1.0
SHOWN_MISTAKES = 5


@dataclass(frozen=True)
class Rejected:
    """Not to be learned from."""

    reason: str
    detail: str | None = None
    duplicate_of: UUID | None = None


@dataclass(frozen=True)
class Approved:
    """Believed by a rule. `annotated_by` is the provenance of the annotations, `by` that of the approval."""

    by: str
    annotations: tuple[Annotation, ...]
    annotated_by: str
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Queued:
    """A question to a person, with what is known so far."""

    why: str
    priority: float
    suggestions: tuple[Detection, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    annotated_by: str | None = None
    segments: tuple[Segment, ...] = ()


Verdict = Approved | Rejected | Queued


def unusable(seen: Seen | Unreadable, rules: CleaningRules) -> Rejected | None:
    """Why nobody could learn from it, or None. Darkness comes before blur: what is dark is flat as well."""
    if isinstance(seen, Unreadable):
        return Rejected("undecodable", seen.detail)
    if seen.width < rules.minimum_width or seen.height < rules.minimum_height:
        smallest = f"{rules.minimum_width}x{rules.minimum_height}"
        return Rejected("too_small", f"{seen.width}x{seen.height} pixels, at least {smallest} are needed")
    return badly_taken(seen.measures, rules)


def badly_taken(measures: Metrics, rules: CleaningRules) -> Rejected | None:
    """Too dark, too bright or blurred, by `brightness` and `sharpness`; None if neither."""
    brightness, sharpness = measures["brightness"] or 0.0, measures["sharpness"] or 0.0
    if brightness < rules.minimum_brightness:
        return Rejected("dark", f"brightness {brightness:.1f}, at least {rules.minimum_brightness:g} is needed")
    if brightness > rules.maximum_brightness:
        return Rejected("overexposed", f"brightness {brightness:.1f}, at most {rules.maximum_brightness:g} is allowed")
    if sharpness < rules.minimum_sharpness:
        return Rejected("blurred", f"sharpness {sharpness:.1f}, at least {rules.minimum_sharpness:g} is needed")
    return None


def judge(snapshot: SnapshotCaptured, workflow: Workflow, seen: Seen, sample_id: UUID) -> Verdict:
    """The verdict on a usable snapshot that repeats no other."""
    if snapshot.annotations is not None:
        return _on_annotations(snapshot, snapshot.annotations, workflow, seen, sample_id)
    return _on_detections(snapshot, snapshot.detections or (), workflow, seen, sample_id)


def with_verdict(sample: Sample, verdict: Verdict) -> Sample:
    """The sample with the verdict written into it; annotations that came along are revision 1."""
    match verdict:
        case Rejected(reason, detail, duplicate_of):
            return replace(sample, verdict="rejected", reason=reason, detail=detail, duplicate_of=duplicate_of)
        case Approved(by, annotations, annotated_by, segments):
            return replace(
                sample,
                verdict="approved",
                decided_by=by,
                annotations=annotations,
                segments=segments,
                annotated_by=annotated_by,
                revision=1,
            )
        case Queued(why, priority, suggestions, annotations, annotated_by, segments):
            return replace(
                sample,
                verdict="queued",
                waiting=True,
                why=why,
                priority=priority,
                suggestions=suggestions,
                annotations=annotations,
                segments=segments,
                annotated_by=annotated_by,
                revision=1 if annotated_by else 0,
            )


def drawn(sample_id: UUID, purpose: str, share: float) -> bool:
    """A lot that falls the same way for ever, so that a replay decides alike."""
    number = int.from_bytes(sha256(f"{purpose}|{sample_id}".encode()).digest()[:8], "big")
    return number < share * 2**64


def _on_annotations(
    snapshot: SnapshotCaptured, given: tuple[Annotation, ...], workflow: Workflow, seen: Seen, sample_id: UUID
) -> Verdict:
    rules = workflow.cleaning.approve
    annotations = sound(given, workflow, width=seen.width, height=seen.height)
    wrong = mistakes(given, workflow, width=seen.width, height=seen.height)

    def ask(why: str, priority: float) -> Queued:
        suggestions = _suggestions(snapshot, workflow, seen)
        return Queued(why, _raised(priority, snapshot), suggestions, annotations, "camera")

    if wrong:
        return ask(in_words(wrong), MISTAKE_PRIORITY)
    if not rules.annotated:
        return ask(f"{workflow.name} lets a person confirm annotations that come along", PLAIN_PRIORITY)
    if drawn(sample_id, "spot-check", rules.spot_check_share):
        return ask("spot check of annotations that came along", SPOT_CHECK_PRIORITY)
    return Approved("rule:annotated", annotations, "camera")


def _on_detections(
    snapshot: SnapshotCaptured, detections: tuple[Detection, ...], workflow: Workflow, seen: Seen, sample_id: UUID
) -> Verdict:
    rules = workflow.cleaning.approve
    suggestions = _suggestions(snapshot, workflow, seen)
    wrong = mistakes(detections, workflow, width=seen.width, height=seen.height)
    if wrong:
        return Queued(in_words(wrong), _raised(MISTAKE_PRIORITY, snapshot), suggestions)
    if _confident(detections, rules.minimum_confidence):
        if drawn(sample_id, "spot-check", rules.spot_check_share):
            return Queued("spot check of confident detections", _raised(SPOT_CHECK_PRIORITY, snapshot), suggestions)
        found = tuple(Annotation(label=each.label, box=each.box) for each in suggestions)
        return Approved("rule:confident", found, f"model:{snapshot.detected_by or 'unnamed'}")
    if not drawn(sample_id, "review", workflow.cleaning.review_share):
        return Rejected("sampled_out", f"only a share of {workflow.cleaning.review_share:g} is reviewed")
    return Queued(_question(snapshot, detections), _raised(_doubt(detections), snapshot), suggestions)


def _suggestions(snapshot: SnapshotCaptured, workflow: Workflow, seen: Seen) -> tuple[Detection, ...]:
    return sound_detections(snapshot.detections or (), workflow, width=seen.width, height=seen.height)


def in_words(wrong: list[str]) -> str:
    """The first mistakes, and how many more there are."""
    more = len(wrong) - SHOWN_MISTAKES
    return "; ".join(wrong[:SHOWN_MISTAKES]) + (f"; and {more} more mistakes" if more > 0 else "")


def _confident(detections: tuple[Detection, ...], minimum: float | None) -> bool:
    # No detection at all is no confidence: what a model misses is what it has to learn.
    return minimum is not None and bool(detections) and all(each.confidence >= minimum for each in detections)


def _doubt(detections: tuple[Detection, ...]) -> float:
    """0.3 for a model that is sure, 0.9 for a detection at 0.5; a snapshot nobody looked at lies between."""
    if not detections:
        return PLAIN_PRIORITY
    return round(0.3 + 0.6 * max(1 - abs(each.confidence - 0.5) * 2 for each in detections), 4)


def _raised(priority: float, snapshot: SnapshotCaptured) -> float:
    return priority + VIOLATION_BONUS if snapshot.violation_type else priority


def _question(snapshot: SnapshotCaptured, detections: tuple[Detection, ...]) -> str:
    if snapshot.violation_type:
        return f"the camera reports {snapshot.violation_type!r}"
    if not detections:
        return "nobody has looked at it yet"
    lowest = min(each.confidence for each in detections)
    return f"detections are to be confirmed, the least certain has confidence {lowest:.2f}"
