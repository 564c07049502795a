"""Uploads in parts, each sent for itself and again if need be: what a broken line costs of a big file is one part."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from minio.datatypes import Part as StoredPart

from libs.common.errors import Conflict
from libs.common.objects import S3Objects, guarded

SMALLEST_PART = 8 * 1024 * 1024
"""Bytes. S3 wants 5 MiB at least of all but the last part (Amazon S3 User Guide, "multipart upload limits")."""
MOST_PARTS = 1000
"""S3 lists so many at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a file: `bytes` from `offset` on. `number` counts from 1, as S3 does."""

    number: int
    offset: int
    bytes: int


def parts_of(size: int) -> tuple[Part, ...]:
    """The parts a file of `size` bytes is sent in: the same ones whenever it is asked."""
    step = max(SMALLEST_PART, -(-size // MOST_PARTS))
    return tuple(
        Part(number, offset, min(step, size - offset)) for number, offset in enumerate(range(0, size, step), start=1)
    )


@dataclass(frozen=True)
class MultipartUploads:
    """S3 itself remembers which parts of an upload have arrived; whoever uploads keeps the upload's id.

    minio-py keeps these calls for its own use; its version is locked, and a test makes each of them on a real store.
    Errors are those of `Objects`; `NotFound` for an upload that is completed, or was never begun.
    """

    objects: S3Objects

    async def begin(self, key: str, content_type: str) -> str:
        """The id of a new upload of one object."""

        def work() -> str:
            return self.objects.client._create_multipart_upload(  # pyright: ignore[reportPrivateUsage]
                self.objects.bucket, key, {"Content-Type": content_type}
            )

        return await asyncio.to_thread(guarded, key, work)

    async def missing(self, key: str, upload_id: str, size: int) -> tuple[Part, ...]:
        """The parts of a file of `size` bytes that have not arrived, or not whole."""
        return _missing(await self._arrived(key, upload_id), size)

    async def links(self, key: str, upload_id: str, parts: Sequence[Part], *, expires: timedelta) -> list[str]:
        """A link for each part to PUT it at, for a while."""

        def link(part: Part) -> str:
            return self.objects.public_client.get_presigned_url(
                "PUT",
                self.objects.bucket,
                key,
                expires=expires,
                extra_query_params={"uploadId": upload_id, "partNumber": str(part.number)},
            )

        return await asyncio.to_thread(lambda: [link(part) for part in parts])

    async def complete(self, key: str, upload_id: str, size: int) -> None:
        """Make the object of its parts. Raises `Conflict` while some are missing."""
        arrived = await self._arrived(key, upload_id)
        if missing := _missing(arrived, size):
            numbers = ", ".join(str(part.number) for part in missing)
            raise Conflict(f"Of {len(parts_of(size))} parts these have not arrived: {numbers}. PUT them first")
        parts = sorted(arrived.values(), key=lambda each: each.part_number)

        def work() -> None:
            self.objects.client._complete_multipart_upload(  # pyright: ignore[reportPrivateUsage]
                self.objects.bucket, key, upload_id, parts
            )

        await asyncio.to_thread(guarded, key, work)

    async def _arrived(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        def work() -> list[StoredPart]:
            return self.objects.client._list_parts(  # pyright: ignore[reportPrivateUsage]
                self.objects.bucket, key, upload_id, max_parts=MOST_PARTS
            ).parts

        return {each.part_number: each for each in await asyncio.to_thread(guarded, key, work)}


def _missing(arrived: dict[int, StoredPart], size: int) -> tuple[Part, ...]:
    return tuple(
        part for part in parts_of(size) if part.number not in arrived or arrived[part.number].size != part.bytes
    )
