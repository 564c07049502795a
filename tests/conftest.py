"""Fixtures shared by all tests: the real Kafka, PostgreSQL and S3, started per file and only when a test asks."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports ONNX Runtime: it would write into the user's cache

from libs.common.postgres import migrate
from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack
from tests.support import process_logs
from tests.support.proving import (  # noqa: F401  # hooks and a fixture for pytest
    keep_gates,
    pytest_addoption,
    pytest_generate_tests,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    seen,
)

# With several workers: first, so that at the end none is left alone with them.
LONGEST = ("integration/gates", "integration/trainer", "integration/dataset", "ml", "integration/hostile")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ADMIN_TOKEN = "test-admin-token-0123456789"


# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Show the processes' logs beside a failure."""
    config.pluginmanager.register(process_logs)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Which tests run, and in which order: that of their names, but for the longest."""
    keep_gates(config, items)
    longest = tuple(str(Path(__file__).parent / each) for each in LONGEST)
    items.sort(key=lambda item: not str(item.path).startswith(longest))


def settings_for(stack: LocalStack, dsn: str, **changes: object) -> dict[str, str]:
    """The environment a service needs to use the test stack."""
    values: dict[str, object] = {**stack.environment(), "DATABASE_URL": dsn, "CAMLOOP_ADMIN_TOKEN": ADMIN_TOKEN}
    return {name: str(value) for name, value in (values | changes).items()}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[LocalStack]:
    """Real Kafka, PostgreSQL and S3 for the tests of one file: topics full of another file's poison would mislead them."""
    async with LocalStack() as running:
        yield running


@dataclass(frozen=True)
class Database:
    """A fresh database of its own, with the schemas of the services a test asks for."""

    dsn: str

    async def migrate(self, *services: str) -> None:
        for service in services:
            await migrate(self.dsn, service)


@asynccontextmanager
async def new_database(stack: LocalStack) -> AsyncIterator[Database]:
    """A database nobody else uses, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    await _as_admin(stack, f"create database {name}")
    yield Database(with_database(stack.postgres_dsn, name))
    await _as_admin(stack, f"drop database {name} with (force)")


@pytest.fixture
async def database(stack: LocalStack) -> AsyncIterator[Database]:
    """A database of the test's own."""
    async with new_database(stack) as made:
        yield made


async def _as_admin(stack: LocalStack, statement: str) -> None:
    # A connection for each: a test may have restarted the server in between.
    admin = await asyncpg.connect(stack.postgres_dsn)
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    head, _, query = dsn.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/{name}" + (f"?{query}" if query else "")


@pytest.fixture
def environment(stack: LocalStack, database: Database) -> dict[str, str]:
    """Environment variables for a service process against the test stack and a fresh database."""
    return settings_for(stack, database.dsn)


@pytest.fixture
def settings(environment: dict[str, str]) -> CommonSettings:
    """Common settings against the test stack."""
    return CommonSettings(_env_file=None, **{name: environment[name] for name in environment})


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; a test that needs it is skipped, loudly, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is absent: {SHARED_DATA}")
    return SHARED_DATA
