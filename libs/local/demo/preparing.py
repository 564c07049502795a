"""What the demo needs before its first snapshot: scenes, cameras with tokens, addresses."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from libs.common.workflows import Workflow
from libs.local.client import Client, Refused, read_endpoints
from libs.local.connections import ingest
from libs.local.demo.cameras import Surroundings
from libs.local.demo.pictures import CAMERAS, Batch, draw_batches
from libs.local.demo.story import Story
from libs.local.demo.wash_workflow import check_drawable
from libs.local.scenes import LABELS
from libs.local.scenes import Workflow as Drawable

_MOST_PER_CAMERA = 26
_SPARE = 1.15


def drawn_batches(workflow: Workflow, story: Story, seed: int, *, rounds: int) -> list[Batch]:
    """Scenes never seen before, enough of them for the workflow to build by itself once a round."""
    cameras = CAMERAS[_drawable(workflow)]
    enough = math.ceil(workflow.dataset.build_after_samples * _SPARE / len(cameras)) + 1
    usable = [min(enough, _MOST_PER_CAMERA)] * rounds
    now = datetime.now(UTC).replace(microsecond=0)
    story.reach("cameras", f"drawing {rounds} batches of kitchen scenes for {', '.join(cameras)}")
    return draw_batches(_drawable(workflow), cameras=cameras, usable=usable, now=now, seed=seed)


def _drawable(workflow: Workflow) -> Drawable:
    return cast("Drawable", workflow.name)


def check_preconditions(workflow: Workflow) -> None:
    """Raises `ValueError` with what to type."""
    if workflow.procedure is not None:
        check_drawable(workflow)
        return
    if workflow.name not in LABELS:
        raise ValueError(f"Scenes can be drawn for {' and '.join(LABELS)}, not for {workflow.name}")
    if find_spec("ultralytics") is None:
        raise ValueError("The training back-end is not installed: uv sync --extra ultralytics")


def camera_tokens(workflow: Workflow, story: Story) -> dict[str, str]:
    """Register the cameras; a token of its own for each, by name."""
    names = CAMERAS[_drawable(workflow)]
    tokens = tokens_of(names)
    story.reach("cameras", f"registered, each with a token of its own; {names[-1]} speaks Kafka, the others HTTP")
    return tokens


def tokens_of(names: Sequence[str]) -> dict[str, str]:
    """Register cameras of these names; each one's token."""
    tokens: dict[str, str] = {}
    with ingest() as client:
        for name in names:
            client.post("/v1/cameras", {"camera_id": name})
            tokens[name] = client.post(f"/v1/cameras/{name}/tokens", {"label": f"demo {name}"})["token"]
    return tokens


def surroundings(workflow: Workflow, data_folder: Path, folder: Path) -> Surroundings:
    """Where the cameras find the running system. `folder`: where their pictures are laid."""
    known = read_endpoints(data_folder)
    return Surroundings(
        workflow=workflow.name,
        ingest=known.http["ingest"],
        registry=known.http["registry"],
        kafka=known.kafka_bootstrap_servers,
        folder=folder,
        data_folder=data_folder.resolve(),
    )


def newest_version(client: Client, model: str) -> int:
    """The number of the newest version of a model, 0 when there is none yet."""
    try:
        return client.get(f"/v1/models/{model}/versions")["versions"][0]["version"]
    except Refused as error:
        if error.status == 404:
            return 0
        raise
