"""`camera`: who may send snapshots."""

from typing import Annotated

import typer

from libs.local.connections import ingest
from libs.local.output import Json, answer, table

app = typer.Typer()
camera = typer.Typer(no_args_is_help=True, help="Cameras and their tokens.")
app.add_typer(camera, name="camera")


@camera.command("add")
def add(
    camera_id: Annotated[str, typer.Argument(metavar="CAMERA")],
    title: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    as_json: Json = False,
) -> None:
    """Register a camera and issue a token for it, which is shown this once."""
    with ingest() as client:
        client.post("/v1/cameras", {"camera_id": camera_id} | ({"title": title} if title else {}))
        token = client.post(f"/v1/cameras/{camera_id}/tokens")
    told = f"{token['token']}\nKeep it now: it is not shown again. It may: {', '.join(token['scopes'])}"
    answer(token, as_json=as_json, text=told)


@camera.command("list")
def show(as_json: Json = False) -> None:
    """Every camera and its newest snapshot."""
    with ingest() as client:
        found = client.get("/v1/cameras")
    rows = [(each["camera_id"], each["title"], each["last_snapshot_at"]) for each in found["cameras"]]
    answer(found, as_json=as_json, text=table(("camera", "title", "last snapshot"), rows))
