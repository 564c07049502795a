"""Errors as problem+json, and tokens: none, unknown, without the scope, another camera's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr

from libs.common import errors
from libs.common.configuration import Token
from libs.common.http import PROBLEMS, Principal, requires, speak_problems

ADMIN = "admin-secret-of-24-characters"
TOKENS = {
    "one": Token("1", frozenset({"ingest"}), "line-1", "camera line-1"),
    "reader": Token("2", frozenset({"read", "train"}), None, "a script"),
}
RAISED = {
    "conflict": errors.Conflict("both changed it"),
    "notfound": errors.NotFound("no such run"),
    "permanent": errors.Permanent("too small"),
    "transient": errors.Transient("not yet"),
    "lost": errors.LeaseLost("gone"),
    "refused": ConnectionRefusedError("5432"),
    "slow": TimeoutError(),
    "closed": asyncpg.InterfaceError("pool is closing"),
    "bug": KeyError("secret detail"),
}


@dataclass
class FakeConfiguration:
    async def token(self, secret: str) -> Token | None:
        return TOKENS.get(secret)


def make_app() -> FastAPI:
    app = FastAPI()
    speak_problems(app)
    app.state.admin_token = SecretStr(ADMIN)
    app.state.configuration = FakeConfiguration()

    @app.get("/read")
    async def read(who: Annotated[Principal, Depends(requires("read"))]) -> str:
        return who.name

    @app.get("/snapshots/{camera_id}")
    async def snapshots(camera_id: str, who: Annotated[Principal, Depends(requires("ingest"))]) -> str:
        who.require_camera(camera_id)
        return who.name

    @app.get("/raise/{name}", responses=PROBLEMS)
    async def fail(name: str) -> None:
        raise RAISED[name]

    @app.get("/numbers/{number}")
    async def numbers(number: int, limit: int = 5) -> int:
        return number + limit

    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def ask(http: httpx.AsyncClient, path: str, token: str | None = None) -> tuple[int, Any]:
    """(status, body), after a look at the shape of an error."""
    answer = await http.get(path, headers={"Authorization": f"Bearer {token}"} if token is not None else {})
    body = answer.json()
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(body) == {"type", "title", "status", "detail"}
        assert body["status"] == answer.status_code
        assert (answer.status_code == 401) == ("www-authenticate" in answer.headers)
    return answer.status_code, body


@pytest.mark.parametrize(
    ("path", "token", "status", "said"),
    [
        ("/read", None, 401, "Send your token: Authorization: Bearer <token>"),
        ("/read", "nobody's", 401, "Unknown or revoked token: ask the operator for a new one"),
        ("/read", "one", 403, "This token lacks the scope 'read': ask for one that has it"),
        ("/read", "reader", 200, "a script"),
        ("/read", ADMIN, 200, "admin"),
        ("/read", ADMIN + "x", 401, "Unknown or revoked token: ask the operator for a new one"),
        ("/snapshots/line-1", "one", 200, "camera line-1"),
        ("/snapshots/line-2", "one", 403, "This token belongs to camera 'line-1' and cannot speak for 'line-2'"),
        ("/snapshots/line-2", ADMIN, 200, "admin"),
        ("/snapshots/line-2", "reader", 403, "This token lacks the scope 'ingest': ask for one that has it"),
    ],
)
async def test_who_may_what(http: httpx.AsyncClient, path: str, token: str | None, status: int, said: str) -> None:
    code, body = await ask(http, path, token)
    assert (code, body if status == 200 else body["detail"]) == (status, said)


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "", "Bearer \u00e9"])
async def test_a_header_that_is_no_token(http: httpx.AsyncClient, header: str) -> None:
    answer = await http.get("/read", headers={"Authorization": header.encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("name", "status", "title"),
    [
        ("conflict", 409, "Conflict"),
        ("notfound", 404, "NotFound"),
        ("permanent", 422, "Permanent"),
        ("transient", 503, "Transient"),
        ("lost", 500, "LeaseLost"),
        ("refused", 503, "Unavailable"),
        ("slow", 503, "Unavailable"),
        ("closed", 503, "Unavailable"),
        ("bug", 500, "Internal error"),
    ],
)
async def test_every_error_is_a_problem(http: httpx.AsyncClient, name: str, status: int, title: str) -> None:
    code, body = await ask(http, f"/raise/{name}")
    assert (code, body["title"]) == (status, title)


async def test_a_bug_keeps_its_details_to_the_log(http: httpx.AsyncClient) -> None:
    _, body = await ask(http, "/raise/bug")
    assert "secret detail" not in str(body)


async def test_an_invalid_request_names_every_place(http: httpx.AsyncClient) -> None:
    code, body = await ask(http, "/numbers/seven?limit=many")
    assert code == 422
    assert "path.number: " in body["detail"]
    assert "query.limit: " in body["detail"]


async def test_paths_and_methods_that_do_not_exist(http: httpx.AsyncClient) -> None:
    assert (await ask(http, "/nowhere"))[0] == 404
    assert (await http.post("/read")).headers["content-type"] == "application/problem+json"
