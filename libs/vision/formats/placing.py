"""What all writers do alike: a safe name for every file, each name once, then the bytes in their place."""

from pathlib import Path, PurePosixPath
from typing import Protocol

from libs.vision.formats.files import place
from libs.vision.formats.items import FormatError


class Placeable(Protocol):
    """An image or a clip to write: its name, and its bytes or the file that holds them."""

    @property
    def file_name(self) -> str: ...
    @property
    def source(self) -> Path | bytes: ...


class FilePlacer:
    """Places files in folders below one root and refuses names that would leave it or overwrite one another."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._taken: set[str] = set()

    def put(self, item: Placeable, folder: str, *, key: str | None = None) -> Path:
        """Write the file to `folder`; `key` is what has to be unique there (its name by default). Raises FormatError."""
        name = item.file_name
        if not name or name in (".", "..") or PurePosixPath(name.replace("\\", "/")).name != name or "\0" in name:
            raise FormatError(f"{name!r} can't be the name of an exported file: it must be a bare file name")
        taken = f"{folder}/{key or name}"
        if taken in self._taken:
            raise FormatError(f"Two files would be called {taken}: give each a name of its own")
        self._taken.add(taken)
        target = self._root / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        place(item.source, target)
        return target
