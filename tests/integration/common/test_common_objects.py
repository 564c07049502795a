"""One suite for the object store in memory and the real one: who tests with the fake tests what will happen."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from libs.common import objects
from libs.common.errors import NotFound, Permanent, Transient
from libs.common.objects import S3Objects, split_uri
from libs.common.settings import CommonSettings
from libs.common.testing import FakeObjects

DATA = bytes(range(256)) * 40
DIGEST = sha256(DATA).hexdigest()
WRONG = sha256(b"something else").hexdigest()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.connected)])
def store(request: pytest.FixtureRequest) -> Any:
    """Both object stores."""
    return FakeObjects() if request.param == "fake" else real(request.getfixturevalue("s3_settings"))


@pytest.fixture
def s3_settings(stack: Any) -> CommonSettings:
    """Settings that name the test store; the rest is not used."""
    return CommonSettings(
        _env_file=None, KAFKA_BOOTSTRAP_SERVERS="-", DATABASE_URL="-", CAMLOOP_ADMIN_TOKEN="x" * 24,
        S3_ENDPOINT=stack.s3_endpoint, S3_ACCESS_KEY=stack.s3_access_key, S3_SECRET_KEY=stack.s3_secret_key,
    )  # fmt: skip


def real(settings: CommonSettings) -> S3Objects:
    store = objects.connect(settings)
    if not store.client.bucket_exists(bucket_name=store.bucket):
        store.client.make_bucket(bucket_name=store.bucket)
    return store


@pytest.fixture
def key() -> str:
    """A key nobody used before, as awkward as keys may be."""
    return f"tests/{uuid4()}/a b+c%20 (1) \u53d1\u7f51.jpg"


async def test_what_was_put_is_got(store: Any, key: str) -> None:
    media = await store.put(key, DATA, "image/jpeg")
    assert media.model_dump(exclude_none=True) == {
        "uri": f"s3://camloop/{key}", "sha256": DIGEST, "content_type": "image/jpeg", "bytes": len(DATA),
    }  # fmt: skip
    assert await store.get(media.uri) == await store.get(media.uri, expected_sha256=DIGEST) == DATA
    assert await store.exists(media.uri)


async def test_a_second_put_replaces(store: Any, key: str) -> None:
    await store.put(key, b"old", "text/plain")
    media = await store.put(key, b"", "text/plain")
    assert await store.get(media.uri) == b""


async def test_other_bytes_than_announced_are_refused(store: Any, key: str, tmp_path: Path) -> None:
    media = await store.put(key, DATA, "image/jpeg")
    with pytest.raises(Permanent, match=f"has sha256 {DIGEST}, but {WRONG} was announced"):
        await store.get(media.uri, expected_sha256=WRONG)
    with pytest.raises(Permanent, match=f"has sha256 {DIGEST}, but {WRONG} was announced"):
        await store.get_file(media.uri, tmp_path / "file", expected_sha256=WRONG)
    assert list(tmp_path.iterdir()) == [], "neither the file nor a part of it"


async def test_what_is_not_there(store: Any, key: str, tmp_path: Path) -> None:
    uri = f"s3://camloop/{key}"
    assert not await store.exists(uri)
    for attempt in (store.get(uri), store.get_file(uri, tmp_path / "file"), store.copy(uri, "tests/copy")):
        with pytest.raises(NotFound, match="no such object"):
            await attempt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["http://camloop/a", "s3://camloop", "s3://camloop/", "camloop/a", ""])
async def test_what_is_no_address(store: Any, uri: str) -> None:
    with pytest.raises(Permanent, match="write s3://bucket/key"):
        await store.get(uri)


async def test_files(store: Any, key: str, tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(DATA)
    media = await store.put_file(key, source)
    assert (media.sha256, media.bytes, media.content_type) == (DIGEST, len(DATA), "application/octet-stream")
    target = tmp_path / "new folder" / "model.onnx"
    await store.get_file(media.uri, target, expected_sha256=DIGEST)
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]


async def test_a_file_that_fails_to_come_leaves_the_one_that_is_there(store: Any, key: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"the one before")
    media = await store.put(key, DATA, "image/jpeg")
    with pytest.raises(Permanent):
        await store.get_file(media.uri, target, expected_sha256=WRONG)
    assert target.read_bytes() == b"the one before"


async def test_several_who_fetch_the_same_file_at_once(store: Any, key: str, tmp_path: Path) -> None:
    data = DATA * 100
    media = await store.put(key, data, "image/jpeg")
    target = tmp_path / "file"
    await asyncio.gather(*(store.get_file(media.uri, target, expected_sha256=media.sha256) for _ in range(6)))
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jpg", "image/jpeg"), ("a.html", "text/html; charset=utf-8"), ("a.bin", "application/octet-stream")],
)
async def test_the_content_type_follows_the_name(store: Any, key: str, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert (await store.put_file(key, tmp_path / name)).content_type == kind


async def test_copies(store: Any, key: str) -> None:
    media = await store.put(key, DATA, "image/jpeg")
    uri = await store.copy(media.uri, key + ".copy")
    assert uri == f"s3://camloop/{key}.copy"
    assert await store.get(uri) == await store.get(media.uri) == DATA


async def test_links_name_the_object(store: Any, key: str) -> None:
    media = await store.put(key, DATA, "image/jpeg")
    link = await store.presigned_get(media.uri)
    uri, upload = await store.presigned_put(key)
    assert uri == media.uri
    assert all(text.startswith("http://") and "jpg" in text for text in (link, upload))


# --- the real one only -----------------------------------------------------------------------------------------------


@pytest.mark.connected
async def test_anybody_with_the_link_may_read_and_write_that_object_only(s3_settings: CommonSettings, key: str) -> None:
    store = real(s3_settings)
    uri, upload = await store.presigned_put(key)
    async with httpx.AsyncClient() as http:
        assert (await http.put(upload, content=DATA)).status_code == 200
        assert await store.get(uri) == DATA
        link = await store.presigned_get(uri)
        answer = await http.get(link)
        assert (answer.status_code, answer.content) == (200, DATA)
        assert (await http.get(link.split("?")[0])).status_code in (400, 401, 403)
        assert (await http.get(link.replace(".jpg", ".png"))).status_code in (400, 401, 403)


@pytest.mark.connected
async def test_the_bucket_is_made_once_by_however_many(s3_settings: CommonSettings) -> None:
    store = objects.connect(s3_settings.model_copy(update={"s3_bucket": f"b-{uuid4()}"}))
    await asyncio.gather(*(store.ensure_bucket() for _ in range(4)))
    await store.ensure_bucket()
    assert (await store.put("a", b"1", "text/plain")).uri == f"s3://{store.bucket}/a"


@pytest.mark.connected
async def test_keys_are_listed(s3_settings: CommonSettings, key: str) -> None:
    store = real(s3_settings)
    await store.put(key, b"1", "text/plain")
    assert await asyncio.to_thread(lambda: list(store.list_keys(key.rsplit("/", 1)[0]))) == [key]


@pytest.mark.connected
@pytest.mark.parametrize("change", [{"s3_secret_key": SecretStr("wrong")}, {"s3_access_key": "nobody"}])
async def test_wrong_credentials_say_so(s3_settings: CommonSettings, change: dict[str, Any]) -> None:
    store = objects.connect(s3_settings.model_copy(update=change))
    for attempt in (store.ensure_bucket(), store.get("s3://camloop/a"), store.put("a", b"", "text/plain")):
        with pytest.raises(Transient, match="refuses the credentials: check S3_ACCESS_KEY and S3_SECRET_KEY"):
            await attempt


@pytest.mark.connected
async def test_a_store_that_is_away_is_transient(s3_settings: CommonSettings) -> None:
    store = objects.connect(s3_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(Transient, match="cannot be reached"):
        await store.get("s3://camloop/a")


@pytest.mark.connected
async def test_a_bucket_that_is_not_there(s3_settings: CommonSettings) -> None:
    store = real(s3_settings)
    assert not await store.exists(f"s3://none-{uuid4()}/a")


@pytest.mark.parametrize(
    ("uri", "parts"),
    [("s3://b/k", ("b", "k")), ("s3://b/a/b c?d#e%20", ("b", "a/b c?d#e%20")), ("s3://b//k", ("b", "/k"))],
)
def test_addresses(uri: str, parts: tuple[str, str]) -> None:
    assert split_uri(uri) == parts
