"""What only containers run: the migrations once, and the health check."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from libs.common.postgres import MigrationError, open_pool
from libs.common.probe import answers
from libs.local.plan import SERVICES
from tests.conftest import Database

pytestmark = pytest.mark.connected


def migrating(dsn: str) -> str:
    """What `python -m libs.common.migrating` says."""
    command = [sys.executable, "-m", "libs.common.migrating"]
    done = subprocess.run(command, env={"DATABASE_URL": dsn}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_every_service_can_start_after_it_and_a_second_time_changes_nothing(database: Database) -> None:
    first = migrating(database.dsn)
    assert [line.split(":")[0] for line in first.splitlines()] == sorted(SERVICES)
    assert "up to date" not in first
    for service in SERVICES:
        pool = await open_pool(database.dsn, service)
        assert await pool.fetchval("select current_schema()") == service
        await pool.close()
    assert migrating(database.dsn).count("up to date") == len(SERVICES)


async def test_before_it_no_service_starts(database: Database) -> None:
    with pytest.raises(MigrationError, match="camloop migrate"):
        await open_pool(database.dsn, "cleaner")


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The address of a server that answers every request with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/healthz"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_only_a_service_that_says_so_is_healthy(status: int, healthy: bool) -> None:
    with answering(status) as url:
        assert answers(url) is healthy
    assert answers(url) is False
