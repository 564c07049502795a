"""The object store: S3 behind async calls, digests checked, errors told apart. The truth about bytes is their sha256."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlparse
from uuid import uuid4

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from libs.common.errors import NotFound, Permanent, Transient
from libs.common.events import Media
from libs.common.settings import CommonSettings

T = TypeVar("T")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_KEY = 1024
_ODD_PARTS = {".", ".."}
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".zst": "application/zstd",
    ".onnx": "application/octet-stream",
    ".pt": "application/octet-stream",
    ".log": "text/plain; charset=utf-8",
}


NOT_THERE = {"NoSuchKey", "NoSuchBucket", "NoSuchObject", "NoSuchUpload"}
BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}


class StoreUnavailable(Transient):
    """The object store is down, slow or full, refuses us, or failed this once."""


class Objects(Protocol):
    """What services need of an object store; `testing.FakeObjects` is the other implementation."""

    async def put(self, key: str, data: bytes, content_type: str) -> Media: ...
    async def put_file(self, key: str, path: Path, content_type: str | None = None) -> Media: ...
    async def get(self, uri: str, *, expected_sha256: str | None = None, maximum_bytes: int | None = None) -> bytes: ...
    async def get_file(self, uri: str, path: Path, *, expected_sha256: str | None = None) -> None: ...
    async def copy(self, uri: str, key: str) -> str: ...
    async def exists(self, uri: str) -> bool: ...
    async def presigned_get(self, uri: str, *, expires: timedelta = timedelta(minutes=10)) -> str: ...
    async def presigned_put(self, key: str, *, expires: timedelta = timedelta(minutes=10)) -> tuple[str, str]: ...


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as (bucket, key). Raises `Permanent` for anything else."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket) or not _is_key(key):
        raise Permanent(f"{uri[:200]!r} is no object address: write s3://bucket/key")
    return bucket, key


def _is_key(key: str) -> bool:
    # No store tells `a/../b` from `b` as S3 does, and none takes what XML cannot hold.
    fits = 0 < len(key.encode(errors="replace")) <= _LONGEST_KEY
    return fits and not _CONTROL.search(key) and not _ODD_PARTS & set(key.split("/"))


def file_sha256(path: Path) -> str:
    """The digest of a file, read in pieces."""
    digest = sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def content_type_of(path: Path) -> str:
    """By the name's ending."""
    return CONTENT_TYPES.get(path.suffix, "application/octet-stream")


@contextmanager
def complete_or_not_at_all(path: Path) -> Iterator[Path]:
    """A place to write that becomes `path` at the end, or vanishes. Each caller gets its own: several may fetch at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_digest(uri: str, actual: str, expected: str | None) -> None:
    """Raises `Permanent` when the bytes are not the ones announced."""
    if expected is not None and actual != expected:
        raise Permanent(
            f"{uri} has sha256 {actual}, but {expected} was announced: send the object again under a new id"
        )


def check_size(uri: str, size: int, maximum: int | None) -> None:
    """Raises `Permanent` when there is more than was announced."""
    if maximum is not None and size > maximum:
        raise Permanent(f"{uri} has more than the {maximum} bytes that were announced: announce what was uploaded")


@dataclass(frozen=True)
class S3Objects:
    """Any S3. Two endpoints: the signature of a presigned link covers the host its reader uses."""

    client: Minio
    public_client: Minio
    bucket: str

    async def probe(self) -> None:
        """Raises `StoreUnavailable` when the store does not answer as it should."""
        await asyncio.to_thread(guarded, self.bucket, lambda: self.client.bucket_exists(bucket_name=self.bucket))

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is missing."""
        await asyncio.to_thread(guarded, self.bucket, self._ensure_bucket)

    def _ensure_bucket(self) -> None:
        if self.client.bucket_exists(bucket_name=self.bucket):
            return
        try:
            self.client.make_bucket(bucket_name=self.bucket)
        except MinioException as error:
            if _answer(error)[0] not in BUCKET_IS_THERE:  # another service was faster
                raise

    async def put(self, key: str, data: bytes, content_type: str) -> Media:
        """Store bytes under `key` and say what they are."""

        def work() -> Media:
            self.client.put_object(
                bucket_name=self.bucket,
                object_name=key,
                data=BytesIO(data),
                length=len(data),
                content_type=content_type,
            )
            return Media(
                uri=f"s3://{self.bucket}/{key}",
                sha256=sha256(data).hexdigest(),
                content_type=content_type,
                bytes=len(data),
            )

        return await asyncio.to_thread(guarded, key, work)

    async def put_file(self, key: str, path: Path, content_type: str | None = None) -> Media:
        """Store a file under `key` and say what it is."""
        kind = content_type or content_type_of(path)

        def work() -> Media:
            self.client.fput_object(bucket_name=self.bucket, object_name=key, file_path=str(path), content_type=kind)
            return Media(
                uri=f"s3://{self.bucket}/{key}", sha256=file_sha256(path), content_type=kind, bytes=path.stat().st_size
            )

        return await asyncio.to_thread(guarded, key, work)

    async def get(self, uri: str, *, expected_sha256: str | None = None, maximum_bytes: int | None = None) -> bytes:
        """The bytes at `uri`. Raises `NotFound`, `Permanent` on a wrong digest, `Transient` when the store is down.

        With `maximum_bytes` no more than that is ever read; an object that has more is `Permanent`.
        """
        bucket, key = split_uri(uri)

        def work() -> bytes:
            response = self.client.get_object(bucket_name=bucket, object_name=key)
            try:
                return response.read() if maximum_bytes is None else response.read(maximum_bytes + 1)
            finally:
                response.close()
                response.release_conn()

        data = await asyncio.to_thread(guarded, uri, work)
        check_size(uri, len(data), maximum_bytes)
        check_digest(uri, sha256(data).hexdigest(), expected_sha256)
        return data

    async def get_file(self, uri: str, path: Path, *, expected_sha256: str | None = None) -> None:
        """Fetch to a file, complete or not at all. Errors as `get`."""
        bucket, key = split_uri(uri)

        def work() -> None:
            with complete_or_not_at_all(path) as partial:
                self.client.fget_object(bucket_name=bucket, object_name=key, file_path=str(partial))
                check_digest(uri, file_sha256(partial), expected_sha256)

        await asyncio.to_thread(guarded, uri, work)

    async def copy(self, uri: str, key: str) -> str:
        """Copy inside the store; returns the new address."""
        bucket, source = split_uri(uri)

        def work() -> str:
            self.client.copy_object(
                bucket_name=self.bucket, object_name=key, source=CopySource(bucket_name=bucket, object_name=source)
            )
            return f"s3://{self.bucket}/{key}"

        return await asyncio.to_thread(guarded, uri, work)

    async def exists(self, uri: str) -> bool:
        """Is there an object at `uri`?"""
        bucket, key = split_uri(uri)
        try:
            await asyncio.to_thread(guarded, uri, lambda: self.client.stat_object(bucket_name=bucket, object_name=key))
        except NotFound:
            return False
        return True

    async def presigned_get(self, uri: str, *, expires: timedelta = timedelta(minutes=10)) -> str:
        """A link anybody may read `uri` with, for a while."""
        bucket, key = split_uri(uri)
        return await asyncio.to_thread(
            lambda: self.public_client.presigned_get_object(bucket_name=bucket, object_name=key, expires=expires)
        )

    async def presigned_put(self, key: str, *, expires: timedelta = timedelta(minutes=10)) -> tuple[str, str]:
        """(address, link) to upload one object with, for a while."""
        link = await asyncio.to_thread(
            lambda: self.public_client.presigned_put_object(bucket_name=self.bucket, object_name=key, expires=expires)
        )
        return f"s3://{self.bucket}/{key}", link

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Keys under a prefix (blocking; for tools and tests)."""
        for item in self.client.list_objects(bucket_name=self.bucket, prefix=prefix, recursive=True):
            if item.object_name:
                yield item.object_name


def guarded(what: str, work: Callable[[], T]) -> T:
    """A call of the store (blocking), its errors told apart as `Objects` tells them; `what` says whose they are."""
    try:
        return work()
    except MinioException as error:
        raise _told(what, error) from error
    except ValueError as error:  # minio-py refuses what no store would take
        raise Permanent(f"{what} is no address an object store takes: {error}") from error
    except (HTTPError, OSError) as error:
        raise StoreUnavailable(f"{what}: the object store cannot be reached: {error}") from error


def _told(what: str, error: MinioException) -> NotFound | Transient:
    code, status = _answer(error)
    if code in NOT_THERE or (not code and status == 404):
        return NotFound(f"{what}: no such object in the store")
    if status in (401, 403):
        return StoreUnavailable(
            f"{what}: the object store refuses the credentials: check S3_ACCESS_KEY and S3_SECRET_KEY ({code or status})"
        )
    return StoreUnavailable(f"{what}: the object store answered {code or error}")


def _answer(error: MinioException) -> tuple[str, int]:
    """(code of S3 or "", HTTP status or 0)."""
    if isinstance(error, S3Error):
        return error.code or "", error.response.status
    # rclone's error bodies are text/xml, which minio-py does not parse.
    told = re.search(r"Response code: (\d+)[\s\S]*?(?:<Code>(\w+)</Code>|$)", str(error))
    return (told[2] or "", int(told[1])) if told else ("", 0)


def connect(settings: CommonSettings) -> S3Objects:
    """The object store the settings name."""
    public = settings.s3_public_endpoint or settings.s3_endpoint
    return S3Objects(_client(settings, settings.s3_endpoint), _client(settings, public), settings.s3_bucket)


def _client(settings: CommonSettings, endpoint: str) -> Minio:
    parts = urlparse(endpoint if "://" in endpoint else f"http://{endpoint}")
    pool = urllib3.PoolManager(
        maxsize=16, timeout=urllib3.Timeout(connect=5, read=60), retries=urllib3.Retry(2, backoff_factor=0.2)
    )
    return Minio(
        endpoint=parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=parts.scheme == "https",
        region=settings.s3_region,
        http_client=pool,
    )
