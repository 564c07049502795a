"""The whole system, started once by `camloop up --detach` in a folder of its own, driven from outside."""

import shutil
from collections.abc import Iterator

import pytest

from tests.support.backend import HINT, MISSING
from tests.support.system import System, running_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Start everything, hand it out, stop everything, and see that nothing stays behind."""
    if MISSING:
        pytest.skip(HINT)
    folder = tmp_path_factory.mktemp("system")
    (folder / "workflows").mkdir()
    try:
        with running_system(folder, folder / "workflows") as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
