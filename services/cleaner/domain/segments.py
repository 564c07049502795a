"""Are these segments fit to learn from? One step at a time, each inside the clip; all times are seconds of the clip."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from libs.common.events import Segment
from libs.common.workflows import Workflow

BEYOND_SECONDS = 0.5
"""How far a segment may pass the end: players and decoders disagree about the last frames."""
OVERLAP_SECONDS = 0.1
_SHOWN_LETTERS = 80


def segment_mistakes(segments: Sequence[Segment], workflow: Workflow, *, seconds: float) -> list[str]:
    """One sentence for each step the workflow does not know, each segment outside the clip, and each overlap."""
    wrong = [text for each in segments for text in _mistakes_of(each, workflow, seconds)]
    ordered = sorted(segments, key=lambda each: each.start_seconds)
    return wrong + [
        f"segments {_shown(one)} and {_shown(two)} overlap: one step at a time"
        for one, two in pairwise(ordered)
        if two.start_seconds < one.end_seconds - OVERLAP_SECONDS
    ]


def _mistakes_of(each: Segment, workflow: Workflow, seconds: float) -> Iterator[str]:
    if each.step not in workflow.given_labels:
        yield f"step of {_shown(each)} is none of {workflow.name} ({', '.join(workflow.given_labels)})"
    if each.end_seconds <= each.start_seconds:
        yield f"segment {_shown(each)} ends before it starts"
    elif each.start_seconds < 0 or each.end_seconds > seconds + BEYOND_SECONDS:
        yield f"segment {_shown(each)} is not inside the {seconds:.3f} s of the clip"


def _shown(each: Segment) -> str:
    step = each.step if len(each.step) <= _SHOWN_LETTERS else f"{each.step[:_SHOWN_LETTERS]}..."
    return f"{step!r} {each.start_seconds:g}-{each.end_seconds:g} s"


def sound_segments(segments: Sequence[Segment], workflow: Workflow, *, seconds: float) -> tuple[Segment, ...]:
    """Those without mistakes, in time order, cut at the end of the clip and where the next one starts."""
    good = [each for each in segments if not list(_mistakes_of(each, workflow, seconds))]
    ordered = sorted(good, key=lambda each: each.start_seconds)
    starts = [*(each.start_seconds for each in ordered), seconds]
    cut = [
        each.model_copy(update={"end_seconds": min(each.end_seconds, starts[place + 1], seconds)})
        for place, each in enumerate(ordered)
    ]
    return tuple(each for each in cut if each.end_seconds > each.start_seconds)
