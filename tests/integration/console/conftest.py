"""The console's tables and routes on real PostgreSQL and S3, without a broker in between."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from json import dumps, loads
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from libs.common.configuration import Configuration
from libs.common.events import Event, as_values
from libs.common.objects import S3Objects, connect
from libs.common.postgres import Pool, open_pool
from libs.common.settings import CommonSettings
from libs.common.testing import envelope_for
from services.console.api.streaming import Streams
from services.console.app import create_app
from services.console.domain.facts import Fact
from services.console.settings import Settings
from services.console.store.dead_letters import DeadLetterStore
from services.console.store.log import EventLog, arrival_of
from services.console.store.projection import keep_and_apply
from services.console.store.rebuild import TABLES
from services.console.store.views import Views
from services.console.store.washes import WashViews
from services.console.store.why import Causes
from services.console.store.workflows import WorkflowStore

ADMIN = {"Authorization": "Bearer test-admin-token-0123456789"}


@dataclass
class Console:
    """What a test says to the console, and what it shows."""

    pool: Pool
    objects: S3Objects
    http: httpx.AsyncClient

    async def hear(self, *facts: Fact, cause: UUID | None = None) -> None:
        """Take facts in, in this order of arrival."""
        for fact in facts:
            envelope = envelope_for(fact.event, event_id=fact.event_id, time=fact.at, causation_id=cause and str(cause))
            arrival = arrival_of(as_values(fact.event), envelope, fact.at)
            async with self.pool.acquire() as connection, connection.transaction():
                await keep_and_apply(connection, arrival)

    async def tables(self) -> dict[str, list[str]]:
        return await dump_tables(self.pool)

    async def said(self, event: type[Event]) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select value from outbox where topic = $1 order by seq", event.topic)
        return [loads(row["value"]) for row in rows]

    async def get(self, path: str, **query: object) -> Any:
        answer = await self.http.get(path, params={key: str(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()


async def dump_tables(pool: Pool, schema: str = "console", tables: Iterable[str] = TABLES) -> dict[str, list[str]]:
    """Every row of the read tables, comparable. Positions of log lines come from the order of arrival: left out."""
    found: dict[str, list[str]] = {}
    for table in tables:
        rows: list[asyncpg.Record] = await pool.fetch(f"select * from {schema}.{table}")
        values = [{name: value for name, value in row.items() if name != "position"} for row in rows]
        found[table] = sorted(dumps(value, default=str, sort_keys=True) for value in values)
    return found


@pytest.fixture
async def console(database: Any, settings: CommonSettings, environment: dict[str, str]) -> AsyncIterator[Console]:
    await database.migrate("console")
    pool = await open_pool(database.dsn, "console")
    objects = connect(settings)
    await objects.ensure_bucket()
    own = Settings(_env_file=None, stream_poll_seconds=0.05, **environment)
    app = create_app(own).http_app()
    views, log, letters, washes = Views(pool), EventLog(pool), DeadLetterStore(pool), WashViews(pool)
    state = {
        "pool": pool, "objects": objects, "configuration": Configuration(pool), "settings": own, "views": views, "washes": washes,
        "event_log": log, "dead_letters": letters, "causes": Causes(log, views, washes, letters, objects),
        "workflow_store": WorkflowStore(pool), "streams": Streams(),
    }  # fmt: skip
    for name, value in state.items():
        setattr(app.state, name, value)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://console", headers=ADMIN) as http:
        yield Console(pool, objects, http)
    await pool.close()
