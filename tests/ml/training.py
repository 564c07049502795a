"""Simple scenes, dataset folders as the trainer lays them out, and the training child started as a user would."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.trainer.training.protocol import (
    LINES,
    CheckpointWritten,
    Failed,
    Finished,
    Line,
    LogLine,
    Progress,
    Started,
)

REPOSITORY = Path(__file__).resolve().parents[2]
CLASSES = [
    {"id": 0, "name": "disc", "title": {"en": "Disc", "zh": "圆"}},
    {"id": 1, "name": "square", "title": {"en": "Square", "zh": "方块"}},
]
CHILD = [sys.executable, "-m", "services.trainer.training"]


def draw_scene(number: int, *, width: int, height: int) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """A grey, slightly noisy scene with a blue disc and an orange square, and their annotations."""
    random = np.random.default_rng(number)
    scene = np.clip(random.normal(128, 6, (height, width, 3)), 0, 255).astype(np.uint8)
    halves = random.permutation([(0, width // 2), (width // 2, width)])
    annotations: list[dict[str, Any]] = []
    for label, (left, right) in zip(("disc", "square"), halves.tolist(), strict=True):
        radius = int(random.integers(min(width, height) // 7, min(width, height) // 5))
        x = int(random.integers(left + radius, right - radius))
        y = int(random.integers(radius + 1, height - radius - 1))
        if label == "disc":
            cv2.circle(scene, (x, y), radius, (220, 40, 30), -1)
        else:
            cv2.rectangle(scene, (x - radius, y - radius), (x + radius, y + radius), (20, 130, 250), -1)
        annotations.append({"label": label, "box": [x - radius, y - radius, x + radius, y + radius]})
    return scene, annotations


def write_dataset(folder: Path, splits: str, *, width: int = 96, height: int = 96) -> Path:
    """A dataset folder with one sample per letter of `splits`: t train, v val, e test."""
    (folder / "images").mkdir(parents=True)
    rows = [_write_sample(folder, number, letter, width, height) for number, letter in enumerate(splits)]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _write_sample(folder: Path, number: int, letter: str, width: int, height: int) -> dict[str, Any]:
    scene, annotations = draw_scene(number, width=width, height=height)
    data = cv2.imencode(".jpg", scene)[1].tobytes()
    digest = hashlib.sha256(data).hexdigest()
    (folder / "images" / f"{digest}.jpg").write_bytes(data)
    return {
        "sample_id": f"sample-{number:03d}",
        "kind": "image",
        "media": {
            "uri": f"s3://camloop/{digest}",
            "sha256": digest,
            "content_type": "image/jpeg",
            "bytes": len(data),
            "width": width,
            "height": height,
        },
        "camera_id": "line-1",
        "captured_at": "2026-05-04T10:00:00Z",
        "annotations": annotations,
        "split": {"t": "train", "v": "val", "e": "test"}[letter],
        "leakage_group": f"group-{number}",
        "file": f"images/{digest}.jpg",
    }


def spec_for(dataset: Path, output: Path, hyperparameters: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A valid spec, with fields replaced by `changes`."""
    return {
        "training_run_id": "0190f3c2-0000-7000-8000-000000000001",
        "workflow": "shapes",
        "backend": "ultralytics",
        "task": "detection",
        "classes": CLASSES,
        "dataset_version_id": "0190f3c2-0000-7000-8000-000000000002",
        "dataset": str(dataset),
        "output": str(output),
        "hyperparameters": hyperparameters,
        "seed": 3,
        "device": "cpu",
        "threads": 1,
    } | changes


@dataclass
class Heard:
    """What a child said, line by line. `lines()` fails on anything that is not a protocol line."""

    code: int | None = None
    said: list[Line] = field(default_factory=list)
    stderr: str = ""

    @property
    def started(self) -> Started:
        (line,) = (line for line in self.said if isinstance(line, Started))
        return line

    @property
    def log(self) -> list[LogLine]:
        return [line for line in self.said if isinstance(line, LogLine)]

    @property
    def epochs(self) -> list[int]:
        return [line.epoch for line in self.said if isinstance(line, Progress)]

    @property
    def checkpoints(self) -> list[CheckpointWritten]:
        return [line for line in self.said if isinstance(line, CheckpointWritten)]

    @property
    def finished(self) -> Finished:
        assert isinstance(self.said[-1], Finished), f"last line: {self.said[-1]}; stderr: {self.stderr[-2000:]}"
        return self.said[-1]

    @property
    def failed(self) -> Failed:
        assert isinstance(self.said[-1], Failed), f"last line: {self.said[-1]}; stderr: {self.stderr[-2000:]}"
        return self.said[-1]

    def texts(self, level: str) -> str:
        """All log texts of one level."""
        return "\n".join(line.text for line in self.log if line.level == level)


@dataclass(frozen=True)
class Trainer:
    """Starts children with a home of their own, in which nothing may appear."""

    home: Path

    def environment(self) -> dict[str, str]:
        """As of this process, but for the home, and with compiled modules kept from one child to the next."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return kept | {"HOME": str(self.home), "XDG_CONFIG_HOME": ""}

    def run(self, spec: dict[str, Any], *, command: list[str] | None = None) -> Heard:
        """Start a child by hand and listen to its end."""
        heard = Heard()
        for _ in self.listen(spec, heard, command=command):
            pass
        return heard

    def stop_after_epoch(self, spec: dict[str, Any], epoch: int, number: signal.Signals) -> Heard:
        """Send a signal as soon as the checkpoint of `epoch` is announced, and hear the child out."""
        heard = Heard()
        for process in self.listen(spec, heard):
            if heard.said and isinstance(heard.said[-1], CheckpointWritten) and heard.said[-1].epoch == epoch:
                process.send_signal(number)
        return heard

    def abandon(self, spec: dict[str, Any]) -> int:
        """Hear one line and go away, as a starter does that is killed. Returns the child's exit code."""
        with self._child(spec, CHILD) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            return process.wait(timeout=120)

    def listen(
        self, spec: dict[str, Any], heard: Heard, *, command: list[str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Fill `heard`, yielding the process after every line."""
        with self._child(spec, command or CHILD) as process:
            assert process.stdout is not None
            for row in process.stdout:
                heard.said.append(LINES.validate_json(row))
                yield process
            heard.code = process.wait(timeout=60)
        heard.stderr = (Path(spec["output"]) / "stderr.txt").read_text(encoding="utf-8")

    @contextmanager
    def _child(self, spec: dict[str, Any], command: list[str]) -> Iterator[subprocess.Popen[str]]:
        """A started child, with its spec and stderr in the output folder; killed when the test fails meanwhile."""
        output = Path(spec["output"])
        output.mkdir(parents=True, exist_ok=True)
        (output / "run.json").write_text(json.dumps(spec), encoding="utf-8")
        with (output / "stderr.txt").open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [*command, "--spec", str(output / "run.json")],
                cwd=REPOSITORY, env=self.environment(), stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
            with process:
                try:
                    yield process
                except BaseException:
                    process.kill()
                    raise


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended well, and its folders."""

    heard: Heard
    output: Path
    dataset: Path
