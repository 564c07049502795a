"""What a run cannot start with: each fault is named, with what to do about it, and nothing is downloaded."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.trainer.training.__main__ import read_spec
from services.trainer.training.hyperparameters import UltralyticsHyperparameters, parse_hyperparameters
from services.trainer.training.manifest import read_dataset
from services.trainer.training.protocol import TrainingFailed
from tests.ml.training import CHILD, REPOSITORY, Trainer, spec_for, write_dataset

WITHOUT_ULTRALYTICS = [
    sys.executable,
    "-c",
    "import sys, runpy; sys.modules['ultralytics'] = None; "
    "runpy.run_module('services.trainer.training', run_name='__main__', alter_sys=True)",
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("refused") / "dataset", "tv", width=64, height=64)


@pytest.mark.parametrize(
    ("hyperparameters", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch": "16"}, "batch"),
        ({"image_size": 100}, "image_size"),
        ({"learnig_rate": 0.1}, "learnig_rate"),
        ({"mosaic": 1.5}, "mosaic"),
        ({"model": "yolov5n"}, "model"),
        ({"learning_rate": 0.1}, "optimizer"),
    ],
)
def test_a_bad_hyperparameter_is_named(hyperparameters: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingFailed) as caught:
        parse_hyperparameters(UltralyticsHyperparameters, hyperparameters)
    assert caught.value.permanent
    assert named in caught.value.reason
    assert "--schema ultralytics" in caught.value.hint


@pytest.mark.slow
def test_a_bad_hyperparameter_ends_the_run(trainer: Trainer, dataset: Path, tmp_path: Path) -> None:
    heard = trainer.run(spec_for(dataset, tmp_path, {"epochs": 0, "batch": "16"}))
    assert heard.code == 1
    assert heard.failed.permanent
    assert "epochs: " in heard.failed.reason
    assert "batch: " in heard.failed.reason


@pytest.mark.slow
def test_missing_weights_are_named_with_what_to_do(trainer: Trainer, dataset: Path, tmp_path: Path) -> None:
    spec = spec_for(dataset, tmp_path, {"pretrained": True, "model": "yolo11s"}, weights_folder=str(tmp_path / "none"))
    heard = trainer.run(spec)
    assert heard.failed.permanent
    assert str(tmp_path / "none" / "yolo11s.pt") in heard.failed.reason
    assert "TRAINER_WEIGHTS_FOLDER" in heard.failed.hint


@pytest.mark.slow
def test_a_missing_extra_is_named(trainer: Trainer, dataset: Path, tmp_path: Path) -> None:
    heard = trainer.run(spec_for(dataset, tmp_path, {}), command=WITHOUT_ULTRALYTICS)
    assert heard.code == 1
    assert heard.failed.permanent
    assert heard.failed.reason == "the back-end ultralytics is not installed"
    assert "uv sync --extra ultralytics" in heard.failed.hint


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "named"), [({"backend": "keras"}, "keras"), ({"task": "temporal"}, "temporal")])
def test_a_back_end_that_cannot_do_it_is_named(
    trainer: Trainer, dataset: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    heard = trainer.run(spec_for(dataset, tmp_path, {}, **changes))
    assert heard.code == 1
    assert heard.failed.permanent
    assert named in heard.failed.reason


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"seed": -1}, "seed"),
        ({"device": "gpu"}, "device"),
        ({"classes": [{"id": 1, "name": "disc"}]}, "ids 0, 1, 2"),
    ],
)
def test_a_wrong_spec_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(spec_for(tmp_path, tmp_path, {}, **changes)))
    with pytest.raises(TrainingFailed, match=named):
        read_spec(path)


def test_boxes_are_clipped_and_polygons_outlined(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", "t", width=64, height=64)
    _change_first_row(
        folder,
        annotations=[
            {"label": "disc", "box": [-5, 10, 20, 90]},
            {"label": "square", "polygon": [[30, 5], [50, 20], [40, 40]]},
            {"label": "disc", "box": [70, 70, 90, 90]},
        ],
    )
    dataset = read_dataset(folder, ["disc", "square"])
    assert dataset.train[0].boxes == ((0, (0, 10, 20, 64)), (1, (30, 5, 50, 40)))
    assert dataset.dropped_boxes == 1


@pytest.mark.parametrize(
    ("changes", "named", "permanent"),
    [
        ({"split": "test"}, "split 'train'", True),
        ({"annotations": []}, "no annotated sample", True),
        ({"annotations": [{"label": "hexagon", "box": [1, 1, 9, 9]}]}, "'hexagon'", True),
        ({"annotations": [{"label": "disc"}]}, "box or a polygon", True),
        ({"kind": "clip"}, "kind", True),
        ({"file": "../secret.jpg"}, "outside the dataset folder", True),
        ({"file": "images/gone.jpg"}, "gone.jpg is missing", False),
    ],
)
def test_a_dataset_one_cannot_train_on_is_named(
    tmp_path: Path, changes: dict[str, Any], named: str, permanent: bool
) -> None:
    folder = write_dataset(tmp_path / "dataset", "t", width=64, height=64)
    _change_first_row(folder, **changes)
    with pytest.raises(TrainingFailed, match=named) as caught:
        read_dataset(folder, ["disc", "square"])
    assert caught.value.permanent is permanent


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"manifest\.jsonl cannot be read"):
        read_dataset(tmp_path, ["disc"])


def _change_first_row(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | changes), *others]), encoding="utf-8")


@pytest.mark.slow
def test_the_command_line_tells_back_ends_and_hyperparameters(trainer: Trainer) -> None:
    backends = _ask(trainer, "--backends")
    assert backends["ultralytics"]["installed"] is True
    assert backends["ultralytics"]["licence"] == "AGPL-3.0"
    schema = _ask(trainer, "--schema", "ultralytics")
    assert schema["additionalProperties"] is False
    for name, entry in schema["properties"].items():
        assert entry["description"], name
        assert "default" in entry, name
    assert schema["properties"]["image_size"]["multipleOf"] == 32


def _ask(trainer: Trainer, *arguments: str) -> Any:
    done = subprocess.run(
        [*CHILD, *arguments], cwd=REPOSITORY, env=trainer.environment(), check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)
