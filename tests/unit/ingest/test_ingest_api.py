"""Ingest's routes with fakes behind them: what is taken, what is refused and what it is told."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from libs.common.configuration import Token
from libs.common.errors import NotFound
from libs.common.events import ClipCaptured, SnapshotCaptured
from libs.common.http import speak_problems
from libs.common.objects import split_uri
from libs.common.testing import NOON, FakeClock, FakeObjects
from services.ingest.api.routes import router
from services.ingest.domain import Camera, Receipt

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
OTHER = cv2.imencode(".jpg", np.full((48, 64, 3), 160, np.uint8))[1].tobytes()
LIMIT = 200_000


@dataclass
class FakeIngestStore:
    """Cameras and receipts in memory."""

    known: dict[str, Camera] = field(default_factory=dict[str, Camera])
    receipts: dict[str, Receipt] = field(default_factory=dict[str, Receipt])
    said: list[SnapshotCaptured] = field(default_factory=list[SnapshotCaptured])
    clips: list[ClipCaptured] = field(default_factory=list[ClipCaptured])
    workflows: dict[str, str] = field(default_factory=lambda: {"hairnet": "detection", "handwash": "temporal"})

    async def workflow_tasks(self) -> dict[str, str]:
        return self.workflows

    async def register(self, camera_id: str, title: str | None = None) -> Camera:
        self.known[camera_id] = Camera(camera_id, title, NOON)
        return self.known[camera_id]

    async def camera(self, camera_id: str) -> Camera:
        if camera_id not in self.known:
            raise NotFound(f"Camera {camera_id!r} is not registered")
        return self.known[camera_id]

    async def claim(self, receipt: Receipt) -> Receipt:
        return self.receipts.setdefault(receipt.capture_id, receipt)

    async def announce(self, event: SnapshotCaptured | ClipCaptured) -> bool:
        name = event.clip_id if isinstance(event, ClipCaptured) else event.snapshot_id
        if isinstance(event, ClipCaptured):
            self.clips.append(event)
        else:
            self.said.append(event)
        self.receipts[name] = replace(self.receipts[name], announced=True)
        return True


class FakeTokens:
    """Three tokens: a camera's, one that only reads, one for any camera."""

    async def token(self, secret: str) -> Token | None:
        known = {
            "camera": Token("1", frozenset({"ingest", "read"}), "line-1", "camera line-1"),
            "reader": Token("2", frozenset({"read"}), None, "reader"),
            "gateway": Token("3", frozenset({"ingest"}), None, "gateway"),
        }
        return known.get(secret)


@dataclass
class Ingest:
    """The application, and a client that speaks to it."""

    http: httpx.AsyncClient
    store: FakeIngestStore
    objects: FakeObjects

    async def send(
        self, image: bytes | None = JPEG, *, token: str = "camera", metadata: Any = None, **known: Any
    ) -> httpx.Response:
        text = metadata if metadata is not None else json.dumps(known)
        files = None if image is None else {"image": ("whatever.txt", image, "text/plain")}
        headers = {"Authorization": f"Bearer {token}"}
        return await self.http.post("/v1/snapshots", files=files, data={"metadata": text}, headers=headers)


@pytest.fixture
async def ingest() -> AsyncIterator[Ingest]:
    app = FastAPI()
    speak_problems(app)
    app.include_router(router)
    store, objects = FakeIngestStore(), FakeObjects()
    await store.register("line-1")
    app.state.admin_token = SecretStr("the-admin-token-0123456789")
    app.state.configuration = FakeTokens()
    app.state.store, app.state.objects, app.state.clock = store, objects, FakeClock()
    app.state.uploads = None  # what is tested here of uploads in parts is refused before the store is asked
    app.state.settings = SimpleNamespace(
        maximum_image_bytes=LIMIT,
        maximum_pixels=1_000_000,
        maximum_clip_bytes=LIMIT,
        clock_tolerance_seconds=300.0,
        upload_link_seconds=60.0,
        s3_bucket="camloop",
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as http:
        yield Ingest(http, store, objects)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


async def test_a_snapshot_is_stored_announced_and_answered(ingest: Ingest) -> None:
    boxes = [{"label": "hairnet", "box": [1, 2, 30, 40]}]
    answer = await ingest.send(workflow="hairnet", captured_at="2026-03-02T20:00:00+08:00", annotations=boxes)
    assert answer.status_code == 202
    body = answer.json()
    (said,) = ingest.store.said
    assert body["snapshot_id"] == said.snapshot_id
    assert body["image"]["uri"].startswith("s3://camloop/snapshots/hairnet/line-1/2026/03/02/")
    assert ingest.objects.stored[split_uri(said.image.uri)[1]] == JPEG
    assert (said.camera_id, said.captured_at, said.workflow) == ("line-1", NOON, "hairnet")
    assert (said.image.width, said.image.height, said.image.content_type) == (64, 48, "image/jpeg")
    assert said.annotations is not None
    assert said.annotations[0].box == (1, 2, 30, 40)


async def test_nothing_but_the_picture_is_needed_with_a_cameras_own_token(ingest: Ingest) -> None:
    assert (await ingest.send()).status_code == 202
    assert ingest.store.said[0].captured_at == NOON
    assert ingest.store.said[0].annotations is None


async def test_the_same_snapshot_again_gets_the_first_answer_and_no_second_event(ingest: Ingest) -> None:
    first = await ingest.send(captured_at=NOON.isoformat(), workflow="hairnet")
    again = await ingest.send(captured_at=NOON.isoformat(), workflow="hairnet")
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(ingest.store.said) == 1


async def test_an_id_with_other_bytes_is_a_conflict_and_the_first_bytes_stay(ingest: Ingest) -> None:
    first = await ingest.send(snapshot_id="s-1")
    assert "exists with other content" in problem(await ingest.send(OTHER, snapshot_id="s-1"), 409)
    assert ingest.objects.stored[split_uri(first.json()["image"]["uri"])[1]] == JPEG
    assert len(ingest.store.said) == 1


async def test_metadata_may_be_a_file(ingest: Ingest) -> None:
    files = {"image": JPEG, "metadata": ("m.json", b'{"snapshot_id": "s-7"}', "application/json")}
    answer = await ingest.http.post("/v1/snapshots", files=files, headers={"Authorization": "Bearer camera"})
    assert answer.json()["snapshot_id"] == "s-7"


@pytest.mark.parametrize(
    ("image", "known", "told"),
    [
        (None, {}, "The picture is missing"),
        (b"", {}, "empty"),
        (b"%PDF-1.4", {}, "a PDF document, not a JPEG, PNG, WebP or BMP"),
        (JPEG, {"metadata": "{"}, "Invalid JSON"),
        (JPEG, {"captured_at": "2026-03-02T12:00:00"}, "metadata.captured_at: Input should have timezone info"),
        (JPEG, {"captured_at": "2026-03-02T12:06:00Z"}, "lies in the future"),
        (JPEG, {"captured_at": "0001-01-01T00:00:00+08:00"}, "a clock that was never set"),
        (JPEG, {"metadata": b"\xff"}, "metadata"),
        (JPEG, {"workflow": "hairnat"}, "known are hairnet"),
        (JPEG, {"snapshot_id": "../../etc"}, "metadata.snapshot_id"),
        (JPEG, {"detections": [{"label": "x", "box": [1, 2, 3], "confidence": 1}]}, "metadata.detections.0.box"),
        (JPEG, {"metadata": '{"annotations": [{"label": "x", "box": [1, 2, 3, NaN]}]}'}, "metadata"),
    ],
)
async def test_a_bad_upload_is_told_what_to_change(
    ingest: Ingest, image: bytes | None, known: dict[str, Any], told: str
) -> None:
    assert told in problem(await ingest.send(image, **known), 422)
    assert ingest.store.said == []
    assert ingest.objects.stored == {}


async def test_a_body_that_is_no_form_is_refused(ingest: Ingest) -> None:
    answer = await ingest.http.post("/v1/snapshots", content=JPEG, headers={"Authorization": "Bearer camera"})
    assert "multipart/form-data" in problem(answer, 422)


@pytest.mark.parametrize(
    ("token", "known", "status", "told"),
    [
        ("nobody", {}, 401, "Unknown or revoked token"),
        ("reader", {"camera_id": "line-1"}, 403, "lacks the scope 'ingest'"),
        ("camera", {"camera_id": "line-2"}, 403, "cannot speak for 'line-2'"),
        ("gateway", {}, 422, "metadata.camera_id is missing"),
        ("gateway", {"camera_id": "line-2"}, 404, "'line-2' is not registered"),
    ],
)
async def test_a_token_speaks_for_its_camera_within_its_scope(
    ingest: Ingest, token: str, known: dict[str, Any], status: int, told: str
) -> None:
    assert told in problem(await ingest.send(token=token, **known), status)
    assert ingest.store.said == []


async def test_a_camera_the_admin_speaks_for_is_registered(ingest: Ingest) -> None:
    answer = await ingest.send(token="the-admin-token-0123456789", camera_id="line-9")
    assert answer.status_code == 202
    assert "line-9" in ingest.store.known


async def test_an_announced_length_over_the_limit_is_refused_unread(ingest: Ingest) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Authorization": "Bearer camera", "Content-Length": str(LIMIT + 2_000_000)}
    answer = await ingest.http.post("/v1/snapshots", content=never(), headers=headers)
    assert f"larger than {LIMIT} bytes" in problem(answer, 413)


async def test_a_body_without_length_is_refused_when_it_passes_the_limit(ingest: Ingest) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        while True:
            sent += 100_000
            yield bytes(100_000)

    headers = {"Authorization": "Bearer camera", "Content-Type": "multipart/form-data; boundary=b"}
    assert "larger than" in problem(await ingest.http.post("/v1/snapshots", content=endless(), headers=headers), 413)
    assert sent < LIMIT + 1_500_000


async def test_an_image_just_over_the_limit_is_refused_after_reading(ingest: Ingest) -> None:
    assert "larger than" in problem(await ingest.send(JPEG + bytes(LIMIT)), 413)


async def test_an_upload_link_is_for_one_picture_of_the_callers_camera(ingest: Ingest) -> None:
    wish = {"content_type": "image/jpeg", "sha256": "a" * 64, "bytes": 1000, "workflow": "hairnet"}
    headers = {"Authorization": "Bearer camera"}
    answer = (await ingest.http.post("/v1/uploads", json=wish, headers=headers)).json()
    key = f"snapshots/hairnet/line-1/2026/03/02/{'a' * 64}.jpg"
    assert answer["uri"] == f"s3://camloop/{key}"
    assert key in answer["url"]
    assert answer["headers"] == {"Content-Type": "image/jpeg"}
    assert answer["expires_at"] == (NOON + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"bytes": LIMIT + 1}, 413),
        ({"content_type": "text/html"}, 422),
        ({"sha256": "short"}, 422),
        ({"camera_id": "line-2"}, 403),
    ],
)
async def test_a_link_is_refused_for_what_would_be_refused_later(
    ingest: Ingest, changes: dict[str, Any], status: int
) -> None:
    wish = {"content_type": "image/jpeg", "sha256": "a" * 64, "bytes": 1000} | changes
    problem(await ingest.http.post("/v1/uploads", json=wish, headers={"Authorization": "Bearer camera"}), status)


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"uri": "s3://camloop/clips/_/line-2/2026/03/02/a.mp4"}, 403, "line-2"),
        ({"uri": "s3://camloop/models/hairnet/1/model.onnx"}, 422, "no place of an upload"),
        ({"uri": "s3://other/clips/_/line-1/2026/03/02/a.mp4"}, 404, "bucket"),
        ({"uri": "clips/_/line-1/2026/03/02/a.mp4"}, 422, "uri"),
        ({"uri": "s3://camloop/clips/../line-1/2026/03/02/a.mp4"}, 422, "no object address"),
        ({"bytes": LIMIT + 1}, 413, "larger than"),
        ({"upload_id": "two words"}, 422, "upload_id"),
    ],
)
@pytest.mark.parametrize("step", ["missing", "complete"])
async def test_only_the_own_camera_goes_on_with_an_upload(
    ingest: Ingest, step: str, changes: dict[str, Any], status: int, told: str
) -> None:
    known = {"uri": "s3://camloop/clips/_/line-1/2026/03/02/a.mp4", "upload_id": "u-1", "bytes": 1000} | changes
    headers = {"Authorization": "Bearer camera"}
    answer = await ingest.http.post(f"/v1/uploads/parts/{step}", json=known, headers=headers)
    assert told in problem(answer, status)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/cameras"), ("POST", "/v1/cameras/line-1/tokens"), ("GET", "/v1/cameras/x/tokens")],
)
async def test_only_the_admin_manages_cameras_and_tokens(ingest: Ingest, method: str, path: str) -> None:
    answer = await ingest.http.request(
        method, path, json={"camera_id": "x"}, headers={"Authorization": "Bearer camera"}
    )
    assert "lacks the scope 'admin'" in problem(answer, 403)


MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(2000)


async def send_clip(ingest: Ingest, video: bytes = MP4, **known: Any) -> httpx.Response:
    headers = {"Authorization": "Bearer camera"}
    files = {"video": ("whatever.txt", video, "text/plain")}
    return await ingest.http.post("/v1/clips", files=files, data={"metadata": json.dumps(known)}, headers=headers)


async def test_a_clip_is_stored_announced_and_answered_once(ingest: Ingest) -> None:
    segments = [{"step": "thumb_left", "start_seconds": 1, "end_seconds": 2.5}]
    known = {"workflow": "handwash", "captured_at": NOON.isoformat(), "segments": segments, "source_group": "rec"}
    first, again = await send_clip(ingest, **known), await send_clip(ingest, **known)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    (said,) = ingest.store.clips
    assert (said.camera_id, said.workflow, said.source_group) == ("line-1", "handwash", "rec")
    assert said.segments is not None
    assert said.segments[0].end_seconds == 2.5
    assert said.video.uri.startswith("s3://camloop/clips/handwash/line-1/2026/03/02/")
    assert (said.video.content_type, said.video.bytes) == ("video/mp4", len(MP4))
    assert ingest.objects.stored[split_uri(said.video.uri)[1]] == MP4


@pytest.mark.parametrize(
    ("video", "known", "told"),
    [
        (b"GIF89a" + bytes(100), {"workflow": "handwash"}, "it is image/gif. Send MP4"),
        (b"#EXTM3U\nhttp://elsewhere/a.ts", {"workflow": "handwash"}, "a playlist, not a video file"),
        (b"", {"workflow": "handwash"}, "is empty"),
        (MP4, {"workflow": "hairnet"}, "'hairnet' takes no clips; those that do: handwash"),
        (MP4, {"workflow": "handwish"}, "'handwish' does not exist"),
        (MP4, {}, "metadata.workflow: Field required"),
        (MP4, {"workflow": "handwash", "segments": [{"step": "a"}]}, "metadata.segments.0.start_seconds"),
    ],
)
async def test_a_clip_that_cannot_be_taken_is_told_why(
    ingest: Ingest, video: bytes, known: dict[str, Any], told: str
) -> None:
    answer = await send_clip(ingest, video, **known)
    assert 400 <= answer.status_code < 500
    assert told in answer.json()["detail"]
    assert "/tmp" not in answer.json()["detail"]
    assert ingest.store.clips == []


async def test_a_clip_that_is_too_large_is_refused(ingest: Ingest) -> None:
    assert problem(await send_clip(ingest, MP4 + bytes(2 * LIMIT + 1024 * 1024), workflow="handwash"), 413)


async def test_a_snapshot_of_a_workflow_about_clips_is_refused(ingest: Ingest) -> None:
    assert "takes no snapshots" in problem(await ingest.send(workflow="handwash"), 422)
