"""Ingest as a process: a camera gets a token, sends snapshots, and the bus hears of each once."""

from hashlib import sha256
from uuid import uuid4

import cv2
import httpx
import numpy as np
import pytest

from libs.common.configuration import token_digest
from libs.common.objects import connect
from libs.common.settings import CommonSettings
from tests.support.service_process import bus_on, eventually, running

pytestmark = pytest.mark.connected
ADMIN = {"Authorization": "Bearer test-admin-token-0123456789"}


def a_jpeg(seed: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


async def test_a_camera_from_its_token_to_its_events(
    environment: dict[str, str], settings: CommonSettings, database, stack
) -> None:
    await database.migrate("ingest")
    camera = f"cam-{uuid4().hex[:10]}"
    async with (
        bus_on(stack.kafka_bootstrap) as bus,
        running("ingest", environment) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as http,
    ):
        assert (await http.post("/v1/cameras", json={"camera_id": camera}, headers=ADMIN)).status_code == 201
        issued = (await http.post(f"/v1/cameras/{camera}/tokens", headers=ADMIN)).json()
        mine = {"Authorization": f"Bearer {issued['token']}"}
        picture = a_jpeg(1)
        metadata = {"metadata": '{"captured_at": "2026-03-02T12:00:00Z", "source_group": "g"}'}
        sent = [
            await http.post("/v1/snapshots", files={"image": picture}, data=metadata, headers=mine) for _ in range(3)
        ]
        assert [answer.status_code for answer in sent] == [202, 202, 202]
        assert len({answer.text for answer in sent}) == 1
        media = sent[0].json()["image"]
        stored = await connect(settings).get(media["uri"], expected_sha256=sha256(picture).hexdigest())
        assert stored == picture

        heard = await eventually(lambda: bus.said("snapshot.captured", lambda body: body["camera_id"] == camera))
        assert [(body["image"]["width"], body["source_group"]) for body in heard] == [(64, "g")]

        link = await upload_link(http, mine, a_jpeg(2))
        async with httpx.AsyncClient() as plain:
            put = await plain.put(link["url"], content=a_jpeg(2), headers=link["headers"])
        assert put.is_success
        assert await connect(settings).get(link["uri"]) == a_jpeg(2)

        revoked = await http.delete(f"/v1/cameras/{camera}/tokens/{issued['token_id']}", headers=ADMIN)
        assert revoked.json()["revoked_at"]
        refused = await http.post("/v1/snapshots", files={"image": picture}, data=metadata, headers=mine)
        assert refused.status_code == 401
        told = await eventually(lambda: changes_of(bus, issued["token_id"]))
    assert told[0]["sha256"] == token_digest(issued["token"])
    assert told[-1]["revoked_at"]
    assert issued["token"] not in str(told)


async def upload_link(http: httpx.AsyncClient, headers: dict[str, str], data: bytes) -> dict:
    wish = {"content_type": "image/jpeg", "sha256": sha256(data).hexdigest(), "bytes": len(data)}
    answer = await http.post("/v1/uploads", json=wish, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def changes_of(bus, token_id: str) -> list[dict]:
    found = await bus.said("token.changed", lambda body: body["token_id"] == token_id)
    return found if len(found) == 2 else []


async def test_an_upload_over_the_limit_is_refused_on_a_real_connection(environment: dict[str, str], database) -> None:
    await database.migrate("ingest")
    small = {"INGEST_MAXIMUM_IMAGE_BYTES": "100000"}
    async with (
        running("ingest", environment, **small) as url,
        httpx.AsyncClient(base_url=url, timeout=30, headers=ADMIN) as http,
    ):
        declared = await http.post("/v1/snapshots", files={"image": bytes(5_000_000)})
        chunked = await http.post("/v1/snapshots", content=endless(), headers=MULTIPART)
        good = await http.post("/v1/snapshots", files={"image": a_jpeg(1)}, data={"metadata": '{"camera_id": "c-1"}'})
    assert [declared.status_code, chunked.status_code, good.status_code] == [413, 413, 202]


async def test_an_upload_in_parts_goes_on_after_a_break(
    environment: dict[str, str], settings: CommonSettings, database
) -> None:
    await database.migrate("ingest")
    data = np.random.default_rng(1).bytes(9 * 1024 * 1024)
    wish = {"content_type": "video/mp4", "sha256": sha256(data).hexdigest(), "bytes": len(data), "camera_id": "sink-1"}
    known: dict = {}
    async with httpx.AsyncClient(timeout=30) as camera:
        async with running("ingest", environment) as url:
            begun = (await camera.post(f"{url}/v1/uploads/parts", json=wish, headers=ADMIN)).json()
            known = {name: begun[name] for name in ("uri", "upload_id", "bytes")}
            assert await put_part(camera, begun["missing"][1], data) == 200
        # Another process of ingest: it has to be told nothing of what the first one did.
        async with running("ingest", environment) as url:
            too_early = await camera.post(f"{url}/v1/uploads/parts/complete", json=known, headers=ADMIN)
            assert (too_early.status_code, too_early.json()["title"]) == (409, "Conflict")
            left = (await camera.post(f"{url}/v1/uploads/parts/missing", json=known, headers=ADMIN)).json()
            assert [part["number"] for part in left["missing"]] == [1]
            assert await put_part(camera, left["missing"][0], data) == 200
            done = [await camera.post(f"{url}/v1/uploads/parts/complete", json=known, headers=ADMIN) for _ in range(2)]
            gone = await camera.post(f"{url}/v1/uploads/parts/missing", json=known, headers=ADMIN)
    assert [answer.json() for answer in done] == [{"uri": known["uri"], "bytes": len(data)}] * 2
    assert (gone.status_code, "begin again" in gone.json()["detail"]) == (404, True)
    assert await connect(settings).get(known["uri"], expected_sha256=wish["sha256"]) == data


async def put_part(camera: httpx.AsyncClient, part: dict, data: bytes) -> int:
    piece = data[part["offset"] : part["offset"] + part["bytes"]]
    return (await camera.put(part["url"], content=piece)).status_code


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


async def endless():
    yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    for _ in range(100):
        yield bytes(100_000)
