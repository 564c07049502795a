"""Every picture of the table: what ingest says of its header, and what the cleaner says when it decodes it."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from libs.common.children import Limits
from libs.common.errors import Permanent
from libs.common.testing import FakeObjects
from libs.common.warm_child import WarmChild
from libs.vision.sniffing import upright_size
from services.cleaner.domain.samples import Seen, Unreadable
from services.cleaner.vision import look_at, see
from services.ingest.vision import inspect
from tests.support.hostile.pictures import PICTURES, PictureRow, jpeg, scan_bomb, turned

LIMITS: Any = SimpleNamespace(maximum_image_bytes=20 << 20, maximum_pixels=50_000_000)
every_picture = pytest.mark.parametrize("row", PICTURES, ids=lambda row: row.name)


@every_picture
def test_ingest_judges_by_the_header(row: PictureRow) -> None:
    if row.ingest is None:
        picture = inspect(row.make(), max_pixels=50_000_000)
        assert picture.content_type.startswith("image/")
        assert not row.good or (picture.content_type, picture.width, picture.height) == (row.kind, *row.size)
        return
    with pytest.raises(Permanent) as refused:
        inspect(row.make(), max_pixels=50_000_000)
    assert re.search(row.ingest, str(refused.value)), refused.value


@every_picture
def test_the_cleaner_decodes_it_or_says_why_not(row: PictureRow) -> None:
    seen = see(row.make(), LIMITS)
    if row.cleaner is None:
        assert isinstance(seen, Seen), seen
        assert (seen.content_type, seen.width, seen.height) == (row.kind, *row.size)
        return
    assert isinstance(seen, Unreadable)
    assert re.search(row.cleaner, seen.detail), seen.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_refer_to_the_upright_picture_in_every_service(kind: str, orientation: int) -> None:
    """Ingest and imports take the size from the header, the cleaner from the pixels: they must agree."""
    data = turned(kind, orientation)
    seen = see(data, LIMITS)
    assert isinstance(seen, Seen)
    assert upright_size(data) == (seen.width, seen.height) == ((72, 96) if orientation >= 5 else (96, 72))


async def stored(data: bytes, decoder: WarmChild) -> Seen | Unreadable:
    objects = FakeObjects()
    return await look_at(await objects.put("a.jpg", data, "image/jpeg"), objects, LIMITS, decoder)


async def test_a_picture_that_takes_minutes_to_decode_is_given_up_and_the_next_is_seen() -> None:
    decoder = WarmChild(Limits(memory_bytes=1 << 30, seconds=2))
    slow = await stored(scan_bomb(), decoder)
    assert isinstance(slow, Unreadable)
    assert "can't be decoded in a reasonable time: No answer within 2 s" in slow.detail
    assert isinstance(await stored(jpeg(), decoder), Seen)
    decoder.close()


async def test_a_picture_that_takes_all_memory_is_given_up_and_the_next_is_seen() -> None:
    decoder = WarmChild(Limits(memory_bytes=300 << 20, seconds=20))
    greedy = await stored(scan_bomb(scans=1, side=7000), decoder)  # 49 million pixels: 147 MB, and as much in between
    assert isinstance(greedy, Unreadable)
    assert re.search("memory|decoded", greedy.detail), greedy.detail
    assert isinstance(await stored(jpeg(), decoder), Seen)
    decoder.close()
