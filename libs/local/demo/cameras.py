"""The demo's cameras: `deploy/examples/camera.py`, each a process of its own that knows camloop by its addresses only."""

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from libs.local.demo.pictures import Batch
from libs.local.logs import ProcessLog
from libs.local.processes import STOP_SERVICES_FIRST, Child, Command
from libs.local.scenes import write_shot
from libs.local.service import REPOSITORY

PROGRAM = REPOSITORY / "deploy" / "examples" / "camera.py"
_SENT = re.compile(r"^\S+ sent (?P<file>\S+):")
_RUNS = re.compile(r"^\S+ runs (?P<model>\S+) version (?P<version>\d+)$")


@dataclass(frozen=True)
class Surroundings:
    """Where the cameras find camloop, and where they leave their traces."""

    workflow: str
    ingest: str
    registry: str
    kafka: str
    folder: Path
    data_folder: Path


@dataclass
class Seen:
    """What a camera has said so far: the files it sent, and each model version it took over, in order."""

    sent: set[str] = field(default_factory=set[str])
    versions: list[int] = field(default_factory=list[int])

    def hear(self, line: str) -> None:
        """Take in a line the camera printed."""
        if found := _SENT.match(line):
            self.sent.add(found["file"])
        elif found := _RUNS.match(line):
            self.versions.append(int(found["version"]))


class Cameras:
    """One process per camera, from the beginning to the end of the block. The last camera uses Kafka instead of HTTP.

    Their output goes to `log/demo-<camera>.log`; `camloop down` ends them too, should the demo itself be killed.
    """

    def __init__(self, tokens: Mapping[str, str], around: Surroundings) -> None:
        self.names: Sequence[str] = list(tokens)
        self.seen = {name: Seen() for name in tokens}
        self._tokens = tokens
        self._around = around
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        for name in self.names:
            self._children[name] = await self._start(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self._children.values()))

    def take(self, batch: Batch) -> None:
        """Lay a batch before the cameras, which send it one by one."""
        for name, shots in batch.shots.items():
            for shot in shots:
                write_shot(shot.scene, self._folder(name), annotated=shot.annotated)

    @property
    def sent(self) -> int:
        """How many snapshots all of them have sent."""
        return sum(len(seen.sent) for seen in self.seen.values())

    def running(self, version: int) -> list[str]:
        """The cameras that run this model version now."""
        return [name for name, seen in self.seen.items() if seen.versions[-1:] == [version]]

    def dead(self) -> str | None:
        """A camera whose process has ended, with its last words; None while all live."""
        for name, child in self._children.items():
            if not child.is_running:
                return f"camera {name} ended: {' / '.join(child.log.tail(3))}"
        return None

    def log_of(self, name: str) -> Path:
        """Where a camera's output goes."""
        return self._around.data_folder / "log" / f"demo-{name}.log"

    def _folder(self, name: str) -> Path:
        return self._around.folder / name

    async def _start(self, name: str) -> Child:
        self._folder(name).mkdir(parents=True)
        token = self._around.folder / f"{name}.token"
        token.touch(mode=0o600)
        token.write_text(self._tokens[name], encoding="utf-8")
        log = ProcessLog(self.log_of(name), listen=self.seen[name].hear)
        command = Command(f"demo-{name}", self._arguments(name, token), stop_rank=STOP_SERVICES_FIRST, stop_seconds=2)
        return await Child.start(command, data_folder=self._around.data_folder, log=log)

    def _arguments(self, name: str, token: Path) -> tuple[str, ...]:
        around = self._around
        options = {
            "camera": name,
            "workflow": around.workflow,
            "source": str(self._folder(name)),
            "ingest": around.ingest,
            "registry": around.registry,
            "token-file": str(token),
            "interval": "0.2",
        }
        if name == self.names[-1]:
            options["kafka"] = around.kafka
        return (sys.executable, str(PROGRAM), *(part for key, value in options.items() for part in (f"--{key}", value)))
