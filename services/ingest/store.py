"""All SQL of ingest: cameras, their tokens, and what was received."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.common import outbox
from libs.common.configuration import put_token
from libs.common.envelope import stable_id
from libs.common.errors import NotFound
from libs.common.events import ClipCaptured, Media, SnapshotCaptured, TokenChanged, as_values, to_json
from libs.common.postgres import Connection, Pool
from services.ingest.domain import Camera, Kind, Receipt

INSERT: Mapping[Kind, str] = {
    "snapshot": """
        insert into snapshot (snapshot_id, camera_id, captured_at, workflow, image, sha256)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
    """,
    "clip": """
        insert into clip (clip_id, camera_id, captured_at, workflow, video, sha256)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
    """,
}
FIND: Mapping[Kind, str] = {
    "snapshot": """
        select *, snapshot_id as capture_id, image as media from snapshot
        where snapshot_id = $1 or (camera_id = $2 and captured_at = $3 and sha256 = $4)
        order by (snapshot_id = $1) desc limit 1
    """,
    "clip": """
        select *, clip_id as capture_id, video as media from clip
        where clip_id = $1 or (camera_id = $2 and captured_at = $3 and sha256 = $4)
        order by (clip_id = $1) desc limit 1
    """,
}
MARK: Mapping[Kind, str] = {
    "snapshot": (
        "update snapshot set announced_at = now() where snapshot_id = $1 and announced_at is null returning true"
    ),
    "clip": "update clip set announced_at = now() where clip_id = $1 and announced_at is null returning true",
}


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

    async def workflow_tasks(self) -> dict[str, str]:
        """The task of each workflow ingest has heard of, by name."""
        rows = await self.pool.fetch("select name, definition ->> 'task' as task from workflow order by name")
        return {row["name"]: row["task"] for row in rows}

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
        """What stands under this id, or for these bytes of this camera at this time: the first one that came."""
        arguments = (receipt.capture_id, receipt.camera_id, receipt.captured_at)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                INSERT[receipt.kind], *arguments, receipt.workflow, as_values(receipt.media), receipt.media.sha256
            )
            row = await connection.fetchrow(FIND[receipt.kind], *arguments, receipt.media.sha256)
        assert row is not None
        return _receipt(receipt.kind, row)

    async def announce(self, event: SnapshotCaptured | ClipCaptured) -> bool:
        """Say `snapshot.captured` or `clip.captured` in the camera's name, once; False if it was said before."""
        kind, capture_id = _named(event)
        async with self.pool.acquire() as connection, connection.transaction():
            fresh = await connection.fetchval(MARK[kind], capture_id)
            if fresh:
                await self._note(connection, event)
                await _say_as_camera(connection, event, capture_id)
        return bool(fresh)

    async def _note(self, connection: Connection, event: SnapshotCaptured | ClipCaptured) -> None:
        await connection.execute(
            "update camera set last_snapshot_at = greatest(last_snapshot_at, $2) where camera_id = $1",
            event.camera_id,
            event.captured_at,
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


def _named(event: SnapshotCaptured | ClipCaptured) -> tuple[Kind, str]:
    return ("clip", event.clip_id) if isinstance(event, ClipCaptured) else ("snapshot", event.snapshot_id)


async def _say_as_camera(connection: Connection, event: SnapshotCaptured | ClipCaptured, capture_id: str) -> None:
    event_id = stable_id(capture_id, event.topic)
    headers = outbox.envelope_headers(event, event_id=event_id, cause=None)
    await outbox.insert(
        connection,
        event_id=event_id,
        topic=event.topic,
        key=event.key.encode(),
        headers=headers | {"ce_source": f"/camera/{event.camera_id}"},
        value=to_json(event),
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


def _receipt(kind: Kind, row: asyncpg.Record) -> Receipt:
    values: dict[str, Any] = dict(row)
    return Receipt(
        kind=kind,
        capture_id=values["capture_id"],
        camera_id=values["camera_id"],
        captured_at=values["captured_at"],
        workflow=values["workflow"],
        media=Media.model_validate(values["media"]),
        announced=values["announced_at"] is not None,
    )
