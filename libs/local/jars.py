"""The jars Kafka consists of: exactly those of `deploy/local/kafka/jars.lock`, fetched once into the user's cache.

A line of the lock is `group artifact version sha256`. A jar is written under a temporary name, compared with its digest
and only then renamed, so a download that was cut off is never used. With a whole cache no network is touched.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from libs.local.failures import PartFailed

LOCK_FILE = Path(__file__).resolve().parents[2] / "deploy" / "local" / "kafka" / "jars.lock"
_THREADS = 8


class JarUnavailable(PartFailed):
    """A jar can be neither found in the cache nor fetched; the text names it and says what to do."""


@dataclass(frozen=True)
class Jar:
    """One artifact of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """How Maven names the file."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        """How people name the artifact."""
        return f"{self.group}:{self.artifact}:{self.version}"


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """The jars of a lock file; ValueError naming the line that is none."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        if len(line.split()) != 4:
            raise ValueError(f"{path}: {line!r} is not 'group artifact version sha256'; renew it with renew.py")
    return [Jar(*line.split()) for line in lines]


def cache_folder(lock: Path = LOCK_FILE) -> Path:
    """Where the jars of this very lock are kept: another lock gets another folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "camloop" / f"kafka-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"


def ensure_jars(
    *,
    lock: Path = LOCK_FILE,
    folder: Path | None = None,
    fetch: Callable[[Jar, Path], Path] | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """All jars of the lock as verified files, fetching the missing ones; JarUnavailable when one cannot be had.

    Once `stop` is set no further download is begun.
    """
    folder = folder or cache_folder(lock)
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        ensure = partial(_ensure, folder=folder, fetch=fetch or fetch_with_jgo, stop=stop or threading.Event())
        return list(pool.map(ensure, read_lock(lock)))


def missing_jars(*, lock: Path = LOCK_FILE, folder: Path | None = None) -> list[Jar]:
    """The jars that the next start would have to fetch."""
    folder = folder or cache_folder(lock)
    return [jar for jar in read_lock(lock) if not _is_whole(folder / jar.file_name, jar.sha256)]


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    """Download one artifact into a folder, by exact version; jgo's own dependency resolution is never asked."""
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=folder, timeout=30)
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def _ensure(jar: Jar, folder: Path, fetch: Callable[[Jar, Path], Path], stop: threading.Event) -> Path:
    target = folder / jar.file_name
    if _is_whole(target, jar.sha256):
        return target
    if stop.is_set():
        raise JarUnavailable(f"{jar.coordinate} was not fetched: stopped before")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        fetched = _fetched(jar, Path(temporary), fetch)
        if not _is_whole(fetched, jar.sha256):
            raise JarUnavailable(
                f"{jar.coordinate} was fetched but its sha256 is not the one in {LOCK_FILE.name}: not used"
            )
        fetched.replace(target)
    return target


def _fetched(jar: Jar, folder: Path, fetch: Callable[[Jar, Path], Path]) -> Path:
    try:
        return fetch(jar, folder)
    # requests and jgo raise many kinds; each of them means the same to the reader.
    except Exception as error:
        raise JarUnavailable(
            f"Cannot fetch {jar.coordinate} ({jar.file_name}), a part of Kafka: {error}. Check the network or proxy "
            f"settings, or copy the file into {folder.parent} by hand, then start again"
        ) from error


def _is_whole(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
