"""Uploads in parts against the real store: what has arrived stays, what is missing is told, and the object is whole."""

import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.common import objects
from libs.common.errors import Conflict, NotFound
from libs.common.multipart_uploads import SMALLEST_PART, MultipartUploads
from libs.common.settings import CommonSettings

pytestmark = pytest.mark.connected
DATA = os.urandom(2 * SMALLEST_PART + 1000)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def uploads(settings: CommonSettings) -> MultipartUploads:
    return MultipartUploads(objects.connect(settings))


@pytest.fixture
async def key(uploads: MultipartUploads) -> str:
    await uploads.objects.ensure_bucket()
    return f"clips/handwash/line-1/2026/03/02/{uuid4().hex}.mp4"


async def put(uploads: MultipartUploads, key: str, upload_id: str, numbers: set[int], data: bytes = DATA) -> None:
    parts = [part for part in await uploads.missing(key, upload_id, len(DATA)) if part.number in numbers]
    links = await uploads.links(key, upload_id, parts, expires=MINUTE)
    async with httpx.AsyncClient(timeout=30) as http:
        for part, link in zip(parts, links, strict=True):
            answer = await http.put(link, content=data[part.offset : part.offset + part.bytes])
            assert answer.status_code == 200, answer.text


async def test_what_arrived_before_a_break_is_not_sent_again(uploads: MultipartUploads, key: str) -> None:
    upload_id = await uploads.begin(key, "video/mp4")
    await put(uploads, key, upload_id, {1, 3})
    again = MultipartUploads(uploads.objects)
    assert [part.number for part in await again.missing(key, upload_id, len(DATA))] == [2]
    with pytest.raises(Conflict, match="Of 3 parts these have not arrived: 2"):
        await again.complete(key, upload_id, len(DATA))
    await put(again, key, upload_id, {2})
    await again.complete(key, upload_id, len(DATA))
    assert await uploads.objects.get(f"s3://{uploads.objects.bucket}/{key}") == DATA
    stored: Any = uploads.objects.client.stat_object(uploads.objects.bucket, key)
    assert stored.content_type == "video/mp4"


async def test_a_part_that_came_in_part_is_missing(uploads: MultipartUploads, key: str) -> None:
    upload_id = await uploads.begin(key, "video/mp4")
    await put(uploads, key, upload_id, {1, 2, 3}, DATA[:-10])
    assert [part.number for part in await uploads.missing(key, upload_id, len(DATA))] == [3]


async def test_an_upload_that_is_not_there(uploads: MultipartUploads, key: str) -> None:
    with pytest.raises(NotFound):
        await uploads.missing(key, "none", len(DATA))
    upload_id = await uploads.begin(key, "video/mp4")
    with pytest.raises(NotFound):
        await uploads.missing(f"{key}-another", upload_id, len(DATA))
