"""The child by hand: what it says, what it leaves behind, and that its ONNX file detects what its weights detect."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from libs.vision.inference import Detector, letterbox
from services.trainer.training.artifacts import sha256_of
from tests.ml.training import CLASSES, REPOSITORY, FinishedRun, Trainer, draw_scene, spec_for, write_dataset

pytestmark = pytest.mark.slow
NAMES = [str(entry["name"]) for entry in CLASSES]


@pytest.fixture(scope="module")
def finished_run(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A model trained long enough to detect discs and squares: half a minute of work that only this file needs."""
    folder = tmp_path_factory.mktemp("finished")
    dataset = write_dataset(folder / "dataset", "t" * 64 + "v" * 8 + "e" * 8)
    hyperparameters = {"epochs": 10, "image_size": 96, "batch": 4, "nominal_batch": 4, "close_mosaic": 3}
    heard = trainer.run(spec_for(dataset, folder / "output", hyperparameters))
    assert heard.code == 0, f"{heard.said[-1]} {heard.stderr[-2000:]}"
    return FinishedRun(heard, folder / "output", dataset)


def test_every_line_comes_in_its_order(finished_run: FinishedRun) -> None:
    heard = finished_run.heard
    assert heard.started.device == "cpu"
    assert heard.started.threads >= 1
    assert heard.started.environment.keys() >= {"python", "torch", "ultralytics", "cuda"}
    assert heard.epochs == list(range(1, 11))
    assert [line.epoch for line in heard.checkpoints] == heard.epochs
    assert [line.seq for line in heard.log] == list(range(1, len(heard.log) + 1))
    order = [line.type for line in heard.said if line.type != "log"]
    assert order == ["started", *(["progress", "checkpoint"] * 10), "finished"]


def test_the_model_learned_to_detect(finished_run: FinishedRun) -> None:
    assert finished_run.heard.finished.metrics["map50"] > 0.7
    losses = [line.metrics["train_box_loss"] for line in finished_run.heard.said if line.type == "progress"]
    assert losses[-1] < losses[0]


def test_artifacts_are_what_their_digests_say(finished_run: FinishedRun) -> None:
    artifacts = {entry.name: entry for entry in finished_run.heard.finished.artifacts}
    assert set(artifacts) == {"best.pt", "best.onnx", "metadata.json", "train.log", "results.csv"}
    for entry in artifacts.values():
        data = entry.path.read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.sha256, entry.bytes)
    with (finished_run.output / "results.csv").open(encoding="utf-8") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, 11))
    logged = (finished_run.output / "train.log").read_text(encoding="utf-8")
    assert all(line.text in logged for line in finished_run.heard.log)


def test_metadata_says_what_the_model_is(finished_run: FinishedRun) -> None:
    metadata = json.loads((finished_run.output / "metadata.json").read_text(encoding="utf-8"))
    assert metadata == finished_run.heard.finished.metadata
    assert metadata["abi"] == "detector/1"
    assert metadata["classes"] == CLASSES
    assert metadata["input"] == {"height": 96, "width": 96}
    assert metadata["licence"] == "AGPL-3.0"
    assert metadata["validated_on"] == "val"
    artifacts = {entry.name: entry.sha256 for entry in finished_run.heard.finished.artifacts}
    for entry in metadata["files"]:
        assert artifacts[entry["name"]] == entry["sha256"]
    assert {"best.pt", "best.onnx"} <= {entry["name"] for entry in metadata["files"]}


def test_the_onnx_file_has_the_signature_of_every_detector(finished_run: FinishedRun) -> None:
    model = onnx.load(finished_run.output / "best.onnx")
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 17
    assert _signature(model.graph.input) == {"images": [1, 3, 96, 96]}
    assert _signature(model.graph.output) == {"detections": [1, 300, 6]}
    assert str(finished_run.output) not in str(model.metadata_props), "a path of the training machine is in the model"


def _signature(tensors: Any) -> dict[str, list[int]]:
    assert all(tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for tensor in tensors)
    return {tensor.name: [side.dim_value for side in tensor.type.tensor_type.shape.dim] for tensor in tensors}


def test_onnx_detects_what_torch_detects(finished_run: FinishedRun, trainer: Trainer, tmp_path: Path) -> None:
    """Same boxes within 1 px and 0.01 confidence, on images of three shapes that the model never saw."""
    scenes = [draw_scene(1000 + number, width=width, height=96)[0] for number, width in enumerate((96, 160, 128, 96))]
    expected = _torch_detections(
        finished_run.output / "best.pt", [letterbox(s, 96, 96)[0] for s in scenes], trainer, tmp_path
    )
    detector = Detector(finished_run.output / "best.onnx", NAMES, threads=1)
    surely_found: set[str] = set()
    for scene, rows in zip(scenes, expected, strict=True):
        scale = max(scene.shape[:2]) / 96
        found = detector.detect(scene, 0.05)
        sure = [row for row in rows if row[4] >= 0.05]
        assert found[0].confidence > 0.25
        surely_found |= {each.label for each in found if each.confidence > 0.5}
        assert len(found) == len(sure)
        for each, row in zip(found, sure, strict=True):
            assert each.label == NAMES[int(row[5])]
            assert each.confidence == pytest.approx(row[4], abs=0.01)
            assert each.box == pytest.approx(_in_image(row[:4], scene.shape), abs=scale)
    assert surely_found == set(NAMES), "two models that see nothing would agree, too"


def _torch_detections(weights: Path, inputs: list[Any], trainer: Trainer, folder: Path) -> list[list[list[float]]]:
    np.save(folder / "inputs.npy", np.stack(inputs))
    settings = {
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_OFFLINE": "true",
        "MPLCONFIGDIR": str(folder),
        "YOLO_VERBOSE": "false",
    }
    script = Path(__file__).with_name("predict_with_torch.py")
    done = subprocess.run(
        [sys.executable, str(script), str(weights), str(folder / "inputs.npy")],
        env=trainer.environment() | settings, cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _in_image(box: list[float], shape: tuple[int, ...]) -> list[float]:
    """From pixels of the 96 x 96 input to pixels of the image, which is only ever wider than high here."""
    height, width = shape[:2]
    scale = width / 96
    top = (96 - round(height / scale)) // 2
    x1, y1, x2, y2 = (float(side) for side in box)
    moved = (x1 * scale, (y1 - top) * scale, x2 * scale, (y2 - top) * scale)
    return [float(np.clip(side, 0, limit)) for side, limit in zip(moved, (width, height, width, height), strict=True)]


def test_nothing_is_written_outside_the_output_folder(finished_run: FinishedRun, trainer: Trainer) -> None:
    assert list(trainer.home.iterdir()) == []
    written = {path.name for path in finished_run.dataset.rglob("*") if path.is_file()}
    images = {path.name for path in (finished_run.dataset / "images").iterdir()}
    assert written == images | {"manifest.jsonl"}
    assert not (REPOSITORY / "runs").exists()


def test_images_are_linked_and_the_test_split_stays_unseen(finished_run: FinishedRun) -> None:
    laid_out = [path for path in (finished_run.output / "work" / "yolo" / "images").rglob("*.jpg")]
    assert len(laid_out) == 72
    assert all(path.is_symlink() for path in laid_out)
    rows = [json.loads(row) for row in (finished_run.dataset / "manifest.jsonl").read_text().splitlines()]
    kept_apart = {row["media"]["sha256"] for row in rows if row["split"] == "test"}
    assert not kept_apart & {path.resolve().stem for path in laid_out}


def test_a_run_killed_before_its_export_only_exports(
    finished_run: FinishedRun, trainer: Trainer, tmp_path: Path
) -> None:
    """The last checkpoint is complete: no epoch is trained again, and the same weights ship."""
    last = finished_run.heard.checkpoints[-1].path
    dataset = write_dataset(tmp_path / "dataset", "t" * 64 + "v" * 8 + "e" * 8)
    hyperparameters = {"epochs": 10, "image_size": 96, "batch": 4, "nominal_batch": 4, "close_mosaic": 3}
    heard = trainer.run(spec_for(dataset, tmp_path / "output", hyperparameters, resume_from=str(last)))
    assert heard.code == 0
    assert heard.epochs == []
    assert heard.finished.metrics == finished_run.heard.finished.metrics
    assert _onnx_digest(heard.finished) == _onnx_digest(finished_run.heard.finished)


def _onnx_digest(finished: Any) -> str:
    return next(entry.sha256 for entry in finished.artifacts if entry.name == "best.onnx")


def test_a_checkpoint_of_another_run_is_refused(finished_run: FinishedRun, trainer: Trainer, tmp_path: Path) -> None:
    last = finished_run.heard.checkpoints[-1].path
    spec = spec_for(finished_run.dataset, tmp_path / "output", {"epochs": 20}, resume_from=str(last))
    heard = trainer.run(spec)
    assert heard.failed.permanent
    assert "epochs" in heard.failed.reason


def test_a_damaged_checkpoint_is_refused(finished_run: FinishedRun, trainer: Trainer, tmp_path: Path) -> None:
    damaged = tmp_path / "half.ckpt"
    damaged.write_bytes(finished_run.heard.checkpoints[-1].path.read_bytes()[:100_000])
    heard = trainer.run(spec_for(finished_run.dataset, tmp_path / "output", {}, resume_from=str(damaged)))
    assert heard.code == 1
    assert "half.ckpt cannot be read" in heard.failed.reason


def test_given_weights_are_the_start_and_train_stands_in_for_an_empty_val(
    finished_run: FinishedRun, trainer: Trainer, tmp_path: Path
) -> None:
    """One gentle epoch from weights that detect already: they still detect, which scratch never does so early."""
    weights = tmp_path / "weights" / "yolov8n.pt"
    weights.parent.mkdir()
    shutil.copyfile(finished_run.output / "best.pt", weights)
    dataset = write_dataset(tmp_path / "dataset", "t" * 8 + "e" * 2)
    gentle = {"optimizer": "SGD", "learning_rate": 0.0001, "mosaic": 0.0}
    hyperparameters = {"pretrained": True, "epochs": 1, "image_size": 96, **gentle}
    heard = trainer.run(spec_for(dataset, tmp_path / "output", hyperparameters, weights_folder=str(weights.parent)))
    assert heard.finished.metrics["map50"] > 0.7
    metadata = heard.finished.metadata
    assert metadata["base_weights"] == {"name": "yolov8n.pt", "sha256": sha256_of(weights), "licence": "AGPL-3.0"}
    assert metadata["validated_on"] == "train"
    assert "The val split is empty" in heard.texts("warning")
