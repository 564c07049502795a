"""A checkpoint is one file that another machine can go on from: a zip of what the back-end keeps, plus `state.json`.

It carries the log, the epoch table and the best weights so far as well: a resumed run ends with the same artifacts as
one that was never interrupted.
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.trainer.training.protocol import Metrics, TrainingFailed, TrainingSpec, Value

STATE = "state.json"
KEPT = 3


class CheckpointState(Value):
    """Which run a checkpoint belongs to and how far it is. `complete`: only the export is left to do."""

    training_run_id: str
    backend: str
    classes: tuple[str, ...]
    hyperparameters: dict[str, Any]
    epoch: int
    complete: bool
    best_epoch: int
    best_metrics: Metrics


def write_checkpoint(folder: Path, state: CheckpointState, files: Mapping[str, Path]) -> Path:
    """Write `epoch-<n>.ckpt` and drop all but the newest three.

    The name appears only when the bytes are complete and on disk. `files` maps names inside the checkpoint to files.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"epoch-{state.epoch:05d}.ckpt"
    partial = path.with_suffix(".partial")
    with partial.open("wb") as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
            bundle.writestr(STATE, state.model_dump_json())
            for name, source in files.items():
                bundle.write(source, name)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(path)
    for old in sorted(folder.glob("epoch-*.ckpt"))[:-KEPT]:
        old.unlink()
    return path


def read_checkpoint(path: Path, folder: Path) -> CheckpointState:
    """Unpack a checkpoint into `folder` and return its state. Raises TrainingFailed when it is damaged or foreign."""
    try:
        with zipfile.ZipFile(path) as bundle:
            state = CheckpointState.model_validate_json(bundle.read(STATE))
            bundle.extractall(folder)
    except (OSError, KeyError, zipfile.BadZipFile, ValidationError) as error:
        raise TrainingFailed(
            f"The checkpoint {path} cannot be read: {error}",
            "Resume from another checkpoint, or start without 'resume_from'",
        ) from error
    return state


def require_same_run(state: CheckpointState, spec: TrainingSpec, hyperparameters: Mapping[str, Any]) -> None:
    """A checkpoint continues what it was written by: raises TrainingFailed if classes or hyperparameters differ.

    A hyperparameter that only one of the two knows came or went with a release, and is no difference.
    """
    shared = hyperparameters.keys() & state.hyperparameters.keys()
    differing = sorted(name for name in shared if hyperparameters[name] != state.hyperparameters[name])
    if state.classes != tuple(entry.name for entry in spec.classes):
        differing.insert(0, "classes")
    if state.backend != spec.backend:
        differing.insert(0, "backend")
    if differing:
        raise TrainingFailed(
            f"The checkpoint of run {state.training_run_id} was made with other values of: {', '.join(differing)}",
            "Start a new training run without 'resume_from', or ask for the same values",
        )
