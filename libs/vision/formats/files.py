"""Files of a data set: found in a fixed order, never outside its folder, read whatever their encoding, placed by link."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from libs.vision.formats.items import FormatError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ts"})
_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


LARGEST_IMAGE = 64 << 20
LARGEST_LABEL_FILE = 16 << 20
LARGEST_TABLE = 1 << 30
"""Bytes. One file of a data set must not take all memory: what has more is a mistake, or meant to harm."""


class RefusedPath(ValueError):
    """A path that leads outside the data set's folder, that is none, or that holds more than anybody would read."""


class AbsentFile(RefusedPath):
    """A proper path to a file that does not exist."""


def existing_folder(folder: Path | str) -> Path:
    """The folder with all links resolved. Raises FormatError if there is none."""
    path = Path(folder)
    if not path.is_dir():
        raise FormatError(f"There is no folder {path}: give the folder that holds the data set")
    return path.resolve()


def inside(root: Path, path: Path) -> Path:
    """The real file behind `path`, which must lie inside the resolved `root`. Raises RefusedPath."""
    try:
        real = path.resolve()
        refused = not real.is_relative_to(root)
    except (OSError, ValueError, RuntimeError) as error:
        raise RefusedPath(f"{str(path)!r} is no usable path: {error}") from error
    if refused:
        raise RefusedPath(f"{str(path)!r} leads outside the data set's folder: refused")
    return real


def named_file(folders: list[Path], name: str) -> Path:
    """The file called `name` in the first of `folders` that has it. Raises RefusedPath, AbsentFile if it is not there.

    It may be a link that leads out: `inside` tells when it is opened.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0] or "\0" in name:
        raise RefusedPath(f"the file name {name[:200]!r} is not a path inside the data set: refused")
    try:
        found = next((folder / parts for folder in folders if (folder / parts).is_file()), None)
    except OSError as error:  # longer than any name may be
        raise RefusedPath(f"the file name {name[:200]!r} is no usable name: {error.strerror}") from error
    if found is None:
        raise AbsentFile(f"the file {name[:200]!r} is not in the data set")
    return found


def image_files(root: Path) -> Iterator[Path]:
    """All image files below `root` by suffix, in the order of their names; hidden ones are left out."""
    return _files(root, IMAGE_SUFFIXES)


def video_files(root: Path) -> Iterator[Path]:
    """All video files, found as `image_files` does."""
    return _files(root, VIDEO_SUFFIXES)


def _files(root: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(each for each in folders if not each.startswith((".", "__MACOSX")))
        for name in sorted(names):
            if Path(name).suffix.lower() in suffixes and not name.startswith("."):
                yield Path(folder) / name


def split_of(root: Path, path: Path) -> str | None:
    """train, val or test, where a folder between `root` and the file says so."""
    parts = path.relative_to(root).parts[:-1]
    return next((_SPLITS[part.lower()] for part in reversed(parts) if part.lower() in _SPLITS), None)


def read_bytes(path: Path, *, at_most: int) -> bytes:
    """A plain file's bytes. Raises RefusedPath for a pipe or a device, or for more bytes than `at_most`; OSError."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise RefusedPath(f"{path.name!r} is no plain file: refused")
    if about.st_size > at_most:
        raise RefusedPath(f"{path.name!r} has {about.st_size} bytes, more than the {at_most} that are read: refused")
    return path.read_bytes()


def read_text(path: Path, *, at_most: int = LARGEST_LABEL_FILE) -> str:
    """A text file in UTF-8 (with or without mark), UTF-16 with its mark, GBK or, failing these, Latin-1.

    Raises OSError, or RefusedPath as `read_bytes`.
    """
    return decode_text(read_bytes(path, at_most=at_most))


def spoken(path: Path) -> str:
    """A path as text: names that are no UTF-8 (archives packed on Chinese Windows) are read as label files are."""
    return decode_text(os.fsencode(path.as_posix()))


def decode_text(data: bytes) -> str:
    """See read_text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gbk") if _looks_chinese(data) else data.decode("latin-1")


def _looks_chinese(data: bytes) -> bool:
    """Whether all non-ASCII bytes are pairs of GB2312's symbols and common characters, led by A1-A9 or B0-D7.

    The accented small letters of Latin-1 lie from E0 up, so that western text does not pass.
    """
    at = 0
    while at < len(data):
        if data[at] < 0x80:
            at += 1
        elif at + 1 < len(data) and _is_common_pair(data[at], data[at + 1]):
            at += 2
        else:
            return False
    return True


def _is_common_pair(first: int, second: int) -> bool:
    return (0xA1 <= first <= 0xA9 or 0xB0 <= first <= 0xD7) and second >= 0xA1


def empty_folder(folder: Path | str) -> Path:
    """Make the folder to write to. Raises FormatError if something is in it already: two exports never mix."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FormatError(f"The folder {path} is not empty: choose another one, or empty it first")
    return path


def place(source: Path | bytes, target: Path) -> None:
    """Put an image at `target`: bytes are written, a file is linked, or copied where links can't be made."""
    if isinstance(source, bytes):
        target.write_bytes(source)
        return
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
