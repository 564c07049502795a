"""`review`: the queue of samples a person has to look at, on a screen without pictures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from libs.local.connections import console
from libs.local.output import Json, answer, fail, table
from libs.local.recordings import BadSidecar, read_labels, segments_of_table
from libs.vision.formats.items import FormatError

app = typer.Typer()
review = typer.Typer(no_args_is_help=True, help="Samples that wait for a person.")
app.add_typer(review, name="review")
Sample = Annotated[str, typer.Argument(metavar="SAMPLE")]
Reviewer = Annotated[str, typer.Option("--by", help="Who decides.")]
Comment = Annotated[str | None, typer.Option("--comment", "-m")]


@review.command("list")
def show(
    workflow: Annotated[str | None, typer.Option("--workflow", "-w")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: Json = False,
) -> None:
    """The queue, most urgent first."""
    with console() as client:
        found = client.rows("/api/reviews", workflow=workflow, limit=limit)
    rows = [
        (each["sample_id"], each["workflow"], each["camera_id"], each["priority"], each["reason"]) for each in found
    ]
    columns = ("sample", "workflow", "camera", "priority", "why")
    answer(found, as_json=as_json, text=table(columns, rows) if rows else "Nothing waits for a person")


@review.command("approve")
def approve(
    sample: Sample,
    labels: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON; without it the suggestions are confirmed.")
    ] = None,
    segments: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Of a clip: a table of start, stop and label.")
    ] = None,
    by: Reviewer = "command-line",
    comment: Comment = None,
    as_json: Json = False,
) -> None:
    """Approve a sample with these annotations (of a clip: segments), or with those it came with."""
    given: dict[str, object] = {}
    try:
        if labels:
            given["annotations"] = read_labels(labels).get("annotations", [])
        if segments:
            given["segments"] = segments_of_table(segments)
    except (BadSidecar, FormatError) as error:
        fail(str(error), as_json=as_json)
    _submit(sample, "approve", by, comment, given=given, as_json=as_json)


@review.command("reject")
def reject(sample: Sample, by: Reviewer = "command-line", comment: Comment = None, as_json: Json = False) -> None:
    """Nothing is to be learned from this sample."""
    _submit(sample, "reject", by, comment, given={"annotations": []}, as_json=as_json)


def _submit(
    sample_id: str, decision: str, by: str, comment: str | None, *, given: dict[str, object], as_json: bool
) -> None:
    with console() as client:
        sample = client.get(f"/api/samples/{sample_id}")
        body = {"sample_id": sample_id, "decision": decision, "reviewer": by, "based_on_revision": sample["revision"],
                "comment": comment} | (given or _confirmed(sample))  # fmt: skip
        told = client.post("/api/reviews", body)
    answer(told, as_json=as_json, text=f"{decision}: {sample_id}")


def _confirmed(sample: dict[str, Any]) -> dict[str, object]:
    """What stands, else what a model suggests, as a person says it: without confidences."""
    if sample.get("kind") == "clip":
        shown = sample["segments"] or sample["suggested_segments"]
        return {"segments": [{name: each[name] for name in ("step", "start_seconds", "end_seconds")} for each in shown]}
    shown = sample["annotations"] or sample["suggestions"]
    return {"annotations": [{"label": each["label"], "box": each["box"]} for each in shown]}
