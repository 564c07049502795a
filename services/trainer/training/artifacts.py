"""What a finished run leaves behind: files with digests, and metadata.json that says what the model is."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.trainer.training.protocol import Artifact, TrainingSpec


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path) -> Artifact:
    """Name, digest and size of a file that nobody writes to any more."""
    return Artifact(name=path.name, path=path, sha256=sha256_of(path), bytes=path.stat().st_size)


def metadata_of(spec: TrainingSpec, *, abi: str, licence: str, reads: Mapping[str, object]) -> dict[str, Any]:
    """The part of `metadata.json` that is the same for all back-ends; the caller adds its own keys and `files`.

    `reads` is what the model takes in: the size of an image, or the extractor of a clip's features. The registry fills in
    model and version, the evaluator the operating confidence of each class.
    """
    return {
        "abi": abi,
        "model": None,
        "version": None,
        "workflow": spec.workflow,
        "steps" if spec.task == "temporal" else "classes": [entry.model_dump() for entry in spec.classes],
        "input": dict(reads),
        "operating_confidence": None,
        "backend": spec.backend,
        "licence": licence,
        "training_run_id": spec.training_run_id,
        "dataset_version_id": spec.dataset_version_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def file_entries(paths: Iterable[Path]) -> list[Mapping[str, object]]:
    """The `files` of `metadata.json`: name, sha256, bytes."""
    return [describe(path).model_dump(exclude={"path"}) for path in paths]


def write_json(path: Path, value: object) -> None:
    """Write `value` readably; raises ValueError on NaN, which is no JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
