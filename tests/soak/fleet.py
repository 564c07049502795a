"""All services as processes on a stack of their own; what dies is started again, as a supervisor does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from libs.common import objects
from libs.common.kafka import event_topics, provision
from libs.common.postgres import migrate
from libs.common.settings import CommonSettings
from libs.local.ports import free_port
from libs.local.stack import LocalStack
from tests.support.gates import SERVICES
from tests.support.replica import REPOSITORY, Replica
from tests.support.unprotected import TABLES

TOKEN = "soak-admin-token-0123456789"
# The cleaner is what one waits for: two of it.
FLEET = (*SERVICES, "cleaner")


@dataclass
class Fleet:
    """Replicas by place; `environment` is every service's. Each place keeps its port over restarts."""

    stack: LocalStack
    folder: Path
    environment: dict[str, str]
    places: dict[str, str]
    ports: dict[str, str]
    replicas: dict[str, Replica] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)

    async def keep_running(self) -> None:
        """Start what has ended, after a moment."""
        while True:
            for place, replica in list(self.replicas.items()):
                if not replica.is_running:
                    self.restarts[place] = self.restarts.get(place, 0) + 1
                    await self.start(place)
            await asyncio.sleep(0.5)

    async def start(self, place: str) -> None:
        """Start the service of a place, watched for doubled effects."""
        name = self.places[place]
        environment = self.environment | {f"{name.upper()}_HTTP_PORT": self.ports[place]}
        self.replicas[place] = await Replica.start_watched(
            name, environment, self.folder, watch="true", starts="false", session_seconds="10"
        )

    def url(self, place: str) -> str:
        """Where a place answers, also after a restart."""
        return f"http://127.0.0.1:{self.ports[place]}"

    async def ready(self, timeout_seconds: float = 180) -> None:
        """Wait until every place is ready (a restart in between is waited for)."""
        async with asyncio.timeout(timeout_seconds):
            for place in self.places:
                while not await self.replicas[place].is_ready():  # noqa: ASYNC110 other processes
                    await asyncio.sleep(0.2)

    async def query(self, statement: str, *arguments: Any) -> list[Any]:
        """Rows across all schemas."""
        connection = await asyncpg.connect(self.stack.postgres_dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def value(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        return (await self.query(statement, *arguments))[0][0]

    def settings(self) -> CommonSettings:
        """For clients of the same parts."""
        return CommonSettings(_env_file=None, **self.environment)  # type: ignore[arg-type]


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Everything up and ready; all of it ends with the context."""
    # Durable: a commit that a killed PostgreSQL forgets would be a loss that no plant's settings allow.
    async with LocalStack(durable=True) as stack:
        made = Fleet(stack, folder, _environment(stack, folder), *_places())
        settings = made.settings()
        for service in SERVICES:
            await migrate(stack.postgres_dsn, service)
        connection = await asyncpg.connect(stack.postgres_dsn)
        await connection.execute(TABLES)
        await connection.close()
        await provision(settings, event_topics())
        await objects.connect(settings).ensure_bucket()
        for place in made.places:
            await made.start(place)
        keeping = asyncio.ensure_future(made.keep_running())
        try:
            await made.ready()
            yield made
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            for replica in made.replicas.values():
                await replica.kill()


def _places() -> tuple[dict[str, str], dict[str, str]]:
    places: dict[str, str] = {}
    for name in FLEET:
        places[name if name not in places else f"{name}-2"] = name
    return places, {place: str(free_port()) for place in places}


def _environment(stack: LocalStack, folder: Path) -> dict[str, str]:
    (folder / "workflows").mkdir()
    (folder / "workflows" / "soak.yaml").write_text(_workflow(), encoding="utf-8")
    return stack.environment() | {
        "CAMLOOP_ADMIN_TOKEN": TOKEN,
        "WORKFLOWS_FOLDER": str(folder / "workflows"),
        "TRAINER_WORK_FOLDER": str(folder / "work"),
        "RETRY_BASE_SECONDS": "1",
        "LOG_LEVEL": "WARNING",
    }


def _workflow() -> str:
    """The hairnet workflow without training: versions are built all the time, and the work is the pipeline's."""
    path = REPOSITORY / "deploy" / "workflows" / "hairnet.yaml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    definition["name"] = "soak"
    definition["dataset"] |= {"build_after_samples": 100, "debounce_seconds": 1, "minimum_per_class": 0}
    definition["training"]["automatic"] = False
    return yaml.safe_dump(definition, allow_unicode=True)
