"""Fakes and factories for tests of services, also new ones: `FakeObjects`, `FakeClock`, `envelope_for`, event factories."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from libs.common.envelope import Envelope
from libs.common.errors import NotFound
from libs.common.events import Event, Media, SnapshotCaptured
from libs.common.objects import check_digest, check_size, content_type_of, split_uri

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that stands still until told to go on."""

    moment: datetime = NOON

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@dataclass
class FakeObjects:
    """An object store in memory; passes the same suite as the real one."""

    bucket: str = "camloop"
    stored: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def put(self, key: str, data: bytes, content_type: str) -> Media:
        self.stored[key] = data
        return Media(
            uri=f"s3://{self.bucket}/{key}", sha256=sha256(data).hexdigest(), content_type=content_type, bytes=len(data)
        )

    async def put_file(self, key: str, path: Path, content_type: str | None = None) -> Media:
        return await self.put(key, path.read_bytes(), content_type or content_type_of(path))

    async def get(self, uri: str, *, expected_sha256: str | None = None, maximum_bytes: int | None = None) -> bytes:
        key = split_uri(uri)[1]
        if key not in self.stored:
            raise NotFound(f"{uri}: no such object in the store")
        check_size(uri, len(self.stored[key]), maximum_bytes)
        check_digest(uri, sha256(self.stored[key]).hexdigest(), expected_sha256)
        return self.stored[key]

    async def get_file(self, uri: str, path: Path, *, expected_sha256: str | None = None) -> None:
        data = await self.get(uri, expected_sha256=expected_sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    async def copy(self, uri: str, key: str) -> str:
        self.stored[key] = await self.get(uri)
        return f"s3://{self.bucket}/{key}"

    async def exists(self, uri: str) -> bool:
        return split_uri(uri)[1] in self.stored

    async def presigned_get(self, uri: str, *, expires: timedelta = timedelta(minutes=10)) -> str:
        return f"http://objects.test/{split_uri(uri)[1]}?expires={expires.total_seconds():.0f}"

    async def presigned_put(self, key: str, *, expires: timedelta = timedelta(minutes=10)) -> tuple[str, str]:
        return f"s3://{self.bucket}/{key}", f"http://objects.test/{key}?expires={expires.total_seconds():.0f}"


def envelope_for(event: Event, **changes: Any) -> Envelope:
    """An envelope as if `event` had just arrived."""
    values: dict[str, Any] = {
        "event_id": uuid4(),
        "topic": event.topic,
        "source": "/test",
        "time": NOON,
        "subject": event.key,
        "correlation_id": event.key,
        "causation_id": None,
        "traceparent": None,
        "declared_type": event.topic,
    }
    return Envelope(**(values | changes))


def media(data: bytes = b"bytes", *, key: str = "snapshots/test.jpg", **changes: Any) -> Media:
    """A description of some stored bytes."""
    values: dict[str, Any] = {
        "uri": f"s3://camloop/{key}",
        "sha256": sha256(data).hexdigest(),
        "content_type": "image/jpeg",
        "bytes": len(data),
        "width": 64,
        "height": 64,
    }
    return Media(**(values | changes))


def snapshot(**changes: Any) -> SnapshotCaptured:
    """A snapshot of camera line-1 at noon."""
    values: dict[str, Any] = {
        "snapshot_id": f"snap-{uuid4()}",
        "camera_id": "line-1",
        "captured_at": NOON,
        "workflow": "hairnet",
        "image": media(),
    }
    return SnapshotCaptured(**(values | changes))
