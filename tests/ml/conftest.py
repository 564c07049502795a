"""The training child, and one model it trained, shared by all tests of this folder."""

import pytest

from services.trainer.training.protocol import BACKENDS
from tests.ml.training import FinishedRun, Trainer, spec_for, write_dataset


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The training child, with an empty home folder."""
    return _trainer("ultralytics", tmp_path_factory)


@pytest.fixture(scope="session")
def clip_trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The same where the back-ends that learn from clips are installed."""
    return _trainer("temporal", tmp_path_factory)


def _trainer(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    missing = BACKENDS[backend].missing()  # importing torch here to find out would take seconds
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}. {BACKENDS[backend].hint()}")
    home = tmp_path_factory.mktemp("home")
    return Trainer(home=home, bytecode=tmp_path_factory.mktemp("bytecode"))


@pytest.fixture(scope="session")
def finished_run(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A model trained long enough to detect discs and squares."""
    folder = tmp_path_factory.mktemp("finished")
    dataset = write_dataset(folder / "dataset", "t" * 64 + "v" * 8 + "e" * 8)
    hyperparameters = {"epochs": 10, "image_size": 96, "batch": 4, "nominal_batch": 4, "close_mosaic": 3}
    heard = trainer.run(spec_for(dataset, folder / "output", hyperparameters))
    assert heard.code == 0, f"{heard.said[-1]} {heard.stderr[-2000:]}"
    return FinishedRun(heard, folder / "output", dataset)
