"""The registry's handlers and routes on real PostgreSQL and S3, without a broker in between."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from json import loads
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.common.configuration import Configuration, put_token, put_workflow, token_digest
from libs.common.envelope import Envelope
from libs.common.errors import AlreadyHandled
from libs.common.events import (
    Event,
    ModelEvaluated,
    PromotionRequested,
    RollbackRequested,
    TokenChanged,
    WorkflowChanged,
)
from libs.common.objects import S3Objects, connect
from libs.common.postgres import Pool, open_pool
from libs.common.settings import CommonSettings
from libs.common.testing import NOON, envelope_for
from services.registry import handlers
from services.registry.app import create_app
from services.registry.store.aliases import AliasStore
from services.registry.store.predictions import PredictionStore
from services.registry.store.shelf import Shelf
from services.registry.store.versions import VersionStore
from tests.unit.registry.registry_events import Run, workflow_definition


@dataclass
class Registry:
    """What a test says to the registry, and what the registry says."""

    pool: Pool
    objects: S3Objects
    http: httpx.AsyncClient

    async def follow(self, workflow: str, *, promotion: str = "manual") -> str:
        event = WorkflowChanged(
            workflow=workflow, revision=1, definition=workflow_definition(workflow, promotion), changed_by="test"
        )
        async with self.pool.acquire() as connection:
            await put_workflow(connection, event)
        return workflow

    def run(self, workflow: str = "hairnet") -> Run:
        return Run(self.objects, workflow)

    async def evaluated(self, event: ModelEvaluated, envelope: Envelope | None = None, **replaced: Any) -> Envelope:
        envelope = envelope or envelope_for(event)
        needs = {
            "pool": self.pool, "versions": VersionStore(self.pool), "aliases": AliasStore(self.pool),
            "shelf": Shelf(self.objects), "configuration": Configuration(self.pool),
        } | replaced  # fmt: skip
        with suppress(AlreadyHandled):
            await handlers.register_model(event, envelope, **needs)
        return envelope

    async def asked(self, event: PromotionRequested | RollbackRequested, *, late_by: float = 0) -> None:
        envelope = envelope_for(event, time=NOON - timedelta(seconds=late_by))
        handler = handlers.promote if isinstance(event, PromotionRequested) else handlers.roll_back
        await handler(event, envelope, pool=self.pool, aliases=AliasStore(self.pool))

    async def said(self, event: type[Event]) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select value from outbox where topic = $1 order by seq", event.topic)
        return [loads(row["value"]) for row in rows]

    async def champion(self, model: str = "hairnet") -> tuple[int | None, int | None]:
        aliases = AliasStore(self.pool)
        return await aliases.find(model, "champion"), await aliases.find(model, "previous")

    async def token(self, secret: str, *scopes: str, camera_id: str | None = None) -> dict[str, str]:
        event = TokenChanged(
            token_id=uuid4(), sha256=token_digest(secret), scopes=scopes, camera_id=camera_id, label=f"label {secret}",
            issued_at=NOON,
        )  # fmt: skip
        async with self.pool.acquire() as connection:
            await put_token(connection, event)
        return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def registry(database: Any, settings: CommonSettings) -> AsyncIterator[Registry]:
    await database.migrate("registry")
    pool = await open_pool(database.dsn, "registry")
    objects = connect(settings)
    await objects.ensure_bucket()
    app = create_app(settings).http_app()  # pyright: ignore[reportArgumentType]
    state = {
        "pool": pool, "objects": objects, "configuration": Configuration(pool), "versions": VersionStore(pool),
        "aliases": AliasStore(pool), "predictions": PredictionStore(pool), "link_lifetime": timedelta(minutes=5),
    }  # fmt: skip
    for name, value in state.items():
        setattr(app.state, name, value)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        registry = Registry(pool, objects, http)
        await registry.follow("hairnet")
        yield registry
    await pool.close()
