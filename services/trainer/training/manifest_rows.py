"""Reads the lines of a run's `manifest.jsonl`, whatever kind of sample they describe."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from services.trainer.training.protocol import TrainingFailed

MANIFEST = "manifest.jsonl"
BUILD_AGAIN = "Build the dataset version again"
Split = Literal["train", "val", "test"]


class Row(BaseModel):
    """What every line tells."""

    model_config = ConfigDict(extra="ignore")
    sample_id: str
    split: Split


R = TypeVar("R", bound=Row)


def read_rows(folder: Path, kind: type[R], *, beside: str, needs: str) -> list[R]:
    """The lines of the manifest, in order of their samples.

    `beside` names the files the manifest lists, `needs` the fields of a line. Raises TrainingFailed: no manifest, a malformed
    line, a sample listed twice.
    """
    path = folder / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TrainingFailed(
            f"The manifest {path} cannot be read: {error.strerror}",
            f"Let 'dataset' name a folder with {MANIFEST} and {beside}",
        ) from error
    rows = [_row(path, number, line, kind, needs) for number, line in enumerate(lines, start=1) if line.strip()]
    if len({row.sample_id for row in rows}) < len(rows):
        raise TrainingFailed(f"{path} lists a sample twice", BUILD_AGAIN)
    return sorted(rows, key=lambda row: row.sample_id)


def _row(path: Path, number: int, line: str, kind: type[R], needs: str) -> R:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise TrainingFailed(f"{path} line {number}: {where}: {first['msg']}", f"Every line needs {needs}") from error
