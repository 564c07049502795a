"""Are these labels and boxes fit to learn from? Boxes are `[x1, y1, x2, y2]` pixels of the upright snapshot."""

from collections.abc import Iterator, Sequence

from libs.common.events import Annotation, Detection
from libs.common.workflows import Workflow
from libs.vision.boxes import box_area, clip_box, valid_box

MINIMUM_INSIDE = 0.5
_SHOWN_LETTERS = 80


def mistakes(labelled: Sequence[Annotation | Detection], workflow: Workflow, *, width: int, height: int) -> list[str]:
    """One sentence for each label the workflow does not know and each box that does not lie in the snapshot."""
    return [text for each in labelled for text in _mistakes_of(each, workflow, width, height)]


def _mistakes_of(each: Annotation | Detection, workflow: Workflow, width: int, height: int) -> Iterator[str]:
    if each.label not in workflow.class_names:
        known = ", ".join(workflow.class_names)
        yield f"label {_shown(each.label)} is none of the classes of {workflow.name} ({known})"
    if not lies_inside(each, width=width, height=height):
        corners = ", ".join(f"{value:g}" for value in each.box)
        yield f"box [{corners}] of {_shown(each.label)} is empty or not inside the {width}x{height} snapshot"


def _shown(label: str) -> str:
    return repr(label if len(label) <= _SHOWN_LETTERS else f"{label[:_SHOWN_LETTERS]}...")


def lies_inside(each: Annotation | Detection, *, width: int, height: int) -> bool:
    """At least half of the box is in the snapshot: the rest is a hand that slipped over the border."""
    inside = box_area(clip_box(each.box, width, height))
    return valid_box(each.box, width, height) and inside >= MINIMUM_INSIDE * box_area(each.box)


def sound(annotations: Sequence[Annotation], workflow: Workflow, *, width: int, height: int) -> tuple[Annotation, ...]:
    """Those without mistakes, cut at the border."""
    return tuple(
        Annotation(label=each.label, box=clip_box(each.box, width, height))
        for each in annotations
        if not mistakes([each], workflow, width=width, height=height)
    )


def sound_detections(
    detections: Sequence[Detection], workflow: Workflow, *, width: int, height: int
) -> tuple[Detection, ...]:
    """Those without mistakes, cut at the border, confidence and track kept."""
    return tuple(
        each.model_copy(update={"box": clip_box(each.box, width, height)})
        for each in detections
        if not mistakes([each], workflow, width=width, height=height)
    )
