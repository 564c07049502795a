"""Drawn clips to learn steps from: three steps that move two points each in a way of its own, and the folders of a run."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from libs.vision.features import Features, to_bytes
from tests.ml.training import spec_for

STEPS = [
    {"id": 0, "name": "other", "title": {"en": "Other", "zh": "其他"}},
    {"id": 1, "name": "rub", "title": {"en": "Rub", "zh": "搓"}},
    {"id": 2, "name": "turn", "title": {"en": "Turn", "zh": "转"}},
    {"id": 3, "name": "rinse", "title": {"en": "Rinse", "zh": "冲"}},
]
LABELS = [str(step["name"]) for step in STEPS]
RATE = 10.0
COLUMNS = 6


def draw_clip(number: int, *, columns: int = COLUMNS) -> tuple[Features, list[dict[str, Any]]]:
    """About 20 s at 10 Hz. A step's columns swing at its own height and speed; now and then nothing is visible."""
    dice = np.random.default_rng(number)
    order = [0, *dice.permutation([1, 2, 3]).tolist(), 0]
    lengths = dice.integers(25, 50, len(order)).tolist()
    segments, rows, begin = list[dict[str, Any]](), list[np.ndarray](), 0
    for step, length in zip(order, lengths, strict=True):
        phase = np.arange(length)[:, None] * (0.2 + 0.25 * step) + np.arange(columns)
        rows.append(np.sin(phase) * (1 + step) + step * np.cos(np.arange(columns)))
        if step:
            times = {"start_seconds": begin / RATE, "end_seconds": (begin + length) / RATE}
            segments.append({"step": LABELS[step], **times})
        begin += length
    values = np.concatenate(rows) + dice.normal(0, 0.3, (begin, columns))
    visible = np.ones(begin)
    hidden = int(dice.integers(begin - 5))
    visible[hidden : hidden + 3] = 0
    names = tuple(f"column_{number}" for number in range(columns))
    return Features(values.astype(np.float32), visible.astype(np.float32), RATE, "hands", "1", names), segments


def write_clips(folder: Path, splits: str, *, columns: int = COLUMNS) -> Path:
    """A dataset folder with one clip per letter of `splits`: t train, v val, e test; each a recording of its own."""
    (folder / "features").mkdir(parents=True)
    rows = [_write_clip(folder, number, letter, columns) for number, letter in enumerate(splits)]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _write_clip(folder: Path, number: int, letter: str, columns: int) -> dict[str, Any]:
    features, segments = draw_clip(number, columns=columns)
    name = f"features/clip-{number:03d}.npz"
    (folder / name).write_bytes(to_bytes(features))
    return {
        "sample_id": f"clip-{number:03d}",
        "kind": "clip",
        "media": {"uri": f"s3://camloop/{number}", "sha256": "0" * 64, "duration_seconds": features.seconds},
        "camera_id": "sink-1",
        "captured_at": "2026-05-04T10:00:00Z",
        "segments": segments,
        "split": {"t": "train", "v": "val", "e": "test"}[letter],
        "leakage_group": f"recording-{number}",
        "features": name,
    }


def clip_spec(dataset: Path, output: Path, hyperparameters: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A valid spec of a temporal run on one thread, with fields replaced by `changes`."""
    known = {"workflow": "hand_wash", "backend": "temporal", "task": "temporal", "classes": STEPS, "threads": 1}
    return spec_for(dataset, output, hyperparameters, **{**known, **changes})
