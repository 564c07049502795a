"""The training child, for all tests of this folder."""

import pytest

from services.trainer.training.protocol import BACKENDS
from tests.ml.training import Trainer


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
    return Trainer(home=tmp_path_factory.mktemp("home"))
