"""Gesture phases of persons the model never saw: the temporal back-ends on real keypoints, by the way every run goes.

`gesture-phase-segmentation` beside the project: seven recordings of three persons, five phases, no background. Each person is
left out once: a dataset folder, `python -m services.trainer.training --spec`, then `best.onnx` through `TemporalModel`.
Epochs are chosen on recordings of the other two persons; every setting below was chosen that way, too: on a third person, by
models of one person alone.

`python -m benchmarks.gestures` prints all kinds of models (about twenty minutes), `python -m benchmarks.gestures ours` some.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row, at_least, limit, middle
from libs.vision.features import Features, to_bytes
from libs.vision.keypoints import Track, kinematics, relative
from libs.vision.segments import segments_of, smooth, timed
from libs.vision.temporal_inference import TemporalModel, decode, frame_labels
from libs.vision.temporal_metrics import LabelledClip, temporal_measures

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "gesture-phase-segmentation" / "raw"
RECORDINGS = ("a1", "a2", "a3", "b1", "b3", "c1", "c3")
PERSONS = "abc"
PHASES = ("Rest", "Preparation", "Stroke", "Hold", "Retraction")
RATE = 30.0
HANDS, HEAD, SPINE, WRISTS = (0, 1), 2, 3, (4, 5)
PUBLISHED = (53.1, 49.5, 58.7, 36.1)
"""The best of every row of yardsticks.md: accuracy, macro F1, edit, F1@50."""

FloatArray = NDArray[np.float64]
Recordings = Mapping[str, tuple[Features, list[str]]]


@dataclass(frozen=True)
class Kind:
    """A model to train: back-end, hyperparameters, and what its features are made with."""

    name: str
    backend: str
    hyperparameters: dict[str, Any]
    features: Callable[[FloatArray], Features]


@dataclass
class Score:
    """Of one kind: the four measures of each person left out, seconds of everything, clip seconds per second of inference."""

    measures: list[tuple[float, ...]] = field(default_factory=list)
    seconds: float = 0.0
    speeds: list[float] = field(default_factory=list)

    def mean(self) -> tuple[float, ...]:
        """Over the persons."""
        return tuple(float(each) for each in np.mean(self.measures, axis=0))

    def said(self) -> str:
        """The four figures."""
        return " / ".join(f"{each:.1f}" for each in self.mean())


def plain_features(points: FloatArray) -> Features:
    """Those of the yardstick, 44 columns: hands and wrists relative to the spine, how fast, and how that changes."""
    return _features(_kinematics(points), "gestures-plain")


def clip_features(points: FloatArray) -> Features:
    """Those and the hands' distance and slower speeds, each column as its deviation from this clip's mean.

    What is much for one person is little for another. Needs the whole clip: not for causal models.
    """
    moving = _kinematics(points)
    places, speeds, changes = moving[:, :12].reshape(-1, 4, 3), moving[:, 36:40], moving[:, 40:44]
    apart = [np.linalg.norm(places[:, a] - places[:, b], axis=1, keepdims=True) for a, b in ((0, 1), (2, 3))]
    values = np.concatenate([moving, *apart, smooth(speeds, 15), smooth(speeds, 45), smooth(changes, 15)], axis=1)
    return _features((values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6), "gestures-clip")


def _kinematics(points: FloatArray) -> FloatArray:
    track = relative(Track(points, np.ones(points.shape[:2], dtype=bool), RATE), SPINE, HEAD)
    kept = [*HANDS, *WRISTS]
    return kinematics(Track(track.points[:, kept], track.visible[:, kept], RATE))[0]


def _features(values: FloatArray, extractor: str) -> Features:
    names = tuple(f"column_{number}" for number in range(values.shape[1]))
    return Features(values.astype(np.float32), np.ones(len(values), np.float32), RATE, extractor, "1", names)


COMMON: dict[str, Any] = {"background": False, "smooth_seconds": 0.4, "shortest_seconds": 0.2}
OURS = Kind("ours", "temporal", {**COMMON, "model": "mstcn", "members": 5, "epochs": 40}, clip_features)
LONG = {"background": False, "smooth_seconds": 1.0, "shortest_seconds": 0.4}
KINDS = (
    OURS,
    Kind("mstcn", "temporal", {**COMMON, "model": "mstcn", "epochs": 60}, clip_features),
    Kind("bilstm", "temporal", {**COMMON, "model": "bilstm", "epochs": 60}, clip_features),
    Kind("transformer", "temporal", {**COMMON, "model": "transformer", "epochs": 60}, clip_features),
    Kind("forest", "classic", {**COMMON, "model": "forest"}, clip_features),
    Kind("logistic", "classic", {**COMMON, "model": "logistic"}, clip_features),
    Kind("mstcn-plain", "temporal", {**LONG, "model": "mstcn", "epochs": 60}, plain_features),
    Kind("forest-plain", "classic", {**LONG, "model": "forest"}, plain_features),
    Kind("mstcn-causal", "temporal", {**LONG, "model": "mstcn", "epochs": 60, "causal": True}, plain_features),
    Kind("lstm-causal", "temporal", {**LONG, "model": "lstm", "epochs": 60, "causal": True}, plain_features),
    Kind("transformer-causal", "temporal", {**LONG, "model": "transformer", "epochs": 60, "causal": True}, plain_features),
    Kind("forest-causal", "classic", {**LONG, "model": "forest", "causal": True}, plain_features),
    Kind("logistic-causal", "classic", {**LONG, "model": "logistic", "causal": True}, plain_features),
)  # fmt: skip


def run() -> list[Row]:
    """How well and how fast, with one configuration."""
    if not DATA.is_dir():
        return [Row(f"gesture phases: {DATA} is absent", "", "", None, "", None)]
    score = leave_one_person_out(OURS)
    met = all(ours >= other for ours, other in zip(score.mean(), PUBLISHED, strict=True))
    other = " / ".join(f"{each:.1f}" for each in PUBLISHED)
    what = "gesture phases, a person left out: accuracy / macro F1 / edit / F1@50, mean of 3"
    speed = middle(score.speeds)
    return [
        Row(what, score.said(), other, None, "all four >=", met),
        limit("the same: features, training, export and measuring", score.seconds, "s", 600),
        at_least(
            "temporal inference, features given, one core / real time", f"{speed:.0f} s a second", "1", speed, 100
        ),
    ]


def leave_one_person_out(kind: Kind) -> Score:
    """Train and measure once for each person; the child uses all cores."""
    score, began = Score(), perf_counter()
    with tempfile.TemporaryDirectory(prefix="camloop-bench-") as name:
        recordings = {each: _recording(each, kind) for each in RECORDINGS}
        for person in PERSONS:
            folder = Path(name) / person
            _train(folder, {k: v for k, v in recordings.items() if k[0] != person}, kind)
            _measure(folder, {k: v for k, v in recordings.items() if k[0] == person}, score)
    score.seconds = perf_counter() - began
    return score


def _recording(name: str, kind: Kind) -> tuple[Features, list[str]]:
    """Features and the phase of each frame. One row spells a phase in another language and encoding."""
    rows = list(csv.reader((DATA / f"{name}_raw.csv").read_text(encoding="latin-1").splitlines()))[1:]
    points = np.array([[float(cell) for cell in row[:18]] for row in rows]).reshape(-1, 6, 3)
    return kind.features(points), ["Preparation" if row[19].startswith("Prepara") else row[19] for row in rows]


def _train(folder: Path, recordings: Recordings, kind: Kind) -> None:
    dataset, output = folder / "dataset", folder / "output"
    dataset.mkdir(parents=True)
    output.mkdir()
    lines = [_write_clip(dataset, name, features, truth) for name, (features, truth) in recordings.items()]
    (dataset / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = {
        "training_run_id": "gestures", "workflow": "gestures", "backend": kind.backend, "task": "temporal",
        "classes": [{"id": number, "name": phase} for number, phase in enumerate(PHASES)],
        "dataset_version_id": "gestures", "dataset": str(dataset), "output": str(output),
        "hyperparameters": kind.hyperparameters, "seed": 0, "device": "cpu",
    }  # fmt: skip
    (output / "run.json").write_text(json.dumps(spec), encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder)}  # noqa: TID251 ours and another home
    command = [sys.executable, "-m", "services.trainer.training", "--spec", str(output / "run.json")]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, timeout=1800)
    if done.returncode != 0:
        raise RuntimeError(f"{kind.name}: {done.stdout[-1000:].decode()}")


def _write_clip(dataset: Path, name: str, features: Features, truth: list[str]) -> str:
    (dataset / f"{name}.npz").write_bytes(to_bytes(features))
    segments = timed(segments_of(truth), frames_per_second=RATE, background="")
    line = {
        "sample_id": name, "kind": "clip", "media": {"duration_seconds": features.seconds}, "split": "train",
        "segments": [{"step": s.step, "start_seconds": s.start, "end_seconds": s.end} for s in segments],
        "leakage_group": name, "features": f"{name}.npz",
    }  # fmt: skip
    return json.dumps(line)


def _measure(folder: Path, recordings: Recordings, score: Score) -> None:
    metadata = json.loads((folder / "output" / "metadata.json").read_text(encoding="utf-8"))
    model = TemporalModel(folder / "output" / "best.onnx", [step["name"] for step in metadata["steps"]], threads=1)
    clips: list[LabelledClip] = []
    for name, (features, truth) in recordings.items():
        rate = {"frames_per_second": RATE, **metadata["decoding"]}
        clips.append(LabelledClip(name, truth, frame_labels(model.posteriors(features), PHASES, **rate), RATE))
        began = perf_counter()
        decode(model.posteriors(features), PHASES, background=None, **rate)
        score.speeds.append(features.seconds / (perf_counter() - began))
    found = temporal_measures(clips, PHASES)
    score.measures.append((found.frame_accuracy, found.macro_f1, found.edit, found.f1[0.5]))


def main() -> None:
    """Train the kinds named on the command line, or all, and print what they reach."""
    table = Table("model", "accuracy / macro F1 / edit / F1@50", "by person", "seconds", "x real time", box=None)
    for kind in [each for each in KINDS if each.name in (sys.argv[1:] or [k.name for k in KINDS])]:
        score = leave_one_person_out(kind)
        persons = "; ".join(" ".join(f"{each:.0f}" for each in person) for person in score.measures)
        table.add_row(kind.name, score.said(), persons, f"{score.seconds:.0f}", f"{middle(score.speeds):.0f}")
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
