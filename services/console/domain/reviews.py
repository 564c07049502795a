"""Could a review of this sample be meant? Checked before it is said, because nobody answers an event."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from libs.common.events import Annotation, Segment
from libs.common.workflows import Workflow
from services.console.domain.samples import Sample

BEYOND_SECONDS = 0.5
"""How far a segment may pass the end: players and decoders disagree about the last frames. The cleaner allows as much."""
OVERLAP_SECONDS = 0.1
SHOWN_LETTERS = 80


def review_mistakes(
    sample: Sample, workflow: Workflow, annotations: Sequence[Annotation], segments: Sequence[Segment]
) -> list[str]:
    """A sentence for everything that does not fit the sample or its workflow."""
    if sample.kind == "clip":
        misplaced = ["a clip is reviewed by `segments`, not by `annotations`"] if annotations else []
        return misplaced + list(_segment_mistakes(segments, workflow, _length(sample)))
    misplaced = ["an image is reviewed by `annotations`, not by `segments`"] if segments else []
    unknown = {each.label for each in annotations} - set(workflow.class_names)
    if unknown:
        known = ", ".join(workflow.class_names)
        misplaced.append(f"workflow {workflow.name} has no class {', '.join(sorted(unknown))}: use {known}")
    return misplaced


def _length(sample: Sample) -> float | None:
    """Of the clip, in seconds, where it is known."""
    return None if sample.media is None else sample.media.get("duration_seconds")


def _segment_mistakes(segments: Sequence[Segment], workflow: Workflow, length: float | None) -> Iterator[str]:
    unknown = {each.step for each in segments} - set(workflow.given_labels)
    if unknown:
        shown = ", ".join(repr(step[:SHOWN_LETTERS]) for step in sorted(unknown))
        yield f"workflow {workflow.name} has no step {shown}: use {', '.join(workflow.given_labels)}"
    for each in segments:
        if each.end_seconds <= each.start_seconds:
            yield f"segment {_shown(each)} must start before it ends"
        elif each.start_seconds < 0 or (length is not None and each.end_seconds > length + BEYOND_SECONDS):
            yield f"segment {_shown(each)} is not inside the clip" + ("" if length is None else f" of {length:.3f} s")
    for one, two in pairwise(sorted(segments, key=lambda each: each.start_seconds)):
        if two.start_seconds < one.end_seconds - OVERLAP_SECONDS:
            yield f"segments {_shown(one)} and {_shown(two)} overlap: one step at a time"


def _shown(each: Segment) -> str:
    return f"{each.step[:SHOWN_LETTERS]!r} {each.start_seconds:g}-{each.end_seconds:g} s"
