"""What `import` does with clips: which formats fit a workflow, and what is told of agreement and of what was sent."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import typer

from libs.common.workflows import Workflow
from libs.local.clip_imports import Agreements, ClipFormat, ClipImport, prepare_clips, read_clips
from libs.local.imports import Format, Plan
from libs.local.output import answer, list_reasons, pairs
from libs.local.progress import bar
from libs.local.sending import Sent
from libs.vision.agreement import COLLAR_SECONDS
from libs.vision.formats.items import FormatError

_FORMATS: Mapping[str, tuple[str, ...]] = {"detection": get_args(Format), "temporal": get_args(ClipFormat)}


def check_task(kind: str, workflow: Workflow) -> None:
    """Raises FormatError for a format whose samples the workflow does not learn from; it says which formats it does."""
    fitting = _FORMATS[workflow.task]
    if kind not in fitting:
        what = "images" if workflow.task == "detection" else "clips"
        raise FormatError(
            f"{workflow.name} learns from {what}, which {kind} does not hold: import {', '.join(fitting)}"
        )


def read_and_prepare(kind: ClipFormat, plan: Plan, *, annotator: str | None) -> ClipImport:
    """Everything that will be sent. Raises ValueError, OSError."""
    with bar("reading", None):
        found = read_clips(kind, plan.root)
        folder = plan.root if plan.root.is_dir() else plan.root.parent
        where = Plan(folder, plan.workflow, plan.classes, plan.mapping, plan.cameras)
        return prepare_clips(found, where, annotator=annotator)


def tell_clips(found: ClipImport, sent: Sent, *, as_json: bool) -> None:
    """Say what was sent; ends with 1 if nothing was."""
    values = {
        "sent": len(sent.snapshot_ids),
        "segments_per_label": found.segments_per_label,
        "clips_per_camera": found.clips_per_camera,
        "unlabelled": found.unlabelled,
        "agreement": None if found.agreements is None else asdict(found.agreements),
        "skipped": found.skipped,
        "refused": sent.refused,
        "problems": found.problems,
    }
    text = (
        f"{len(sent.snapshot_ids)} clips sent, {found.unlabelled} of them without segments (they go to review)\n"
        f"segments: {pairs(found.segments_per_label)}\ncameras: {pairs(found.clips_per_camera)}\n{told_agreement(found.agreements)}"
        f"{len(found.skipped)} clips skipped, {len(sent.refused)} refused, {len(found.problems)} with problems"
    )
    answer(values, as_json=as_json, text=text)
    list_reasons("skipped", found.skipped)
    list_reasons("refused", sent.refused)
    list_reasons("problem", {name: "; ".join(problems) for name, problems in found.problems.items()})
    if not sent.snapshot_ids:
        raise typer.Exit(1)


def told_agreement(found: Agreements | None) -> str:
    """Some lines for people; nothing where no clip has two annotators."""
    if found is None:
        return ""
    plainly, loosely = found.plainly, found.loosely
    rows: list[tuple[str, Any, Any]] = [
        ("frames alike", plainly.share, loosely.share),
        ("kappa", plainly.kappa, loosely.kappa),
        *((step, share, loosely.steps.get(step)) for step, share in plainly.steps.items()),
    ]
    lines = [f"  {name}: {_number(one)} ({_number(other)})\n" for name, one, other in rows]
    beside = f"in brackets without {COLLAR_SECONDS:g} s on either side of a change"
    return f"agreement of annotators on {found.clips} clips, {beside}:\n{''.join(lines)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
