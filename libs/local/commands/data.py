"""`send`, `ingest`, `import`: snapshots on their way into the system."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer

from libs.local.clip_imports import ClipFormat
from libs.local.commands.clip_data import check_task, read_and_prepare, tell_clips
from libs.local.connections import ingest as ingest_client
from libs.local.definitions import workflow_named
from libs.local.imports import READERS, Format, Import, Plan, camera_names, parse_mapping, prepare
from libs.local.output import Json, answer, fail, list_reasons, pairs
from libs.local.progress import bar
from libs.local.recordings import (
    BadZone,
    Camera,
    clip_of_file,
    clips_of_folder,
    parse_zone,
    snapshot_of_file,
    snapshots_of_folder,
)
from libs.local.sending import Sent, send_all, send_one
from libs.vision.formats.items import FormatError

app = typer.Typer()
send = typer.Typer(no_args_is_help=True, help="Send one snapshot or clip, as a camera does.")
ingest = typer.Typer(no_args_is_help=True, help="Use a folder or a video as a camera.")
app.add_typer(send, name="send")
app.add_typer(ingest, name="ingest")

AnyFormat = Literal[Format, ClipFormat]
CameraName = Annotated[str, typer.Option("--camera", "-c", help="In whose name it is sent.")]
WorkflowName = Annotated[str | None, typer.Option("--workflow", "-w", help="Without it: whoever watches the camera.")]


@send.command("snapshot")
def send_snapshot(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JPEG, PNG, WebP or BMP.")],
    camera: CameraName,
    workflow: WorkflowName = None,
    labels: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON list of {label, box: [x1, y1, x2, y2]}.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a snapshot; the same file again is the same snapshot."""
    try:
        outgoing = snapshot_of_file(file, _camera(camera, workflow), labels=labels)
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json)
    with ingest_client() as client:
        taken = send_one(client, outgoing)
    told = f"{taken['snapshot_id']} of camera {taken['camera_id']}\nnext: uv run camloop why {taken['snapshot_id']}"
    answer(taken, as_json=as_json, text=told)


@send.command("clip")
def send_clip(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="MP4, MOV, WebM, MKV, AVI or MPEG-TS.")],
    camera: CameraName,
    workflow: Annotated[str, typer.Option("--workflow", "-w", help="One of task temporal.")],
    labels: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Table with the columns start, stop and label.")
    ] = None,
    recording: Annotated[str | None, typer.Option(help="What it was cut from: its clips stay in one split.")] = None,
    person: Annotated[str | None, typer.Option(help="Who is seen, where that is known.")] = None,
    as_json: Json = False,
) -> None:
    """Send a clip; the same file again is the same clip."""
    try:
        outgoing = clip_of_file(file, _camera(camera, workflow), labels=labels, recording=recording, person=person)
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json)
    with ingest_client() as client:
        taken = send_one(client, outgoing)
    told = f"{taken['clip_id']} of camera {taken['camera_id']}\nnext: uv run camloop why {taken['clip_id']}"
    answer(taken, as_json=as_json, text=told)


@ingest.command("folder")
def ingest_folder(
    source: Annotated[
        Path,
        typer.Argument(
            help="Pictures, what is known of a.jpg in a.jpg.json; or clips, with a.mp4.csv or segments.csv."
        ),
    ],
    camera: CameraName,
    workflow: WorkflowName = None,
    as_json: Json = False,
) -> None:
    """Send every picture below a folder; for a workflow of task temporal every clip."""
    bad: dict[str, str] = {}
    everything = clips_of_folder if _takes_clips(workflow) else snapshots_of_folder
    try:
        outgoing = list(everything(source, _camera(camera, workflow), on_bad=bad.__setitem__))
    except FormatError as error:
        fail(str(error), as_json=as_json)
    sent = _send(outgoing, total=len(outgoing))
    sent.refused.update(bad)
    _tell(sent, as_json=as_json, more={"camera": camera}, of="clip" if _takes_clips(workflow) else "snapshot")


@ingest.command("video")
def ingest_video(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any video PyAV can read.")],
    camera: CameraName,
    workflow: WorkflowName = None,
    look_every: Annotated[float, typer.Option(min=0, help="Look at a frame at most this often, in seconds.")] = 0.2,
    interval: Annotated[float, typer.Option(min=0, help="Least seconds between two snapshots.")] = 2.0,
    idle: Annotated[float, typer.Option(min=0, help="An unchanging scene is sent again after this time.")] = 600.0,
    start: Annotated[datetime | None, typer.Option(help="When the recording began (UTC); the file's time.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="LEFT,TOP,RIGHT,BOTTOM as shares 0..1: where somebody stands who visits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send the frames of a video in which something came, moved or went on; for a workflow of task temporal every visit."""
    # Here and not above: PyAV and OpenCV take a second to import, which no other command should cost.
    from libs.local.videos import ChangeRules, UnreadableVideo, clips_of_video, snapshots_of_video

    who, began = _camera(camera, workflow), start.replace(tzinfo=UTC) if start else None
    clips, damage = _takes_clips(workflow), list[str]()
    if zone is not None and not clips:
        fail("--zone is where visits happen: it needs a --workflow of task temporal", as_json=as_json)
    with TemporaryDirectory(prefix="camloop-visits-") as folder:
        try:
            if clips:
                box = None if zone is None else parse_zone(zone)
                found = clips_of_video(source, who, Path(folder), zone=box, started_at=began, on_damage=damage.append)
            else:
                rules = ChangeRules(minimum_seconds=interval, idle_seconds=idle)
                found = snapshots_of_video(
                    source, who, rules=rules, look_every_seconds=look_every, started_at=began, on_damage=damage.append
                )
            sent = _send(found, total=None)
        except (UnreadableVideo, BadZone) as error:
            fail(str(error), as_json=as_json)
    _tell(sent, as_json=as_json, more={"camera": camera, "damage": damage}, of="clip" if clips else "snapshot")


@app.command("import")
def import_data(
    kind: Annotated[AnyFormat, typer.Argument(metavar="yolo|voc|coco|csv|segments|pskus|mstcn")],
    path: Annotated[
        Path, typer.Argument(help="The folder of the data set (or a COCO JSON file, a table of segments).")
    ],
    workflow: Annotated[str, typer.Option("--workflow", "-w")],
    camera: Annotated[str | None, typer.Option("--camera", "-c", help="Name of the camera(s) it counts as.")] = None,
    cameras: Annotated[int, typer.Option(min=1, max=1000, help="Spread it over so many cameras.")] = 1,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="LABEL THERE=LABEL HERE; LABEL= omits it.")] = None,
    annotator: Annotated[
        str | None, typer.Option(help="Whose segments of clips to take; without it what most annotators say.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send an annotated data set as snapshots or clips; what was made from one picture or recording never crosses splits."""
    try:
        rules = parse_mapping(mapping or [])
        names = camera_names(path, camera=camera, count=cameras)
        known = workflow_named(workflow)
        check_task(kind, known)
        plan = Plan(path.resolve(), workflow, known.given_labels, rules, names)
        if kind == "segments" or kind == "pskus" or kind == "mstcn":
            clips = read_and_prepare(kind, plan, annotator=annotator)
            tell_clips(clips, _send(clips.clips, total=len(clips.clips)), as_json=as_json)
            return
        prepared = _prepared(kind, plan)
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json)
    sent = _send(prepared.snapshots, total=len(prepared.snapshots))
    _tell_import(prepared, sent, as_json=as_json)


def _camera(name: str, workflow: str | None) -> Camera:
    """Raises `UnknownWorkflow` before anything is sent."""
    return Camera(name, None if workflow is None else workflow_named(workflow).name)


def _takes_clips(workflow: str | None) -> bool:
    """Raises `UnknownWorkflow`."""
    return workflow is not None and workflow_named(workflow).task == "temporal"


def _prepared(kind: Format, plan: Plan) -> Import:
    with bar("reading", None) as step:
        return prepare(_counted(READERS[kind](plan.root), step), plan)


def _counted(things: Any, step: Callable[[], None]) -> Any:
    for thing in things:
        step()
        yield thing


def _send(snapshots: Any, *, total: int | None) -> Sent:
    with bar("sending", total) as step, ingest_client() as client:
        return send_all(client, snapshots, on_each=lambda _: step())


def _tell(sent: Sent, *, as_json: bool, more: dict[str, object], of: str) -> None:
    values = {"sent": len(sent.snapshot_ids), "refused": sent.refused, f"{of}_ids": sent.snapshot_ids} | more
    answer(values, as_json=as_json, text=f"{len(sent.snapshot_ids)} {of}s sent, {len(sent.refused)} refused")
    list_reasons("refused", sent.refused)
    if not sent.snapshot_ids:
        raise typer.Exit(1)


def _tell_import(found: Import, sent: Sent, *, as_json: bool) -> None:
    values = {
        "sent": len(sent.snapshot_ids),
        "boxes_per_label": found.boxes_per_label,
        "images_per_camera": found.images_per_camera,
        "unlabelled": found.unlabelled,
        "skipped": found.skipped,
        "refused": sent.refused,
        "problems": found.problems,
    }
    text = (
        f"{len(sent.snapshot_ids)} snapshots sent, {found.unlabelled} of them without labels (they go to review)\n"
        f"boxes: {pairs(found.boxes_per_label)}\ncameras: {pairs(found.images_per_camera)}\n"
        f"{len(found.skipped)} files skipped, {len(sent.refused)} refused, {len(found.problems)} with problems"
    )
    answer(values, as_json=as_json, text=text)
    list_reasons("skipped", found.skipped)
    list_reasons("refused", sent.refused)
    list_reasons("problem", {name: "; ".join(problems) for name, problems in found.problems.items()})
    if not sent.snapshot_ids:
        raise typer.Exit(1)
