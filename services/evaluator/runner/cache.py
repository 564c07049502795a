"""Pictures and models on this machine, by digest: a second evaluation on the same dataset version fetches nothing."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from libs.common.objects import Objects

IN_MEMORY_BYTES = 8 << 20


@dataclass(frozen=True)
class Cache:
    """At most `limit_bytes` under `folder`, the least recently used dropped first. Several processes may share it."""

    folder: Path
    limit_bytes: int

    @asynccontextmanager
    async def desk(self, name: str) -> AsyncIterator[Path]:
        """An empty folder for one attempt. What was fetched into it stays there, whatever the cache drops meanwhile."""
        folder = self.folder / "desks" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await asyncio.to_thread(self.trim)

    async def fetch(self, objects: Objects, desk: Path, uri: str, *, sha256: str, size: int) -> Path:
        """The object's file on the desk, from the cache or from the store. Errors as `Objects.get_file`."""
        stored, laid_out = self.folder / "objects" / sha256[:2] / sha256, desk / sha256
        if laid_out.exists() or _lay_out(stored, laid_out, size):
            return laid_out
        fresh = desk / f"{sha256}.{uuid4().hex}"
        await _download(objects, uri, fresh, sha256=sha256, size=size)
        stored.parent.mkdir(parents=True, exist_ok=True)
        if not laid_out.exists():
            os.link(fresh, laid_out)
        fresh.replace(stored)
        return laid_out

    def trim(self) -> None:
        """Drop the least recently used objects until the cache fits."""
        found = [(path, path.stat()) for path in self.folder.glob("objects/*/*")]
        total = sum(status.st_size for _, status in found)
        for path, status in sorted(found, key=lambda each: each[1].st_mtime):
            if total <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size


def _lay_out(stored: Path, target: Path, size: int) -> bool:
    """A hard link: the file outlives its place in the cache. False if it is not there, or damaged by a lost machine."""
    try:
        os.link(stored, target)
    except FileNotFoundError:
        return False
    if target.stat().st_size != size:
        target.unlink()
        stored.unlink(missing_ok=True)
        return False
    os.utime(stored)
    return True


async def _download(objects: Objects, uri: str, target: Path, *, sha256: str, size: int) -> None:
    if size > IN_MEMORY_BYTES:
        await objects.get_file(uri, target, expected_sha256=sha256)
    else:  # one request instead of two
        target.write_bytes(await objects.get(uri, expected_sha256=sha256))
