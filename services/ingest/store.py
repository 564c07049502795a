"""All SQL of ingest: cameras, their tokens, and what was received."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.common import outbox
from libs.common.configuration import put_token
from libs.common.envelope import stable_id
from libs.common.errors import NotFound
from libs.common.events import Media, SnapshotCaptured, TokenChanged, as_values, to_json
from libs.common.postgres import Connection, Pool
from services.ingest.domain import Camera, Receipt


@dataclass(frozen=True)
class TokenRecord:
    """A camera's token, without its secret."""

    token_id: UUID
    label: str
    scopes: tuple[str, ...]
    issued_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class IngestStore:
    """Every method is one transaction: nothing is held open while bytes travel."""

    pool: Pool

    async def workflow_names(self) -> list[str]:
        """The workflows ingest has heard of, by name."""
        return [row["name"] for row in await self.pool.fetch("select name from workflow order by name")]

    async def register(self, camera_id: str, title: str | None = None) -> Camera:
        """The camera, made if it is new; a title given later replaces the first."""
        row = await self.pool.fetchrow(
            """
            insert into camera (camera_id, title) values ($1, $2)
            on conflict (camera_id) do update set title = coalesce(excluded.title, camera.title)
            returning *
            """,
            camera_id,
            title,
        )
        assert row is not None
        return _camera(row)

    async def camera(self, camera_id: str) -> Camera:
        """Raises `NotFound`."""
        row = await self.pool.fetchrow("select * from camera where camera_id = $1", camera_id)
        if row is None:
            raise NotFound(f"Camera {camera_id!r} is not registered: POST /v1/cameras first (scope admin)")
        return _camera(row)

    async def cameras(self) -> list[Camera]:
        """All of them, by id."""
        return [_camera(row) for row in await self.pool.fetch("select * from camera order by camera_id")]

    async def claim(self, receipt: Receipt) -> Receipt:
        """What stands under this id, or for this picture of this camera at this time: the first one that came."""
        async with self.pool.acquire() as connection, connection.transaction():
            await self._insert_snapshot(connection, receipt)
            row = await connection.fetchrow(
                """
                select * from snapshot where snapshot_id = $1 or (camera_id = $2 and captured_at = $3 and sha256 = $4)
                order by (snapshot_id = $1) desc limit 1
                """,
                receipt.snapshot_id,
                receipt.camera_id,
                receipt.captured_at,
                receipt.image.sha256,
            )
        assert row is not None
        return _receipt(row)

    async def _insert_snapshot(self, connection: Connection, receipt: Receipt) -> None:
        await connection.execute(
            """
            insert into snapshot (snapshot_id, camera_id, captured_at, workflow, image, sha256)
            values ($1, $2, $3, $4, $5, $6) on conflict do nothing
            """,
            receipt.snapshot_id,
            receipt.camera_id,
            receipt.captured_at,
            receipt.workflow,
            as_values(receipt.image),
            receipt.image.sha256,
        )

    async def announce(self, snapshot: SnapshotCaptured) -> bool:
        """Say `snapshot.captured` in the camera's name, once; False if it was said before."""
        async with self.pool.acquire() as connection, connection.transaction():
            fresh = await connection.fetchval(
                """
                update snapshot set announced_at = now() where snapshot_id = $1 and announced_at is null
                returning true
                """,
                snapshot.snapshot_id,
            )
            if fresh:
                await self._note_snapshot(connection, snapshot)
                await _say_as_camera(connection, snapshot)
        return bool(fresh)

    async def _note_snapshot(self, connection: Connection, snapshot: SnapshotCaptured) -> None:
        await connection.execute(
            "update camera set last_snapshot_at = greatest(last_snapshot_at, $2) where camera_id = $1",
            snapshot.camera_id,
            snapshot.captured_at,
        )

    async def change_token(self, change: TokenChanged) -> None:
        """Keep a token (or its end) and tell every service."""
        async with self.pool.acquire() as connection, connection.transaction():
            await put_token(connection, change)
            await outbox.add(connection, change)

    async def tokens(self, camera_id: str) -> list[TokenRecord]:
        """Tokens of a camera, revoked ones too, the newest first."""
        rows = await self.pool.fetch(
            """
            select id, label, scopes, issued_at, revoked_at, last_used_at from token
            where camera_id = $1 order by issued_at desc, id
            """,
            camera_id,
        )
        return [_token(row) for row in rows]

    async def token(self, camera_id: str, token_id: UUID) -> TokenChanged:
        """Raises `NotFound`."""
        row = await self.pool.fetchrow("select * from token where id = $1 and camera_id = $2", token_id, camera_id)
        if row is None:
            raise NotFound(f"Camera {camera_id!r} has no token {token_id}: GET its tokens to see which it has")
        return TokenChanged(
            token_id=row["id"],
            sha256=row["sha256"],
            scopes=tuple(row["scopes"]),
            camera_id=row["camera_id"],
            label=row["label"],
            issued_at=row["issued_at"],
            revoked_at=row["revoked_at"],
        )


async def _say_as_camera(connection: Connection, snapshot: SnapshotCaptured) -> None:
    event_id = stable_id(snapshot.snapshot_id, snapshot.topic)
    headers = outbox.envelope_headers(snapshot, event_id=event_id, cause=None)
    await outbox.insert(
        connection,
        event_id=event_id,
        topic=snapshot.topic,
        key=snapshot.key.encode(),
        headers=headers | {"ce_source": f"/camera/{snapshot.camera_id}"},
        value=to_json(snapshot),
    )


def _camera(row: asyncpg.Record) -> Camera:
    return Camera(row["camera_id"], row["title"], row["registered_at"], row["last_snapshot_at"])


def _token(row: asyncpg.Record) -> TokenRecord:
    return TokenRecord(
        token_id=row["id"],
        label=row["label"],
        scopes=tuple(row["scopes"]),
        issued_at=row["issued_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


def _receipt(row: asyncpg.Record) -> Receipt:
    values: dict[str, Any] = dict(row)
    return Receipt(
        snapshot_id=values["snapshot_id"],
        camera_id=values["camera_id"],
        captured_at=values["captured_at"],
        workflow=values["workflow"],
        image=Media.model_validate(values["image"]),
        announced=values["announced_at"] is not None,
    )
