"""`build` and `export`: dataset versions, and taking one elsewhere."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from libs.common.errors import CamloopError
from libs.common.events import Media
from libs.local.connections import console, object_store
from libs.local.exports import FORMATS, DatasetVersion, Format, export
from libs.local.following import outcome_of_build
from libs.local.output import Json, answer, fail, pairs, table
from libs.local.progress import bar
from libs.vision.formats.clip_folders import ExportedClips
from libs.vision.formats.items import Exported, FormatError

app = typer.Typer()


@app.command()
def build(
    workflow: Annotated[str, typer.Argument()],
    reason: Annotated[str, typer.Option("--reason", "-r")] = "asked for on the command line",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for what comes of it.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Build a dataset version now, or say what is missing; nothing new gives the last one again."""
    with console() as client:
        asked = client.post("/api/builds", {"workflow": workflow, "reason": reason})
        outcome = outcome_of_build(client, str(asked["event_id"]), seconds=wait)
    if outcome is None:
        told = f"a dataset version of {workflow} is asked for\nnext: uv run camloop versions {workflow}"
        answer(asked, as_json=as_json, text=told)
        return
    built: dict[str, Any] = outcome["body"]
    if outcome["topic"] == "dataset.build_failed":
        fail(built["reason"], as_json=as_json)
    again = "nothing has changed since " if built.get("reused") else ""
    told = f"{again}{workflow}@{built['version']}: {pairs(built['counts'])}; boxes: {pairs(built['boxes_per_class'])}"
    answer(asked | built, as_json=as_json, text=told)


@app.command()
def versions(
    workflow: Annotated[str | None, typer.Argument()] = None,
    as_json: Json = False,
) -> None:
    """Every dataset version, newest first."""
    with console() as client:
        found = client.rows("/api/dataset-versions", workflow=workflow, limit=500)
    rows = [
        (f"{each['workflow']}@{each['version']}", *(each["counts"].get(split) for split in ("train", "val", "test")),
         pairs(each["boxes_per_class"]), str(each["built_at"])[:19], each["dataset_version_id"])
        for each in found
    ]  # fmt: skip
    columns = ("version", "train", "val", "test", "boxes", "built", "id")
    answer(found, as_json=as_json, text=table(columns, rows) if rows else "No dataset version yet")


@app.command("export")
def export_version(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="hairnet@2, or the id of a dataset version.")],
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Made if need be; it must be empty.")],
    format_name: Annotated[
        Format | None, typer.Option("--format", "-f", help="By default yolo for images, segments for clips.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a dataset version to a folder; every object is checked by its digest."""
    found = _find(version, as_json=as_json)
    wanted = DatasetVersion(Media.model_validate(found["manifest"]), found["classes"])
    try:
        wrote = _export(wanted, format_name, folder)
    except (FormatError, CamloopError) as error:
        fail(str(error), as_json=as_json)
    counts = asdict(wrote)
    usual = FORMATS["image" if isinstance(wrote, Exported) else "clip"][0]
    values = {"folder": str(folder), **counts, "format": format_name or usual}
    told = " with ".join(f"{count} {what}" for what, count in counts.items())
    answer(values, as_json=as_json, text=f"{told} in {folder}")


def _export(version: DatasetVersion, format_name: Format | None, folder: Path) -> Exported | ExportedClips:
    with ExitStack() as stack:

        def on_start(samples: int) -> Callable[[], None]:
            return stack.enter_context(bar("fetching", samples))

        return asyncio.run(export(version, object_store(), format_name=format_name, folder=folder, on_start=on_start))


def _find(version: str, *, as_json: bool) -> dict[str, Any]:
    """A version by `<workflow>@<number>` or by id."""
    workflow, at, number = version.rpartition("@")
    with console() as client:
        found = client.rows("/api/dataset-versions", workflow=workflow or None, limit=500)
    for each in found:
        if str(each["dataset_version_id"]) == version or (at and str(each["version"]) == number):
            return each
    known = ", ".join(f"{each['workflow']}@{each['version']}" for each in found) or "none yet"
    fail(f"There is no dataset version {version!r}. There are: {known}", as_json=as_json)
