"""A registered or exported clip model on this machine: its ONNX file, and what its metadata says about running it."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from libs.common.errors import Permanent
from libs.local.client import Refused
from libs.local.connections import object_store, registry

MODEL, METADATA = "best.onnx", "metadata.json"
_ABI = "temporal/1"


@dataclass(frozen=True, slots=True)
class ClipModel:
    """`labels` in the order of the model's posteriors; `background` is the one that is no step, None where all are.

    `reads` is the extractor of its features with its version. `smooth_seconds` and `shortest_seconds` are its decoding.
    """

    name: str
    path: Path
    workflow: str
    labels: tuple[str, ...]
    background: str | None
    reads: tuple[str, str]
    smooth_seconds: float
    shortest_seconds: float


def read_folder(folder: Path) -> ClipModel:
    """The model whose files lie in a folder. Raises `Permanent` with what is missing or does not fit."""
    for name in (MODEL, METADATA):
        if not (folder / name).is_file():
            raise Permanent(f"{folder} has no {name}: name a folder with {MODEL} and {METADATA} of one model version")
    try:
        read: Any = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except ValueError as error:
        raise Permanent(f"{folder / METADATA} is no JSON: {error}") from error
    said = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    abi = said.get("abi")
    if abi != _ABI:
        raise Permanent(f"{folder} holds a model of another task ({abi}): clips need one of task temporal ({_ABI})")
    try:
        return _model(folder, said)
    except (KeyError, TypeError, ValueError) as error:
        raise Permanent(f"{folder / METADATA} does not say how the model is run ({error!r}): train it again") from error


def _model(folder: Path, said: dict[str, Any]) -> ClipModel:
    read, decoding = said["input"], said["decoding"]
    labels = tuple(str(step["name"]) for step in said["steps"])
    if not labels:
        raise ValueError("steps: none")
    return ClipModel(
        name=f"{said['model']}@{said['version']}" if said.get("model") else str(folder),
        path=folder / MODEL,
        workflow=str(said["workflow"]),
        labels=labels,
        background=said["background"],
        reads=(str(read["extractor"]), str(read["extractor_version"])),
        smooth_seconds=float(decoding["smooth_seconds"]),
        shortest_seconds=float(decoding["shortest_seconds"]),
    )


def fetch(workflow: str, reference: str | None, folder: Path) -> ClipModel:
    """The champion of a workflow of the running system, or `NAME@VERSION`, laid into `folder`, its digests checked.

    Raises `Permanent` with what to do where there is none or it is of another task, `NotRunning` without a system.
    """
    version = _version(workflow, reference)
    known = {artifact["name"]: artifact for artifact in version["artifacts"]}
    lacking = [name for name in (MODEL, METADATA) if name not in known]
    if lacking:
        raise Permanent(f"{version['model']}@{version['version']} has no {' and no '.join(lacking)}: train it again")
    asyncio.run(_lay_out([known[name] for name in (MODEL, METADATA)], folder))
    return read_folder(folder)


def _version(workflow: str, reference: str | None) -> dict[str, Any]:
    name, _, number = (reference or "").partition("@")
    if reference is not None and not (name and number.isdecimal()):
        raise Permanent(f"{reference!r} is no model version: write NAME@VERSION, as `camloop models` shows them")
    path = f"/v1/models/{name}/versions/{number}" if reference else f"/v1/models/{workflow}/aliases/champion"
    with registry() as client:
        try:
            found = client.get(path)
        except Refused as error:
            if error.status != 404:
                raise
            raise Permanent(_what_to_do(workflow, reference)) from error
    version: dict[str, Any] = found if reference else found["version"]
    return version


def _what_to_do(workflow: str, reference: str | None) -> str:
    if reference is not None:
        return f"There is no model version {reference}: camloop models shows those there are"
    return (
        f"The workflow {workflow} has no champion yet: camloop models shows its versions, "
        f"camloop models promote {workflow} VERSION makes one the champion, --model {workflow}@VERSION uses it without"
    )


async def _lay_out(artifacts: list[dict[str, Any]], folder: Path) -> None:
    store = object_store()
    for artifact in artifacts:
        await store.get_file(artifact["uri"], folder / artifact["name"], expected_sha256=artifact["sha256"])
