"""Objects made of other objects: worked out once, kept under a key that names their source by digest, never made again."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from libs.common.errors import NotFound, Permanent
from libs.common.events import Media
from libs.common.objects import Objects
from libs.common.warm_child import WarmChild

Make = Callable[[Path, Path], Awaitable[None]]
"""(file of the source, file to write)"""
ChildWork = Callable[..., str | None]
"""A module-level function: (file of the source, file to write, more arguments) -> what is wrong with the source, or None."""


@dataclass(frozen=True)
class DerivedObjects:
    """What is made of objects of `bucket`, with files in `folder`, which may be lost at any time."""

    objects: Objects
    bucket: str
    folder: Path

    async def fetch(self, key: str, source: Media, make: Make) -> Path:
        """The file that `key` holds; where nothing lies there yet, it is made of `source` and kept.

        Two that make it at once write the same bytes. Raises what `get_file` and `make` raise; the file is there whole or
        not at all.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / key.replace("/", "_")
        if target.exists():
            os.utime(target)
            return target
        try:
            await self.objects.get_file(f"s3://{self.bucket}/{key}", target)
        except NotFound:
            # Aside, for another job of this process may be making the same.
            with TemporaryDirectory(prefix=".making-", dir=self.folder) as aside:
                file, made = Path(aside) / f"source-{source.sha256}", Path(aside) / target.name
                await self.objects.get_file(source.uri, file, expected_sha256=source.sha256)
                await make(file, made)
                await self.objects.put_file(key, made)
                made.replace(target)
        return target

    async def fetch_made_in(self, child: WarmChild, key: str, source: Media, work: ChildWork, *more: Any) -> Path:
        """`fetch` of what `work` makes in a child process, for sources are strangers' bytes.

        Raises `Permanent` with what `work` has to complain of, and what the child raises.
        """

        async def make(file: Path, made: Path) -> None:
            complaint = await child.call(work, str(file), str(made), *more)
            if complaint:
                raise Permanent(f"{source.uri}: {complaint.replace(str(file), 'it')}")

        return await self.fetch(key, source, make)

    def trim(self, limit_bytes: int) -> None:
        """Drop the least recently used files of the folder until it fits: the store keeps what they hold.

        Call it when no work of this process needs them: another one's loses a file at worst, and tries again.
        """
        found = [(path, path.stat()) for path in self.folder.glob("*") if path.is_file()]
        total = sum(status.st_size for _, status in found)
        for path, status in sorted(found, key=lambda each: each[1].st_mtime):
            if total <= limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size
