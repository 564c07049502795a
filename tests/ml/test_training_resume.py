"""Gate 9 of the crash gates, as far as the child goes: stopped or killed at an epoch, another machine goes on."""

import csv
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from services.trainer.training.protocol import EXIT_GIVEN_BACK
from tests.ml.training import Trainer, spec_for, write_dataset

pytestmark = pytest.mark.slow
TINY = {"epochs": 5, "image_size": 64, "batch": 4}


def test_a_run_survives_sigterm_and_sigkill_and_a_new_machine(trainer: Trainer, tmp_path: Path) -> None:
    """SIGTERM after epoch 1, SIGKILL after a later one; each time only the checkpoint moves to another folder."""
    given_back = trainer.stop_after_epoch(_spec(tmp_path / "a"), 1, signal.SIGTERM)
    assert given_back.code == EXIT_GIVEN_BACK
    reached = given_back.checkpoints[-1]
    assert reached.epoch < 5

    moved = _move(reached.path, tmp_path / "a", tmp_path / "first.ckpt")
    killed = trainer.stop_after_epoch(_spec(tmp_path / "b", moved), reached.epoch + 1, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert killed.epochs[0] == reached.epoch + 1
    reached = killed.checkpoints[-1]

    moved = _move(reached.path, tmp_path / "b", tmp_path / "second.ckpt")
    last = trainer.run(_spec(tmp_path / "c", moved))
    assert last.code == 0
    assert last.epochs == list(range(reached.epoch + 1, 6))
    assert last.finished.metrics["epochs"] == 5
    _assert_whole_history(tmp_path / "c" / "output")


def _spec(folder: Path, resume_from: Path | None = None) -> dict[str, Any]:
    dataset = write_dataset(folder / "dataset", "ttttttvv", width=64, height=64)
    return spec_for(dataset, folder / "output", TINY, resume_from=str(resume_from) if resume_from else None)


def _move(checkpoint: Path, machine: Path, target: Path) -> Path:
    """All that is left of a machine is the checkpoint that was uploaded from it."""
    shutil.copyfile(checkpoint, target)
    shutil.rmtree(machine)
    return target


def _assert_whole_history(output: Path) -> None:
    """The artifacts of a run that was interrupted twice tell of all its epochs."""
    with (output / "results.csv").open(encoding="utf-8") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5]
    logged = (output / "train.log").read_text(encoding="utf-8")
    assert all(f"Epoch {epoch}/5:" in logged for epoch in range(1, 6))


def test_a_child_nobody_listens_to_gives_back(trainer: Trainer, tmp_path: Path) -> None:
    """Its starter was killed: an orphan must not keep the machine busy."""
    dataset = write_dataset(tmp_path / "dataset", "tv", width=64, height=64)
    spec = spec_for(dataset, tmp_path / "output", {"epochs": 3000, "image_size": 64})
    assert trainer.abandon(spec) == EXIT_GIVEN_BACK
