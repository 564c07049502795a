"""Schemathesis over each OpenAPI document, against the real services: no 500, and no answer the document does not name."""

import asyncio
import json
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from libs.local.stack import LocalStack
from tests.conftest import ADMIN_TOKEN, new_database, settings_for
from tests.support.clips import noisy, sink, write_clip
from tests.support.openapi_services import SERVICES, Served, openapi_services
from tests.support.replica import REPOSITORY

pytestmark = pytest.mark.connected
DOCUMENTS = REPOSITORY / "docs" / "api"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth"
)
EXAMPLES = 8
QUERIED = {"workflow": "procedure", "zone": "zone"}  # what a query must name right to find something, by parameter
STREAM = "/api/stream"  # has no end: tried below, by hand
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture(scope="module")
async def services(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Served]]:
    async with new_database(stack) as database:
        await database.migrate(*SERVICES)
        async with openapi_services(settings_for(stack, database.dsn), tmp_path_factory.mktemp("openapi")) as running:
            yield running


@pytest.mark.parametrize("service", SERVICES)
async def test_no_answer_is_a_500_or_undocumented(service: str, services: dict[str, Served], tmp_path: Path) -> None:
    document = DOCUMENTS / f"openapi-{service}.json"
    answered = await fuzz(document, services[service], tmp_path)
    paths: dict[str, dict[str, object]] = json.loads(document.read_text("utf-8"))["paths"]
    operations = {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs if path != STREAM}
    if service == "ingest":  # schemathesis knows pictures, and no videos
        answered["POST /v1/clips"].add(await a_clip_is_taken(services[service], tmp_path))
        for step, status in (await an_upload_in_parts(services[service])).items():
            answered[f"POST /v1/uploads/parts{step}"].add(status)
    assert operations - set(answered) == set()
    assert {name for name in operations if not any(200 <= status < 400 for status in answered[name])} == set()


async def a_clip_is_taken(served: Served, folder: Path) -> int:
    """The status of a clip that is one, once ingest has heard of its workflow."""
    video = write_clip(folder / "wash.mp4", [noisy(sink(), at) for at in range(20)]).read_bytes()
    form = {"metadata": json.dumps({"workflow": "handwash", "camera_id": "sink-1"})}
    async with httpx.AsyncClient(base_url=served.url, headers=ADMIN, timeout=20) as http, asyncio.timeout(60):
        while True:
            answer = await http.post("/v1/clips", files={"video": video}, data=form)
            if answer.status_code != 422:
                return answer.status_code
            await asyncio.sleep(0.5)


async def an_upload_in_parts(served: Served) -> dict[str, int]:
    """The status of each of its steps; what schemathesis makes up names no upload that was begun."""
    wish = {"content_type": "image/jpeg", "sha256": "a" * 64, "bytes": 3, "camera_id": "line-1"}
    async with httpx.AsyncClient(base_url=served.url, headers=ADMIN, timeout=20) as http:
        begun = await http.post("/v1/uploads/parts", json=wish)
        known = {name: begun.json()[name] for name in ("uri", "upload_id", "bytes")}
        missing = await http.post("/v1/uploads/parts/missing", json=known)
        async with httpx.AsyncClient() as plain:
            await plain.put(missing.json()["missing"][0]["url"], content=b"abc")
        complete = await http.post("/v1/uploads/parts/complete", json=known)
    return {"": begun.status_code, "/missing": missing.status_code, "/complete": complete.status_code}


async def fuzz(document: Path, served: Served, folder: Path) -> dict[str, set[int]]:
    """The statuses each operation answered with, once schemathesis has found nothing. Deterministic."""
    configuration, report = folder / "schemathesis.toml", folder / "report.ndjson"
    configuration.write_text(with_known_values(served), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--no-color", "--config-file", str(configuration), "run",
        str(document), "--url", served.url, "--header", f"Authorization: {ADMIN['Authorization']}", "--checks", CHECKS,
        "--exclude-path", STREAM, "--generation-deterministic", "--no-shrink", "--continue-on-failure",
        "--max-examples", str(EXAMPLES), "--max-redirects", "0", "--request-timeout", "20", "--report", "ndjson",
        "--report-ndjson-path", str(report),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
    return statuses_in(report)


def with_known_values(served: Served) -> str:
    """Most of the time a path or a query names something that exists: behind a 404 there is little to find."""
    places = {f"path.{name}": name for name in served.known}
    places |= {f"query.{name}": values for name, values in QUERIED.items() if values in served.known}
    lines = [f'"{place}" = {{ dictionary = "{name}", probability = 0.8 }}' for place, name in places.items()]
    lists = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in served.known.items()]
    return "\n".join(["[parameters]", *lines, *lists])


def statuses_in(report: Path) -> dict[str, set[int]]:
    """By operation, from the report's scenarios."""
    found: dict[str, set[int]] = defaultdict(set)
    for line in report.read_text("utf-8").splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case, each in recorder.get("interactions", {}).items():
            if each.get("response"):
                operation = recorder["cases"][case]["value"]
                found[f"{operation['method']} {operation['path']}"].add(each["response"]["status_code"])
    return found


async def test_the_stream_answers_as_documented(services: dict[str, Served]) -> None:
    url = services["console"].url + STREAM
    async with httpx.AsyncClient(headers=ADMIN, timeout=20) as http:
        async with http.stream("GET", url, params={"after": 0, "topic": "model.registered"}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "event: model.registered" in [line async for line in _until_an_event(answer)]
        for wrong in ({"after": -1}, {"after": "x"}, {"after": 2**70}):
            refused = await http.get(url, params=wrong)
            assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
        for nonsense in ("9" * 19, "9" * 5000, "-1", "x"):
            async with http.stream("GET", url, headers={"Last-Event-ID": nonsense}) as answer:
                assert answer.status_code == 200
                assert await anext(answer.aiter_lines()) == ": events follow"
        assert (await http.get(url, headers={"Authorization": "Bearer no"})).status_code == 401
    documented = json.loads((DOCUMENTS / "openapi-console.json").read_text("utf-8"))["paths"][STREAM]["get"][
        "responses"
    ]
    assert {"200", "401", "422"} <= set(documented)
    assert set(documented["200"]["content"]) == {"text/event-stream"}


async def _until_an_event(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        yield line
        if line.startswith("event:"):
            return
