"""HTTP as every service speaks it: bearer tokens with scopes, and errors as RFC 9457 problem+json."""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, SecretStr
from starlette.exceptions import HTTPException

from libs.common.configuration import SCOPES, Configuration
from libs.common.errors import CamloopError, Conflict, Denied, NotFound, Permanent, Transient

log = structlog.get_logger()
STATUS: dict[type[CamloopError], int] = {Conflict: 409, Denied: 403, NotFound: 404, Permanent: 422, Transient: 503}
# The database is away, cut the connection, is full, or made this transaction a victim: the same request may pass later.
PASSING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
)
PROBLEM, JSON = "application/problem+json", "application/json"
bearer = HTTPBearer(auto_error=False, description="A scoped token, shown once when it was issued")


class Problem(BaseModel):
    """RFC 9457: what went wrong and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Unauthenticated(Denied):
    """No token, or one nobody issued (401, where `Denied` is 403)."""


@dataclass(frozen=True)
class Principal:
    """Who asks. A token of a camera may speak for that camera only."""

    name: str
    scopes: frozenset[str]
    camera_id: str | None = None

    def require_camera(self, camera_id: str) -> None:
        """Raises `Denied` for another camera's name."""
        if self.camera_id not in (None, camera_id):
            raise Denied(f"This token belongs to camera {self.camera_id!r} and cannot speak for {camera_id!r}")


class ProblemApi(FastAPI):
    """FastAPI whose document gives errors the one content type they have; by itself it knows one for all answers."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        paths: dict[str, dict[str, dict[str, Any]]] = document["paths"]
        for operation in (operation for path in paths.values() for operation in path.values()):
            for content in (answer.get("content", {}) for answer in operation["responses"].values()):
                if PROBLEM in content and JSON in content:
                    content[PROBLEM] = content.pop(JSON)
        return document


def problem_response(status: int, title: str, detail: str) -> JSONResponse:
    """One shape for every error."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status_code=status, media_type=PROBLEM, headers=headers)


def status_of(error: CamloopError) -> int:
    """The status code of one of our errors."""
    if isinstance(error, Unauthenticated):
        return 401
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)


def speak_problems(app: FastAPI) -> None:
    """Answer every error as problem+json."""

    @app.exception_handler(CamloopError)
    async def ours(_: Request, error: CamloopError) -> JSONResponse:
        return problem_response(status_of(error), type(error).__name__, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return problem_response(422, "Invalid request", places)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, "HTTP error", str(error.detail))

    for kind in PASSING:
        app.add_exception_handler(kind, _unreachable)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    app.add_exception_handler(Exception, _bug)


async def _unreachable(_: Request, error: Exception) -> JSONResponse:
    log.warning("request_failed", error=str(error) or type(error).__name__)
    return problem_response(503, "Unavailable", "Something this service needs cannot be reached: try again later")


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    # Too large a number, U+0000 in a text: the value is wrong, not this service.
    log.warning("request_refused", error=str(error))
    return problem_response(422, "Invalid request", f"A value can't be stored: {error}. Correct it and send it again")


async def _bug(_: Request, error: Exception) -> JSONResponse:
    # Starlette raises it again afterwards: the log has it with its trace. What it says is not for the outside.
    return problem_response(500, "Internal error", f"{type(error).__name__}: see this service's log")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {PROBLEM: {}}, "description": text}
    for status, text in {
        400: "Not readable as what it says it is",
        401: "No or unknown token",
        403: "Scope or camera does not fit",
        404: "Not found",
        409: "Conflict",
        413: "Too large",
        422: "Invalid",
        503: "Try again later",
    }.items()
}


def requires(scope: str) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """A FastAPI dependency: the caller's token carries `scope`. The admin token carries every scope."""

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Principal:
        if credentials is None:
            raise Unauthenticated("Send your token: Authorization: Bearer <token>")
        principal = await _principal(request, credentials.credentials)
        if scope not in principal.scopes:
            raise Denied(f"This token lacks the scope {scope!r}: ask for one that has it")
        return principal

    return check


async def _principal(request: Request, secret: str) -> Principal:
    admin: SecretStr = request.app.state.admin_token
    if secrets.compare_digest(secret.encode(), admin.get_secret_value().encode()):
        return Principal("admin", frozenset((*SCOPES, "admin")))
    configuration: Configuration = request.app.state.configuration
    token = await configuration.token(secret)
    if token is None:
        raise Unauthenticated("Unknown or revoked token: ask the operator for a new one")
    return Principal(token.label, token.scopes, token.camera_id)
