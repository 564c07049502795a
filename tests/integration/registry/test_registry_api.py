"""What cameras and people get over HTTP."""

from hashlib import sha256
from json import loads
from uuid import uuid4

import httpx
import pytest

from libs.common.events import ModelPromoted, PromotionRejected
from tests.unit.registry.registry_events import FAILED, PASSED

pytestmark = pytest.mark.connected
RESOLVE = "/v1/resolve?workflow=hairnet&camera=line-3"


@pytest.fixture
async def admin() -> dict[str, str]:
    return {"Authorization": "Bearer test-admin-token-0123456789"}


async def register(registry, *gates) -> None:
    for gate in gates:
        await registry.evaluated(await registry.run().evaluated(gate=gate))


async def promote(registry, admin, version: int, **body) -> httpx.Response:
    return await registry.http.post(
        f"/v1/models/hairnet/versions/{version}/promote", headers=admin, json={"reason": "better", **body}
    )


async def test_resolve_is_404_until_something_is_promoted_and_then_exactly_the_contract(registry, admin) -> None:
    await register(registry, PASSED)
    answer = await registry.http.get(RESOLVE, headers=admin)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (await promote(registry, admin, 1)).status_code == 200
    body = (await registry.http.get(RESOLVE, headers=admin)).json()
    assert set(body) == {"model", "version", "workflow", "abi", "alias", "artifacts", "operating_confidence"}
    assert (body["model"], body["version"], body["abi"], body["alias"]) == ("hairnet", 1, "detector/1", "champion")
    assert body["operating_confidence"] == {"hairnet": 0.4}
    assert {a["name"] for a in body["artifacts"]} == {"best.onnx", "metadata.json"}


async def test_links_lead_to_the_bytes_with_that_digest(registry, admin) -> None:
    await register(registry, PASSED)
    await promote(registry, admin, 1)
    body = (await registry.http.get(RESOLVE, headers=admin)).json()
    async with httpx.AsyncClient() as camera:
        for artifact in body["artifacts"]:
            data = (await camera.get(artifact["url"])).raise_for_status().content
            assert (sha256(data).hexdigest(), len(data)) == (artifact["sha256"], artifact["bytes"])
            if artifact["name"] == "metadata.json":
                assert loads(data)["version"] == 1


async def test_resolve_answers_304_until_another_version_is_champion(registry, admin) -> None:
    await register(registry, PASSED, PASSED)
    await promote(registry, admin, 1)
    tag = (await registry.http.get(RESOLVE, headers=admin)).headers["etag"]
    same = await registry.http.get(RESOLVE, headers=admin | {"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    await promote(registry, admin, 2)
    other = await registry.http.get(RESOLVE, headers=admin | {"If-None-Match": tag})
    assert (other.status_code, other.json()["version"]) == (200, 2)
    assert other.headers["etag"] != tag


async def test_a_camera_token_asks_for_its_own_camera_only(registry, admin) -> None:
    await register(registry, PASSED)
    await promote(registry, admin, 1)
    camera = await registry.token("c" * 30, "read", camera_id="line-3")
    assert (await registry.http.get(RESOLVE, headers=camera)).status_code == 200
    other = await registry.http.get("/v1/resolve?workflow=hairnet&camera=line-4", headers=camera)
    assert (other.status_code, other.json()["status"]) == (403, 403)


async def test_scopes_are_asked_for(registry) -> None:
    await register(registry, PASSED)
    reader = await registry.token("r" * 30, "read")
    assert (await registry.http.get("/v1/models")).status_code == 401
    assert (await registry.http.get("/v1/models", headers=reader)).status_code == 200
    assert (await promote(registry, reader, 1)).status_code == 403
    promoter = await registry.token("p" * 30, "promote")
    assert (await promote(registry, promoter, 1)).status_code == 200
    assert (await registry.said(ModelPromoted))[0]["by"] == f"label {'p' * 30}"


async def test_models_versions_aliases_and_moves_are_listed(registry, admin) -> None:
    await register(registry, PASSED, FAILED)
    await promote(registry, admin, 1)
    get = registry.http.get
    (model,) = (await get("/v1/models", headers=admin)).json()["models"]
    assert model == {"name": "hairnet", "workflow": "hairnet", "versions": 2, "newest": 2, "aliases": {"champion": 1}}
    versions = (await get("/v1/models/hairnet/versions", headers=admin)).json()["versions"]
    assert [(v["version"], v["gate"]["passed"]) for v in versions] == [(2, False), (1, True)]
    one = (await get("/v1/models/hairnet/versions/1", headers=admin)).json()
    assert one["lineage"]["backend"] == "ultralytics"
    assert (one["dataset_version"], one["licence"]) == (3, "AGPL-3.0")
    alias = (await get("/v1/models/hairnet/aliases/champion", headers=admin)).json()
    assert alias["version"]["version"] == 1
    (move,) = (await get("/v1/models/hairnet/moves", headers=admin)).json()["moves"]
    assert (move["alias"], move["after_version"], move["by"], move["reason"]) == ("champion", 1, "admin", "better")


async def test_an_artifact_is_a_link_or_a_redirect(registry, admin) -> None:
    await register(registry, PASSED)
    path = "/v1/models/hairnet/versions/1/artifacts/report.html"
    link = (await registry.http.get(path, headers=admin)).json()
    assert (link["name"], link["bytes"]) == ("report.html", len(b"<p>0.9</p>"))
    moved = await registry.http.get(f"{path}?redirect=true", headers=admin)
    assert moved.status_code == 307
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(moved.headers["location"])).content == b"<p>0.9</p>"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/nobody/versions",
        "/v1/models/hairnet/versions/9",
        "/v1/models/hairnet/aliases/champion",
        "/v1/models/hairnet/versions/1/artifacts/none.bin",
        "/v1/resolve?workflow=nothing&camera=line-3",
    ],
)
async def test_what_is_not_there_is_404_with_a_problem(registry, admin, path: str) -> None:
    await register(registry, PASSED)
    answer = await registry.http.get(path, headers=admin)
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


async def test_a_refused_gate_is_409_with_reasons_and_said_on_the_bus(registry, admin) -> None:
    await register(registry, FAILED)
    answer = await promote(registry, admin, 1)
    assert (answer.status_code, answer.json()["detail"]) == (409, "map50 0.41 is below the minimum 0.50")
    assert len(await registry.said(PromotionRejected)) == 1
    forced = await promote(registry, admin, 1, force=True)
    assert (forced.status_code, forced.json()["moved"]) == (200, True)
    assert (await promote(registry, admin, 9)).status_code == 404


async def test_the_same_request_id_gets_the_same_answer(registry, admin) -> None:
    await register(registry, PASSED, PASSED)
    request_id = str(uuid4())
    await promote(registry, admin, 1)
    first = await promote(registry, admin, 2, request_id=request_id)
    await registry.http.post("/v1/models/hairnet/rollback", headers=admin, json={"reason": "misses"})
    second = await promote(registry, admin, 2, request_id=request_id)
    assert first.json() == second.json()
    assert await registry.champion() == (1, 2)


async def test_rolling_back_over_http(registry, admin) -> None:
    await register(registry, PASSED, PASSED)
    body = {"reason": "misses people"}
    assert (await registry.http.post("/v1/models/nobody/rollback", headers=admin, json=body)).status_code == 404
    assert (await registry.http.post("/v1/models/hairnet/rollback", headers=admin, json=body)).status_code == 409
    await promote(registry, admin, 1)
    await promote(registry, admin, 2)
    answer = await registry.http.post("/v1/models/hairnet/rollback", headers=admin, json=body)
    assert (answer.status_code, answer.json()["version"], answer.json()["previous_version"]) == (200, 1, 2)
