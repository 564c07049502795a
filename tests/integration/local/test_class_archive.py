"""The archive of Kafka's classes: made from what a broker noted, used by the next, and never in the way of a start."""

import os
import time
from pathlib import Path

import psutil
import pytest

from libs.local import kafka
from libs.local.class_archive import SETTLED_SECONDS, archived_classes, noting_classes
from libs.local.failures import PartFailed
from libs.local.kafka import LocalKafka
from libs.local.logs import ProcessLog
from libs.local.parts import wait_until_it_answers
from libs.local.ports import PortBook
from libs.local.processes import Child

Options = tuple[str, ...]


class Java:
    """Stands in for Java's dump: writes what it was asked for, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.lists: list[str] = []

    async def __call__(self, options: Options) -> None:
        told = dict(each.removeprefix("-XX:").partition("=")[::2] for each in options)
        self.lists.append(Path(told["SharedClassListFile"]).read_text())
        if self.fails:
            raise PartFailed("no memory")
        Path(told["SharedArchiveFile"]).write_text("an archive")


def note(folder: Path, text: str, *, seconds_ago: float) -> Path:
    """What a broker noted, last so long ago."""
    (option,) = noting_classes(folder)
    path = Path(option.partition("=")[2])
    path.write_text(text)
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


async def test_the_archive_is_made_of_a_list_nobody_writes_to_any_more(tmp_path: Path) -> None:
    java, folder = Java(), tmp_path / "archive"
    assert await archived_classes(folder, java) == ()
    note(folder, "java/lang/Object id: 0\n", seconds_ago=0)
    assert await archived_classes(folder, java) == (), "that broker is still starting"
    note(folder, "java/lang/Object id: 0\nkafka/Kaf", seconds_ago=2 * SETTLED_SECONDS)
    used = (f"-XX:SharedArchiveFile={folder / 'classes.jsa'}",)
    assert [await archived_classes(folder, java) for _ in range(2)] == [used, used]
    assert java.lists == ["java/lang/Object id: 0\n"], "made once, of whole lines"
    assert [each.name for each in folder.iterdir()] == ["classes.jsa"]


async def test_an_archive_that_cannot_be_made_is_not_tried_again(tmp_path: Path) -> None:
    java = Java(fails=True)
    note(tmp_path, "java/lang/Object id: 0\n", seconds_ago=2 * SETTLED_SECONDS)
    assert [await archived_classes(tmp_path, java) for _ in range(2)] == [(), ()]
    assert len(java.lists) == 1
    assert "no memory" in (tmp_path / "failed.txt").read_text()
    assert noting_classes(tmp_path) == ()


async def test_a_folder_that_is_none_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "archive"
    assert await archived_classes(folder, Java()) == ()
    assert noting_classes(folder) == ()


@pytest.mark.connected
async def test_the_second_broker_maps_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    monkeypatch.setattr(kafka, "archive_folder", lambda _: archive)
    assert await mapped_by_a_broker(tmp_path / "first") == set()
    (noted,) = archive.glob("*.classes")
    os.utime(noted, (time.time() - 2 * SETTLED_SECONDS,) * 2)
    assert await mapped_by_a_broker(tmp_path / "second") == {str(archive / "classes.jsa")}


async def mapped_by_a_broker(folder: Path) -> set[str]:
    """Start a broker, end it; the archives it had mapped."""
    broker = LocalKafka(folder, PortBook(folder / "ports.json"))
    log = ProcessLog(folder / "kafka.log")
    child = await Child.start(await broker.prepare(), data_folder=folder, log=log)
    try:
        await wait_until_it_answers(broker, child, seconds=60)
        return {mapped.path for mapped in psutil.Process(child.pid).memory_maps() if mapped.path.endswith(".jsa")}
    finally:
        await child.stop()
