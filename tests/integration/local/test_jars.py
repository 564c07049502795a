"""The jars of Kafka: what the lock says, or nothing."""

import hashlib
import threading
from pathlib import Path

import pytest

from libs.local.jars import LOCK_FILE, Jar, JarUnavailable, ensure_jars, missing_jars, read_lock

CONTENT = b"a jar"


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "jars.lock"
    path.write_text(f"# head\norg.example one 1.0 {hashlib.sha256(CONTENT).hexdigest()}\n")
    return path


def delivering(content):
    def fetch(jar: Jar, folder: Path) -> Path:
        path = folder / jar.file_name
        path.write_bytes(content)
        return path

    return fetch


def unreachable(jar: Jar, folder: Path) -> Path:
    raise ConnectionError("no route to host")


def test_the_lock_names_kafka_with_its_own_clients_and_logging():
    versions = {jar.artifact: jar.version for jar in read_lock(LOCK_FILE)}
    assert len(versions) == 46
    assert versions["kafka-clients"] == versions["kafka_2.13"] == "4.3.1"
    assert versions["log4j-slf4j-impl"] == "2.25.4"


def test_a_fetched_jar_is_kept_and_not_fetched_again(lock, tmp_path):
    folder = tmp_path / "cache"
    assert ensure_jars(lock=lock, folder=folder, fetch=delivering(CONTENT)) == [folder / "one-1.0.jar"]
    assert ensure_jars(lock=lock, folder=folder, fetch=unreachable) == [folder / "one-1.0.jar"]
    assert [path.name for path in folder.iterdir()] == ["one-1.0.jar"]


def test_a_download_that_was_cut_off_is_not_used(lock, tmp_path):
    with pytest.raises(JarUnavailable, match=r"org.example:one:1.0 .*sha256"):
        ensure_jars(lock=lock, folder=tmp_path / "cache", fetch=delivering(CONTENT[:2]))
    assert [jar.artifact for jar in missing_jars(lock=lock, folder=tmp_path / "cache")] == ["one"]


def test_a_damaged_jar_in_the_cache_is_fetched_again(lock, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "one-1.0.jar").write_bytes(b"damaged")
    (path,) = ensure_jars(lock=lock, folder=tmp_path / "cache", fetch=delivering(CONTENT))
    assert path.read_bytes() == CONTENT


def test_the_error_names_the_artifact_that_cannot_be_reached(lock, tmp_path):
    with pytest.raises(JarUnavailable, match=r"org.example:one:1.0 .*no route to host.*proxy"):
        ensure_jars(lock=lock, folder=tmp_path / "cache", fetch=unreachable)


def test_no_download_is_begun_once_stopped(lock, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(JarUnavailable, match="stopped"):
        ensure_jars(lock=lock, folder=tmp_path / "cache", fetch=delivering(CONTENT), stop=stop)
