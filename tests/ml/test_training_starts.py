"""How a run may start and how it may lose its listener: from given weights, without a val split, unheard."""

import shutil
from pathlib import Path

import pytest

from services.trainer.training.artifacts import sha256_of
from services.trainer.training.protocol import EXIT_GIVEN_BACK
from tests.ml.training import FinishedRun, Trainer, spec_for, write_dataset

pytestmark = pytest.mark.slow


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


def test_a_child_nobody_listens_to_gives_back(trainer: Trainer, tmp_path: Path) -> None:
    """Its starter was killed: an orphan must not keep the machine busy."""
    dataset = write_dataset(tmp_path / "dataset", "tv", width=64, height=64)
    spec = spec_for(dataset, tmp_path / "output", {"epochs": 3000, "image_size": 64})
    assert trainer.abandon(spec) == EXIT_GIVEN_BACK
