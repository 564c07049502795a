"""A stack of their own for the trainer's tests: what others announce on a shared one would be trained on."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from trainer_kit import Neighbours

from libs.common import objects
from libs.common.kafka import event_topics, provision
from libs.common.objects import S3Objects
from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """Kafka, PostgreSQL and S3 for the trainer alone."""
    async with LocalStack() as running:
        yield running


@pytest.fixture
def trainer_environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Short leases, a checkpoint after every epoch, a folder of its own.

    Short retries, but for long: who was killed while it joined its groups keeps partitions for two sessions, and an event
    of another topic overtakes the workflow that waits there.
    """
    return environment | {
        "JOB_LEASE_SECONDS": "4",
        "RETRY_BASE_SECONDS": "0.2",
        "RETRY_ATTEMPTS": "7",
        "TRAINER_CHECKPOINT_SECONDS": "0",
        "TRAINER_WORK_FOLDER": str(tmp_path / "work"),
        "TRAINER_DEVICE": "cpu",
        "TRAINER_THREADS": "1",
    }


@pytest.fixture
async def neighbours(stack: LocalStack, settings: CommonSettings) -> AsyncIterator[Neighbours]:
    """The other services' voices and ears."""
    await provision(settings, event_topics())
    met = await Neighbours.meet(stack.kafka_bootstrap)
    yield met
    await met.leave()


@pytest.fixture
async def store(settings: CommonSettings) -> S3Objects:
    """The object store, with its bucket."""
    connected = objects.connect(settings)
    await connected.ensure_bucket()
    return connected


@pytest.fixture
def name() -> str:
    """A workflow name no other test uses."""
    return f"w{uuid4().hex[:10]}"
