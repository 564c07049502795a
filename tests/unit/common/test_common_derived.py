"""What is derived of an object is made once, by whoever comes first, and never half."""

import os
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from libs.common.children import Limits
from libs.common.derived import DerivedObjects
from libs.common.errors import NotFound, Permanent
from libs.common.events import Media
from libs.common.testing import FakeObjects
from libs.common.warm_child import WarmChild

KEY = "features/ab/abc/classic-1.npz"


async def stored(objects: FakeObjects, data: bytes = b"video") -> Media:
    return await objects.put("clips/a.mp4", data, "video/mp4")


def workshop(objects: FakeObjects, folder: Path) -> DerivedObjects:
    return DerivedObjects(objects, "camloop", folder)


class Maker:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self, source: Path, target: Path) -> None:
        self.made += 1
        target.write_bytes(b"of " + source.read_bytes())


async def test_it_is_made_once_whoever_asks_and_wherever(tmp_path: Path) -> None:
    objects, make = FakeObjects(), Maker()
    video = await stored(objects)
    here, there = workshop(objects, tmp_path / "here"), workshop(objects, tmp_path / "there")
    paths = [await each.fetch(KEY, video, make) for each in (here, here, there)]
    assert [path.read_bytes() for path in paths] == [b"of video"] * 3
    assert make.made == 1
    assert objects.stored[KEY] == b"of video"
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [KEY.replace("/", "_")]


async def test_what_failed_is_made_again_and_nothing_stays_behind(tmp_path: Path) -> None:
    objects, make = FakeObjects(), Maker()
    video = await stored(objects)

    async def fails(source: Path, target: Path) -> None:
        raise RuntimeError(f"{source.name} is odd")

    with pytest.raises(RuntimeError, match=f"source-{sha256(b'video').hexdigest()} is odd"):
        await workshop(objects, tmp_path).fetch(KEY, video, fails)
    assert KEY not in objects.stored
    assert list(tmp_path.iterdir()) == []
    assert (await workshop(objects, tmp_path).fetch(KEY, video, make)).read_bytes() == b"of video"


async def test_a_source_that_is_gone_is_said(tmp_path: Path) -> None:
    objects, make = FakeObjects(), Maker()
    video = await stored(objects)
    del objects.stored["clips/a.mp4"]
    with pytest.raises(NotFound):
        await workshop(objects, tmp_path).fetch(KEY, video, make)
    assert make.made == 0


async def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    objects, make = FakeObjects(), Maker()
    video, workshop_ = await stored(objects), workshop(objects, tmp_path)
    first, second, third = [await workshop_.fetch(f"features/{name}", video, make) for name in "abc"]
    for age, path in enumerate((third, second, first)):
        os.utime(path, (1000 + age, 1000 + age))
    await workshop_.fetch("features/c", video, make)  # used again: now the newest
    workshop_.trim(2 * len(b"of video"))
    assert {path.name for path in tmp_path.iterdir()} == {first.name, third.name}
    workshop_.trim(0)
    assert list(tmp_path.iterdir()) == []


def copied(source: str, target: str, suffix: str) -> str | None:
    """As an extractor does it; in the child."""
    data = Path(source).read_bytes()
    if data == b"junk":
        return f"{source} holds no frame"
    Path(target).write_bytes(data + suffix.encode())
    return None


async def test_a_child_makes_it_and_its_complaint_names_the_object(tmp_path: Path) -> None:
    objects = FakeObjects()
    workplace = workshop(objects, tmp_path)
    with closing(WarmChild(Limits(1 << 30, 30))) as child:
        path = await workplace.fetch_made_in(child, KEY, await stored(objects), copied, "!")
        assert path.read_bytes() == b"video!"
        junk = await objects.put("clips/b.mp4", b"junk", "video/mp4")
        with pytest.raises(Permanent, match=r"^s3://camloop/clips/b\.mp4: it holds no frame$"):
            await workplace.fetch_made_in(child, "features/b", junk, copied, "!")
    assert "features/b" not in objects.stored


async def test_a_child_that_has_served_long_enough_is_replaced() -> None:
    with closing(WarmChild(Limits(1 << 30, 30), most_calls=2)) as child:
        pids = [await child.call(os.getpid) for _ in range(5)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 1]
