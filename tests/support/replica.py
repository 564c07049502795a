"""One process of a service, as itself or watched by a gate: started, waited for, stopped, killed, frozen."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from libs.local.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Replica:
    """`python -m services.<name>`; what it prints goes to a file."""

    name: str
    process: asyncio.subprocess.Process
    port: int
    output: Path

    @classmethod
    async def start(cls, name: str, environment: Mapping[str, str], folder: Path) -> "Replica":
        """Start one; it takes seconds until it is ready."""
        return await cls._start(name, ["-m", f"services.{name}"], environment, folder)

    @classmethod
    async def start_watched(
        cls, name: str, environment: Mapping[str, str], folder: Path, *, without: Iterable[str] = (), **switches: str
    ) -> "Replica":
        """Start one under a gate's eyes: `tests/support/unprotected.py` says what the switches do."""
        told = {f"GATE_{switch.upper()}": text for switch, text in switches.items()}
        told["GATE_WITHOUT"] = json.dumps(list(without))
        arguments = ["-m", "tests.support.unprotected", f"services.{name}"]
        return await cls._start(name, arguments, {**environment, **told}, folder)

    @classmethod
    async def _start(cls, name: str, arguments: list[str], environment: Mapping[str, str], folder: Path) -> "Replica":
        port = int(environment.get(f"{name.upper()}_HTTP_PORT", 0)) or free_port()
        output = folder / f"{name}-{port}.log"
        variables = {variable: os.environ[variable] for variable in ("PATH", "HOME") if variable in os.environ}
        variables |= {"ORT_DISABLE_TELEMETRY": "1", f"{name.upper()}_HTTP_PORT": str(port), **environment}
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=REPOSITORY, env=variables, stdout=file, stderr=file
            )
        return cls(name, process, port, output)

    @property
    def url(self) -> str:
        """Base URL of its HTTP side."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    async def is_ready(self) -> bool:
        """What its readiness says now."""
        async with httpx.AsyncClient(timeout=5) as http:
            try:
                return (await http.get(f"{self.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def ready(self, timeout_seconds: float = 90) -> "Replica":
        """Wait until it has its partitions and reaches what it needs."""
        async with asyncio.timeout(timeout_seconds):
            while not await self.is_ready():
                assert self.is_running, self.output.read_text()
                await asyncio.sleep(0.1)
        return self

    async def kill(self) -> None:
        """SIGKILL: nothing is said, nothing given back."""
        if self.is_running:
            self.process.kill()
        await self.process.wait()

    async def stop(self, timeout_seconds: float = 60) -> None:
        """SIGTERM, as a deploy does; SIGKILL if that does not end it."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), timeout_seconds)
        except TimeoutError:
            await self.kill()
            raise

    def freeze(self) -> None:
        """SIGSTOP: as a machine that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        self.process.send_signal(signal.SIGCONT)
