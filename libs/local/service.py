"""A service of camloop as a part of the stack: `python -m services.<name>` with everything it needs in its environment."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.local.ports import PortBook
from libs.local.processes import STOP_SERVICES_FIRST, Command

REPOSITORY = Path(__file__).resolve().parents[2]
# A container would give each service its own allocator limits; without this, eight processes waste 100 MB in arenas.
# ONNX Runtime reports to its makers, and keeps a file in the user's cache for it, unless told not to before its import.
_LEAN = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class ServiceSpec:
    """Which module to run under which name; `http_port` is wished for, a free one is taken when it is not free."""

    name: str
    module: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    http_port: int | None = None


class LocalService:
    """One service process, asked over HTTP how it is."""

    def __init__(self, spec: ServiceSpec, *, ports: PortBook, environment: Mapping[str, str]) -> None:
        self.name = spec.name
        self._spec = spec
        self._environment = environment
        self.port: int | None = ports.port(spec.name, preferred=spec.http_port)

    @property
    def url(self) -> str:
        """Base URL of its HTTP side."""
        return f"http://127.0.0.1:{self.port}"

    async def prepare(self) -> Command:
        """Say what to start: the same Python, from the repository's root."""
        ports = {f"{self.name.upper()}_HTTP_PORT": str(self.port)}
        return Command(
            name=self.name,
            argv=(sys.executable, "-m", self._spec.module),
            env={**_LEAN, **self._environment, **self._spec.env, **ports},
            cwd=REPOSITORY,
            stop_rank=STOP_SERVICES_FIRST,
        )

    async def answers(self) -> bool:
        """Whether `/readyz` says 200."""
        return await http_status(self.port, "/readyz", timeout=2) == 200

    async def stuck(self) -> bool:
        """Whether `/healthz` says something else than 200, or nothing within 5 seconds."""
        return await http_status(self.port, "/healthz", timeout=5) != 200


async def http_status(port: int | None, path: str, *, timeout: float) -> int | None:
    """The status code a GET on loopback is answered with, None when there is no answer."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, IndexError):
        return None
