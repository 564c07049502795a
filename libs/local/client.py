"""Talks to the running system over HTTP, as any outside program would: addresses and token from `endpoints.json`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from libs.local.endpoints import endpoints_path


class NotRunning(Exception):
    """There is no system to talk to."""


class Refused(Exception):
    """The system answered with a problem; its text says what to do. `status` is the HTTP status, `title` its kind."""

    def __init__(self, text: str, status: int = 0, title: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.title = title


@dataclass(frozen=True)
class Addresses:
    """The content of `endpoints.json`."""

    kafka_bootstrap_servers: str
    postgres_dsn: str
    s3: dict[str, str]
    http: dict[str, str]
    admin_token: str


def read_endpoints(data_folder: Path) -> Addresses:
    """Raises `NotRunning` when nothing was started here."""
    path = endpoints_path(data_folder)
    if not path.exists():
        raise NotRunning("camloop is not running here: uv run camloop up --detach")
    content = json.loads(path.read_text())
    return Addresses(
        content["kafka"]["bootstrap_servers"],
        content["postgres"]["dsn"],
        content["s3"],
        content["http"],
        content["tokens"]["admin"],
    )


@dataclass(frozen=True)
class Client:
    """One service's HTTP side. Answers are plain JSON values."""

    http: httpx.Client

    def get(self, path: str, **query: object) -> Any:
        """GET; parameters that are None are left out, those that are lists are repeated."""
        return self.request("GET", path, params=_parameters(query))

    def rows(self, path: str, **query: object) -> list[dict[str, Any]]:
        """GET a list, bare or as the only list in an object."""
        found = self.get(path, **query)
        values: list[Any] = list(cast("dict[str, Any]", found).values()) if isinstance(found, dict) else [found]
        lists = [cast("list[dict[str, Any]]", value) for value in values if isinstance(value, list)]
        return lists[0] if lists else []

    def post(self, path: str, body: object = None) -> Any:
        """POST a JSON body."""
        return self.request("POST", path, json=body if body is not None else {})

    def file(self, path: str, **query: object) -> bytes:
        """GET what is no JSON, as it comes."""
        return self._answer("GET", path, params=_parameters(query)).content

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Raises `NotRunning` without an answer, `Refused` with the problem's text."""
        response = self._answer(method, path, **arguments)
        return response.json() if response.content else None

    def _answer(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self.http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise NotRunning(f"No answer from {self.http.base_url}: {error}. Look: uv run camloop status") from error
        if response.is_error:
            raise refusal(response)
        return response

    def events(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Server-sent events as plain values, until the caller stops or the service ends."""
        patience = httpx.Timeout(10, read=None)
        try:
            with self.http.stream("GET", path, params=_parameters(query), timeout=patience) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield cast(dict[str, Any], json.loads(line[5:]))
        except httpx.TransportError as error:
            raise NotRunning(f"{self.http.base_url} is gone: {error}. Look: uv run camloop status") from error


def _parameters(query: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Words as HTTP wants them."""
    found: dict[str, str | list[str]] = {}
    for name, value in query.items():
        if isinstance(value, list | tuple):
            found[name] = [str(each) for each in cast("Iterable[object]", value)]
        elif value is not None:
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def refusal(response: httpx.Response) -> Refused:
    """What a problem+json says, or the bare answer."""
    try:
        body = response.json()
    except ValueError:
        return Refused(f"{response.status_code}: {response.text[:500]}", response.status_code)
    title = str(body.get("title", response.status_code))
    return Refused(f"{title}: {body.get('detail', body)}", response.status_code, title)


@contextmanager
def client(data_folder: Path, service: str, *, timeout_seconds: float = 60) -> Iterator[Client]:
    """A client of one service, with the admin token."""
    addresses = read_endpoints(data_folder)
    headers = {"Authorization": f"Bearer {addresses.admin_token}"}
    with httpx.Client(base_url=addresses.http[service], headers=headers, timeout=timeout_seconds) as http:
        yield Client(http)
