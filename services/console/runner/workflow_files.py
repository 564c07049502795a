"""Watches the folder of workflow files: a new file or new content is a new revision, a wrong file is shown with its error."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import structlog

from libs.common.errors import Permanent
from libs.common.postgres import DATABASE_TROUBLE
from libs.common.workflows import load_workflow
from services.console.store.workflows import ReadFile, WorkflowStore

log = structlog.get_logger()


@dataclass
class WorkflowFiles:
    """Reads `folder/*.yaml` again and again; only files whose bytes changed are looked at closely."""

    store: WorkflowStore
    folder: Path
    seconds: float
    _missing_said: bool = field(default=False)

    async def run(self) -> None:
        """Watch for ever; a database that is away for a while is waited for."""
        while True:
            try:
                await self.look()
            except DATABASE_TROUBLE as error:
                log.warning("workflow_files_interrupted", error=str(error) or type(error).__name__)
            await asyncio.sleep(self.seconds)

    async def look(self) -> None:
        """Take over what changed since the last look."""
        if not self.folder.is_dir():
            self._say_missing()
            return
        known = await self.store.known_files()
        found = await asyncio.to_thread(read_changed, self.folder, known)
        for file in found.changed:
            revision = await self.store.take_over(file)
            if file.error is not None:
                log.warning("workflow_file_invalid", workflow=file.name, error=file.error)
            elif revision is not None:
                log.info("workflow_changed", workflow=file.name, revision=revision)
        for name in known.keys() - found.names:
            await self.store.forget_file(name)

    def _say_missing(self) -> None:
        if not self._missing_said:
            log.warning("workflows_folder_missing", folder=str(self.folder), what_to_do="set WORKFLOWS_FOLDER")
        self._missing_said = True


@dataclass(frozen=True)
class Found:
    """What lies in the folder, and which of it is new."""

    names: frozenset[str]
    changed: list[ReadFile]


def read_changed(folder: Path, known: dict[str, str]) -> Found:
    """Read the files whose digest is not the known one."""
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    changed: list[ReadFile] = []
    for name, path in files.items():
        digest = sha256(path.read_bytes()).hexdigest()
        if known.get(name) != digest:
            changed.append(_read(name, path, digest))
    return Found(frozenset(files), changed)


def _read(name: str, path: Path, digest: str) -> ReadFile:
    try:
        return ReadFile(name, digest, load_workflow(path).model_dump(mode="json"))
    except Permanent as error:
        return ReadFile(name, digest, None, str(error))
