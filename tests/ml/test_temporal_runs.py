"""Runs of the back-ends that learn from clips: given back, killed, resumed, without a val split, refused."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from services.trainer.training.protocol import EXIT_GIVEN_BACK, Finished
from tests.ml.clips import STEPS, clip_spec, write_clips
from tests.ml.training import Trainer

pytestmark = pytest.mark.slow
EPOCHS = 30
TINY: dict[str, Any] = {"epochs": EPOCHS, "layers": 3, "stages": 2, "maps": 8, "members": 2}


def digest(finished: Finished) -> str:
    return next(entry.sha256 for entry in finished.artifacts if entry.name == "best.onnx")


def spec_in(folder: Path, resume_from: Path | None = None, **changes: Any) -> dict[str, Any]:
    dataset = folder / "dataset"
    if not dataset.exists():
        write_clips(dataset, "tttttte")
    known = {"hyperparameters": TINY, "resume_from": str(resume_from) if resume_from else None}
    return clip_spec(dataset, folder / "output", **{**known, **changes})


def test_an_interrupted_run_ends_as_one_that_never_was(clip_trainer: Trainer, tmp_path: Path) -> None:
    """SIGTERM after epoch 1, SIGKILL after a later one; each time only the checkpoint moves to another folder."""
    whole = clip_trainer.run(spec_in(tmp_path / "whole"))
    assert whole.code == 0, whole.stderr

    given_back = clip_trainer.stop_after_epoch(spec_in(tmp_path / "a"), 1, signal.SIGTERM)
    assert given_back.code == EXIT_GIVEN_BACK
    reached = given_back.checkpoints[-1]
    assert reached.epoch < EPOCHS
    first = shutil.copyfile(reached.path, tmp_path / "first.ckpt")
    shutil.rmtree(tmp_path / "a")

    killed = clip_trainer.stop_after_epoch(spec_in(tmp_path / "b", first), reached.epoch + 1, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert killed.epochs[0] == reached.epoch + 1
    second = shutil.copyfile(killed.checkpoints[-1].path, tmp_path / "second.ckpt")
    shutil.rmtree(tmp_path / "b")

    last = clip_trainer.run(spec_in(tmp_path / "c", second))
    assert last.finished.metrics == whole.finished.metrics
    assert digest(last.finished) == digest(whole.finished)
    results = [(tmp_path / name / "output" / "results.csv").read_text() for name in ("whole", "c")]
    assert results[0] == results[1]
    assert whole.finished.metadata["validated_on"] == "folds of train"
    assert "parts of train, no recording in two" in whole.texts("warning")

    only_exports = clip_trainer.run(spec_in(tmp_path / "d", last.checkpoints[-1].path))
    assert only_exports.epochs == []
    assert digest(only_exports.finished) == digest(whole.finished)

    changed = clip_trainer.run(spec_in(tmp_path / "e", second, hyperparameters={**TINY, "maps": 16}))
    assert "maps" in changed.failed.reason


def test_a_classifier_is_resumed_from_its_only_epoch(clip_trainer: Trainer, tmp_path: Path) -> None:
    few: dict[str, Any] = {"backend": "classic", "hyperparameters": {"trees": 5}}
    whole = clip_trainer.run(spec_in(tmp_path / "whole", **few))
    killed = clip_trainer.stop_after_epoch(spec_in(tmp_path / "a", **few), 1, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL or killed.finished
    last = clip_trainer.run(spec_in(tmp_path / "b", killed.checkpoints[-1].path, **few))
    assert last.epochs == []
    assert last.finished.metrics == whole.finished.metrics
    assert digest(last.finished) == digest(whole.finished)


def test_one_recording_alone_validates_itself_and_says_so(clip_trainer: Trainer, tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "dataset", "t")
    heard = clip_trainer.run(clip_spec(dataset, tmp_path / "output", {**TINY, "epochs": 2}))
    assert heard.finished.metadata["validated_on"] == "train"
    assert "metrics below are flattering" in heard.texts("warning")


def test_patience_ends_a_run_that_learns_nothing_more(clip_trainer: Trainer, tmp_path: Path) -> None:
    dataset = write_clips(tmp_path / "dataset", "ttv")
    still = {**TINY, "epochs": 50, "patience": 2, "learning_rate": 1e-12}
    heard = clip_trainer.run(clip_spec(dataset, tmp_path / "output", still))
    assert heard.epochs == [1, 2, 3]
    assert heard.finished.metrics["best_epoch"] == 1


def test_a_label_nobody_shows_is_never_said(clip_trainer: Trainer, tmp_path: Path) -> None:
    """Its place in the posteriors is there all the same."""
    more = [*STEPS, {"id": 4, "name": "dry", "title": {}}]
    known: dict[str, Any] = {"backend": "classic", "classes": more}
    heard = clip_trainer.run(
        clip_spec(write_clips(tmp_path / "dataset", "tt"), tmp_path / "output", {"trees": 5}, **known)
    )
    assert len(heard.finished.metadata["steps"]) == 5


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hyperparameters": {"model": "bilstm", "causal": True}}, "use lstm"),
        ({"hyperparameters": {"extractor": "pose"}}, "made by hands"),
        ({"task": "detection"}, "cannot train detection"),
        ({"classes": STEPS[:3]}, "which is none of other, rub, turn"),
    ],
)
def test_what_cannot_start_is_named(clip_trainer: Trainer, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    heard = clip_trainer.run(spec_in(tmp_path, **changes))
    assert heard.code == 1
    assert heard.failed.permanent
    assert told in heard.failed.reason
