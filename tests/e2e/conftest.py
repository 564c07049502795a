"""The whole system, started once by `camloop up --detach` in a folder of its own, driven from outside."""

import os
import shutil
from collections.abc import Iterator

import psutil
import pytest

from tests.support.backend import HINT, MISSING
from tests.support.system import REPOSITORY, System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Start everything, hand it out, stop everything, and see that nothing stays behind."""
    if MISSING:
        pytest.skip(HINT)
    folder = tmp_path_factory.mktemp("system")
    environment = {
        **os.environ,
        "CAMLOOP_DATA_FOLDER": str(folder / "var"),
        "WORKFLOWS_FOLDER": str(folder / "workflows"),
        "CAMLOOP_ADMIN_TOKEN": "end-to-end-admin-token-0123456789",
        "PYTHONPATH": str(REPOSITORY),
    }
    (folder / "workflows").mkdir()
    running = System(folder, environment)
    running.camloop("up", "--detach")
    try:
        yield running
    finally:
        running.camloop("down")
        left = [
            p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])
        ]
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []
