"""Ingest's SQL on PostgreSQL: the first picture under an id stays the first, also when two come at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from libs.common.errors import NotFound
from libs.common.events import SnapshotCaptured, TokenChanged
from libs.common.postgres import open_pool
from libs.common.testing import NOON, media
from services.ingest.domain import Receipt
from services.ingest.store import IngestStore

pytestmark = pytest.mark.connected


@pytest.fixture
async def store(database) -> AsyncIterator[IngestStore]:
    await database.migrate("ingest")
    pool = await open_pool(database.dsn, "ingest")
    store = IngestStore(pool)
    await store.register("line-1", "Line 1")
    await store.register("line-2")
    yield store
    await pool.close()


def a_receipt(**changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "kind": "snapshot",
        "capture_id": "s-1",
        "camera_id": "line-1",
        "captured_at": NOON,
        "workflow": None,
        "media": media(),
    }
    return Receipt(**(values | changes))


def captured(receipt: Receipt) -> SnapshotCaptured:
    return SnapshotCaptured(
        snapshot_id=receipt.capture_id,
        camera_id=receipt.camera_id,
        captured_at=receipt.captured_at,
        image=receipt.media,
    )


async def test_of_two_pictures_that_claim_one_id_at_once_both_hear_of_the_same(store: IngestStore) -> None:
    rivals = [a_receipt(media=media(bytes([number]))) for number in range(6)]
    told = await asyncio.gather(*(store.claim(rival) for rival in rivals))
    assert len({receipt.media.sha256 for receipt in told}) == 1


async def test_the_same_picture_under_another_id_is_the_first_snapshot(store: IngestStore) -> None:
    first = await store.claim(a_receipt())
    again = await store.claim(a_receipt(capture_id="s-2"))
    assert again == first
    other = await store.claim(a_receipt(capture_id="s-3", camera_id="line-2"))
    assert other.capture_id == "s-3"


async def test_a_snapshot_is_announced_once_in_its_cameras_name(store: IngestStore) -> None:
    receipt = await store.claim(a_receipt())
    said = await asyncio.gather(*(store.announce(captured(receipt)) for _ in range(4)))
    assert sorted(said) == [False, False, False, True]
    (row,) = await store.pool.fetch("select topic, headers from outbox")
    assert (row["topic"], row["headers"]["ce_source"]) == ("snapshot.captured", "/camera/line-1")
    assert (await store.claim(a_receipt())).announced
    assert (await store.camera("line-1")).last_snapshot_at == NOON


async def test_a_crash_before_the_announcement_is_repaired_by_sending_again(store: IngestStore) -> None:
    await store.claim(a_receipt())
    again = await store.claim(a_receipt())
    assert not again.announced
    assert await store.announce(captured(again))


async def test_registering_again_keeps_the_title_unless_a_new_one_comes(store: IngestStore) -> None:
    assert (await store.register("line-1")).title == "Line 1"
    assert (await store.register("line-1", "Kitchen")).title == "Kitchen"
    assert [camera.camera_id for camera in await store.cameras()] == ["line-1", "line-2"]
    with pytest.raises(NotFound, match="not registered"):
        await store.camera("line-9")


async def test_a_token_is_kept_and_told_to_everybody_and_so_is_its_end(store: IngestStore) -> None:
    token = TokenChanged(
        token_id=uuid4(), sha256="a" * 64, scopes=("ingest",), camera_id="line-1", label="t", issued_at=NOON
    )
    await store.change_token(token)
    assert await store.token("line-1", token.token_id) == token
    await store.change_token(token.model_copy(update={"revoked_at": NOON}))
    (kept,) = await store.tokens("line-1")
    assert (kept.token_id, kept.revoked_at) == (token.token_id, NOON)
    assert await store.tokens("line-2") == []
    with pytest.raises(NotFound):
        await store.token("line-2", token.token_id)
    assert [row["topic"] for row in await store.pool.fetch("select topic from outbox")] == ["token.changed"] * 2
