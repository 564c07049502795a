"""Ingest's real application on a real PostgreSQL, spoken to without a network: fast enough for thousands of requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from libs.common.configuration import Configuration
from libs.common.postgres import Pool, migrate, open_pool
from libs.common.testing import FakeClock, FakeObjects
from services.ingest.app import create_app
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from tests.support.hostile.pictures import jpeg
from tests.unit.cleaner.cleaner_kit import make_workflow


@dataclass(frozen=True)
class IngestApp:
    """The application, its database, and the secrets of some tokens by name."""

    http: httpx.AsyncClient
    pool: Pool
    objects: FakeObjects
    tokens: dict[str, str]

    async def send(self, metadata: bytes, image: bytes | None = None, *, token: str = "camera") -> httpx.Response:
        """POST /v1/snapshots with these metadata; a good picture unless another is given."""
        files = {"image": ("a.jpg", jpeg() if image is None else image), "metadata": ("m.json", metadata)}
        return await self.http.post("/v1/snapshots", files=files, headers=self.bearer(token))

    def bearer(self, token: str) -> dict[str, str]:
        """The header that carries a token."""
        return {"Authorization": f"Bearer {self.tokens[token]}"}

    async def announced(self) -> int:
        """Snapshots on their way to the cleaner."""
        return int(await self.pool.fetchval("select count(*) from outbox where topic = 'snapshot.captured'") or 0)


@asynccontextmanager
async def ingest_app(environment: dict[str, str]) -> AsyncIterator[IngestApp]:
    """Cameras line-1 and line-2 are registered, the workflow `hairnet` is known, and it is noon."""
    await migrate(environment["DATABASE_URL"], "ingest")
    settings = Settings(_env_file=None, **environment)  # type: ignore[call-arg, arg-type]
    pool = await open_pool(settings.database_url, "ingest")
    app, objects = create_app(settings).http_app(), FakeObjects()
    for name, value in {
        "settings": settings, "configuration": Configuration(pool), "store": IngestStore(pool), "objects": objects,
        "clock": FakeClock(), "pool": pool,
    }.items():  # fmt: skip
        setattr(app.state, name, value)
    definition = make_workflow().model_dump(mode="json")
    await pool.execute("insert into workflow (name, revision, definition) values ('hairnet', 1, $1)", definition)
    # Errors are answered, not raised: what the server says is what is judged.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as http:
        tokens = {"admin": settings.admin_token.get_secret_value()}
        yield IngestApp(http, pool, objects, tokens | await _issued(http, tokens["admin"]))
    await pool.close()


async def _issued(http: httpx.AsyncClient, admin: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {admin}"}
    wishes: dict[str, tuple[str, list[str]]] = {
        "camera": ("line-1", ["ingest", "read"]), "other": ("line-2", ["ingest", "read"]),
        "reader": ("line-1", ["read"]), "sender": ("line-1", ["ingest"]), "revoked": ("line-1", ["ingest"]),
    }  # fmt: skip
    found: dict[str, str] = {}
    for name, (camera, scopes) in wishes.items():
        (await http.post("/v1/cameras", json={"camera_id": camera}, headers=headers)).raise_for_status()
        issued = await http.post(f"/v1/cameras/{camera}/tokens", json={"scopes": scopes}, headers=headers)
        answer: dict[str, Any] = issued.raise_for_status().json()
        found[name] = answer["token"]
        if name == "revoked":
            path = f"/v1/cameras/{camera}/tokens/{answer['token_id']}"
            (await http.delete(path, headers=headers)).raise_for_status()
    return found
