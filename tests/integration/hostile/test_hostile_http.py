"""Ingest under bad requests, its database real: each has its clear answer, none is a 500, and none leaves anything."""

import re
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest

from libs.common.testing import NOON
from libs.local.stack import LocalStack
from tests.conftest import Database, settings_for
from tests.support.hostile.ingest_app import IngestApp, ingest_app
from tests.support.hostile.labels import LABELS, LabelRow
from tests.support.hostile.pictures import PICTURES, PictureRow, jpeg
from tests.support.hostile.tokens import TOKENS, TokenRow
from tests.support.hostile.uploads import RAW, UPLOADS, RawRow, UploadRow

pytestmark = pytest.mark.connected


@pytest.fixture
async def ingest(stack: LocalStack, database: Database) -> AsyncIterator[IngestApp]:
    async with ingest_app(settings_for(stack, database.dsn)) as running:
        yield running


def fault(answer: httpx.Response, status: int, told: str) -> str | None:
    """What is wrong with the answer, or None: its status, its type, and that it names the problem."""
    if answer.status_code != status:
        return f"{answer.status_code} instead of {status}: {answer.text[:300]}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"it is {answer.headers['content-type']}"
    detail = answer.json()["detail"]
    return None if re.search(told, detail) else f"it says {detail[:300]!r}"


async def stays_clean(ingest: IngestApp, faults: dict[str, str | None]) -> None:
    """No row was answered wrongly, nothing was kept, and a good neighbour is taken."""
    assert {name: text for name, text in faults.items() if text} == {}
    assert (await ingest.announced(), ingest.objects.stored) == (0, {})
    assert (await ingest.send(b"{}")).status_code == 202
    assert await ingest.announced() == 1


async def test_every_picture_has_its_answer(ingest: IngestApp) -> None:
    bad = {row.name: fault(await ingest.send(b"{}", row.make()), 422, row.ingest) for row in PICTURES if row.ingest}
    await stays_clean(ingest, bad)
    for row in PICTURES:
        await taken_as_it_is(ingest, row)


async def taken_as_it_is(ingest: IngestApp, row: PictureRow) -> None:
    """The type is that of the content, the size upright, whatever name the file came with."""
    if row.good:
        answer = await ingest.send(b"{}", row.make())
        assert answer.status_code == 202, row.name
        image = answer.json()["image"]
        assert (image["content_type"], (image["width"], image["height"])) == (row.kind, row.size), row.name
        assert image["sha256"] == sha256(row.make()).hexdigest()


async def test_every_label_has_its_answer(ingest: IngestApp) -> None:
    faults = {
        f"{row.name}, {kind}": fault(await ingest.send(with_labels(row, kind)), 422, row.refused)
        for row in LABELS
        if row.refused
        for kind in ("annotations", "detections")
    }
    await stays_clean(ingest, faults)


async def test_labels_a_person_can_settle_are_taken(ingest: IngestApp) -> None:
    for row in LABELS:
        if not row.refused:
            assert (await ingest.send(with_labels(row, "annotations"))).status_code == 202, row.name


def with_labels(row: LabelRow, kind: str) -> bytes:
    """Metadata with the row's labels, of a snapshot of its own."""
    own = sha256(f"{row.name} {kind}".encode()).hexdigest()
    return f'{{"snapshot_id": "{own}", "{kind}": {getattr(row, kind)}}}'.encode()


async def test_all_metadata_have_their_answer(ingest: IngestApp) -> None:
    faults = {row.name: await _of_upload(ingest, row) for row in UPLOADS}
    await stays_clean(ingest, faults)


async def _of_upload(ingest: IngestApp, row: UploadRow) -> str | None:
    return fault(await ingest.send(row.metadata), row.status, row.told)


async def test_every_request_has_its_answer(ingest: IngestApp) -> None:
    faults = {row.name: await _of_request(ingest, row) for row in RAW}
    await stays_clean(ingest, faults)


async def _of_request(ingest: IngestApp, row: RawRow) -> str | None:
    headers = ingest.bearer("admin") | row.headers
    raw = {name: text.encode("latin-1") for name, text in headers.items()}
    answer = await ingest.http.request(row.method, row.path, content=row.content, headers=raw)
    return fault(answer, row.status, row.told)


async def test_every_token_has_its_answer(ingest: IngestApp) -> None:
    faults = {row.name: await _of_token(ingest, row) for row in TOKENS}
    await stays_clean(ingest, faults)


async def _of_token(ingest: IngestApp, row: TokenRow) -> str | None:
    headers: dict[str, bytes] = {}
    if row.authorization is not None:
        headers = {"Authorization": filled_in(row.authorization, ingest.tokens).encode("latin-1")}
    if row.path == "/v1/snapshots":
        files = {"image": jpeg(), "metadata": ("m.json", b'{"camera_id": "line-1"}')}
        answer = await ingest.http.request(row.method, row.path, files=files, headers=headers)
    else:
        body = row.body if row.method == "POST" else None
        answer = await ingest.http.request(row.method, row.path, json=body, headers=headers)
    wanted = answer.headers.get("www-authenticate") == ("Bearer" if row.status == 401 else None)
    return fault(answer, row.status, row.told) if wanted else "it does not name the scheme"


def filled_in(text: str, tokens: dict[str, str]) -> str:
    """The header with secrets in it; `{name:.-1}`, `{name:upper}` and `{name:sha256}` are spoilt ones."""
    spoilt = {".-1": lambda s: s[:-1], "upper": str.upper, "sha256": lambda s: sha256(s.encode()).hexdigest()}
    known = "|".join(tokens)
    return re.sub(rf"{{({known})(?::([^}}]+))?}}", lambda m: spoilt.get(m[2] or "", str)(tokens[m[1]]), text)


async def test_the_same_id_with_other_content_is_a_conflict(ingest: IngestApp) -> None:
    known = b'{"snapshot_id": "s-1"}'
    assert (await ingest.send(known)).status_code == 202
    other = await ingest.send(known, next(row.make() for row in PICTURES if row.name == "grey jpeg"))
    assert fault(other, 409, "exists with other content") is None
    assert (await ingest.send(known)).status_code == 202
    assert await ingest.announced() == 1
    assert (await ingest.pool.fetchval("select max(captured_at) from snapshot")) == NOON
