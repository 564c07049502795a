"""Training by camloop's child against plain `yolo detect train` with the same arguments, data and seed, in turns."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.rows import Row, at_least, at_most, middle
from tests.ml.training import CHILD, spec_for, write_dataset

REPOSITORY = Path(__file__).resolve().parents[1]
ROUNDS = 3
HYPERPARAMETERS = {"epochs": 30, "image_size": 160, "batch": 8, "patience": 0}


@dataclass(frozen=True)
class Trained:
    """What the framework's own results.csv says at the last epoch: seconds since the first, and mAP50 on val."""

    seconds: float
    map50: float


def run() -> list[Row]:
    """Speed and parity."""
    with tempfile.TemporaryDirectory(prefix="camloop-bench-") as name:
        folder = Path(name)
        dataset = write_dataset(folder / "dataset", "t" * 96 + "v" * 24 + "e" * 4, width=160, height=160)
        pairs = [_pair(dataset, folder / str(number)) for number in range(ROUNDS)]
    ours, plain = middle([a.seconds for a, _ in pairs]), middle([b.seconds for _, b in pairs])
    our_map, plain_map = middle([a.map50 for a, _ in pairs]), middle([b.map50 for _, b in pairs])
    return [
        at_least("training / plain `yolo detect train`: speed", f"{ours:.1f} s", f"{plain:.1f} s", plain / ours, 0.98),
        at_most("the same: difference of mAP50", f"{our_map:.3f}", f"{plain_map:.3f}", abs(our_map - plain_map), 0.02),
    ]


def _pair(dataset: Path, folder: Path) -> tuple[Trained, Trained]:
    folder.mkdir()
    spec = spec_for(dataset, folder / "ours", HYPERPARAMETERS)
    (folder / "ours").mkdir()
    (folder / "ours" / "run.json").write_text(json.dumps(spec), encoding="utf-8")
    _process([*CHILD, "--spec", str(folder / "ours" / "run.json")], folder)
    made = folder / "ours" / "work" / "run"
    arguments = yaml.safe_load((made / "args.yaml").read_text(encoding="utf-8"))
    arguments |= {"save_dir": None, "project": str(folder), "name": "plain"}
    (folder / "plain.yaml").write_text(yaml.safe_dump(arguments), encoding="utf-8")
    yolo = Path(sys.executable).with_name("yolo")
    _process([str(yolo), "detect", "train", f"cfg={folder / 'plain.yaml'}"], folder)
    return _results(made / "results.csv"), _results(folder / "plain" / "results.csv")


def _process(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "HOME": str(folder), "YOLO_OFFLINE": "true"}  # noqa: TID251 ours and another home
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, timeout=900)


def _results(path: Path) -> Trained:
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    last = {name.strip(): value for name, value in rows[-1].items()}
    return Trained(float(last["time"]), float(last["metrics/mAP50(B)"]))
