"""What an evaluation fetches: the cache by digest, models with their classes, pictures with their truth."""

import json
import os
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from libs.common.errors import NotFound, Permanent
from libs.common.events import Annotation, Artifact
from libs.common.manifests import ManifestLine
from libs.common.testing import NOON, FakeObjects, media
from services.evaluator.domain.detection_assignment import ShippedDetector
from services.evaluator.domain.gate import Obstacle
from services.evaluator.runner.cache import Cache
from services.evaluator.runner.fetching import Fetcher, evaluated_pictures
from services.evaluator.store import RunningVersion

DATA = b"a picture"
DIGEST = sha256(DATA).hexdigest()
URI = "s3://camloop/snapshots/1.jpg"


def quiet(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit_bytes=1000)


@pytest.fixture
def objects() -> FakeObjects:
    return FakeObjects(stored={"snapshots/1.jpg": DATA})


async def test_a_second_fetch_needs_no_store(cache: Cache, objects: FakeObjects) -> None:
    async with cache.desk("first") as desk:
        await cache.fetch(objects, desk, URI, sha256=DIGEST, size=len(DATA))
    objects.stored.clear()
    async with cache.desk("second") as desk:
        path = await cache.fetch(objects, desk, URI, sha256=DIGEST, size=len(DATA))
        assert path.read_bytes() == DATA
    assert not desk.exists()


async def test_the_same_object_is_laid_out_once(cache: Cache, objects: FakeObjects) -> None:
    async with cache.desk("first") as desk:
        paths = {await cache.fetch(objects, desk, URI, sha256=DIGEST, size=len(DATA)) for _ in range(3)}
        assert [path.name for path in desk.iterdir()] == [DIGEST]
    assert len(paths) == 1


async def test_a_file_cut_off_by_a_crash_is_fetched_again(cache: Cache, objects: FakeObjects) -> None:
    async with cache.desk("first") as desk:
        await cache.fetch(objects, desk, URI, sha256=DIGEST, size=len(DATA))
    (cache.folder / "objects" / DIGEST[:2] / DIGEST).write_bytes(b"a pic")
    async with cache.desk("second") as desk:
        path = await cache.fetch(objects, desk, URI, sha256=DIGEST, size=len(DATA))
        assert path.read_bytes() == DATA


async def test_other_bytes_than_announced_are_refused_and_not_kept(cache: Cache, objects: FakeObjects) -> None:
    forged = sha256(b"other").hexdigest()
    async with cache.desk("first") as desk:
        with pytest.raises(Permanent, match="was announced"):
            await cache.fetch(objects, desk, URI, sha256=forged, size=len(DATA))
    assert not list(cache.folder.glob("objects/*/*"))


async def test_the_cache_drops_the_least_recently_used_and_spares_what_is_on_a_desk(tmp_path: Path) -> None:
    cache, objects = Cache(tmp_path, limit_bytes=250), FakeObjects()
    bodies = [bytes([number]) * 100 for number in range(3)]
    for number, body in enumerate(bodies):
        objects.stored[f"{number}"] = body
    digests = [sha256(body).hexdigest() for body in bodies]
    async with cache.desk("work") as desk:
        for number, digest in enumerate(digests):
            path = await cache.fetch(objects, desk, f"s3://camloop/{number}", sha256=digest, size=100)
            os.utime(path, (1000 + number, 1000 + number))
        cache.trim()
        assert sorted(path.name for path in cache.folder.glob("objects/*/*")) == sorted(digests[1:])
        assert (desk / digests[0]).read_bytes() == bodies[0]


def artifacts(objects: FakeObjects, name: str, classes: list[str] | None, **more: object) -> tuple[Artifact, ...]:
    """A model's artifacts in the store; no metadata.json if `classes` is None."""
    files = {"best.onnx": f"onnx of {name}".encode()}
    if classes is not None:
        files["metadata.json"] = json.dumps({"classes": [{"name": each} for each in classes], **more}).encode()
    for file, data in files.items():
        objects.stored[f"runs/{name}/{file}"] = data
    return tuple(
        Artifact(name=file, uri=f"s3://camloop/runs/{name}/{file}", sha256=sha256(data).hexdigest(), bytes=len(data))
        for file, data in files.items()
    )


@pytest.fixture
def fetcher(cache: Cache, objects: FakeObjects, tmp_path: Path) -> Fetcher:
    (tmp_path / "desk").mkdir()
    return Fetcher(objects, cache, tmp_path / "desk")


async def test_a_model_says_its_own_classes(fetcher: Fetcher, objects: FakeObjects) -> None:
    found = await fetcher.detector("run", artifacts(objects, "run", ["b", "a"]), ("a", "b"))
    assert found.classes == ("b", "a")
    assert found.operating_confidence is None
    assert found.path.read_bytes() == b"onnx of run"


async def test_without_metadata_the_classes_of_the_dataset_version_count(
    fetcher: Fetcher, objects: FakeObjects
) -> None:
    assert (await fetcher.detector("run", artifacts(objects, "run", None), ("a", "b"))).classes == ("a", "b")


async def test_a_model_without_any_classes_or_file_is_refused(fetcher: Fetcher, objects: FakeObjects) -> None:
    with pytest.raises(Permanent, match="names its classes"):
        await fetcher.detector("champion", artifacts(objects, "run", None), None)
    with pytest.raises(Permanent, match=r"no artifact best\.onnx"):
        await fetcher.detector("run", artifacts(objects, "run", ["a"])[1:], ("a",))


async def test_metadata_that_is_no_json_is_refused(fetcher: Fetcher, objects: FakeObjects) -> None:
    model, about = artifacts(objects, "run", ["a"])
    objects.stored["runs/run/metadata.json"] = b"no json"
    with pytest.raises(Permanent, match="no JSON"):
        await fetcher.detector(
            "run", (model, about.model_copy(update={"sha256": sha256(b"no json").hexdigest()})), None
        )


@pytest.mark.parametrize(
    ("said", "expected"),
    [({"a": 0.3, "b": 0.4}, {"a": 0.3, "b": 0.4}), (None, None), ({"a": 0.3}, None), ("low", None)],
)
async def test_a_champion_works_at_the_confidence_it_ships_with(
    fetcher: Fetcher, objects: FakeObjects, said: object, expected: dict[str, float] | None
) -> None:
    running = RunningVersion("hairnet", 3, artifacts(objects, "champion", ["a", "b"], operating_confidence=said))
    champion = await fetcher.champion(running, "0" * 64, fetcher.detector)
    assert champion is not None
    assert champion.reference == "hairnet@3"
    assert isinstance(champion.model, ShippedDetector)
    assert champion.model.operating_confidence == expected


async def test_a_champion_that_is_gone_is_an_obstacle_not_an_error(fetcher: Fetcher, objects: FakeObjects) -> None:
    files = artifacts(objects, "champion", ["a"])
    del objects.stored["runs/champion/best.onnx"]
    champion = await fetcher.champion(RunningVersion("hairnet", 3, files), "0" * 64, fetcher.detector)
    assert champion is not None
    assert isinstance(champion.model, Obstacle)
    assert champion.model.blocks


async def test_a_model_is_not_compared_with_itself_nor_with_nobody(fetcher: Fetcher, objects: FakeObjects) -> None:
    files = artifacts(objects, "champion", ["a"])
    itself = await fetcher.champion(RunningVersion("hairnet", 3, files), files[0].sha256, fetcher.detector)
    assert itself is not None
    assert isinstance(itself.model, Obstacle)
    assert not itself.model.blocks
    assert await fetcher.champion(None, files[0].sha256, fetcher.detector) is None


def line(number: int, *, split: str = "test", **changes: object) -> ManifestLine:
    values: dict[str, object] = {
        "sample_id": UUID(int=number),
        "kind": "image",
        "media": media(DATA, key="snapshots/1.jpg"),
        "camera_id": "line-1",
        "captured_at": NOON,
        "annotations": (Annotation(label="a", box=(10, 10, 20, 20)),),
        "annotation_revision": 1,
        "annotated_by": "user:a",
        "split": split,
        "leakage_group": "g",
    }
    return ManifestLine.model_validate(values | changes)


def test_annotations_are_clipped_to_their_picture_and_counted_when_nothing_is_left() -> None:
    boxes = ((60, 10, 80, 20), (64, 0, 90, 10), (5, 5, 5, 9))
    annotated = tuple(Annotation(label="a", box=box) for box in boxes)
    pictures, dropped = evaluated_pictures([line(1, annotations=annotated)], [Path("1.jpg")])
    assert [each.box for each in pictures["test"][0].truth] == [(60, 10, 64, 20)]
    assert dropped == 2


def test_a_picture_of_unknown_size_keeps_its_annotations() -> None:
    unsized = media(DATA, width=None, height=None)
    pictures, dropped = evaluated_pictures([line(1, media=unsized, split="val")], [Path("1.jpg")])
    assert len(pictures["val"][0].truth) == 1
    assert (pictures["test"], dropped) == ((), 0)


async def test_a_missing_picture_is_the_error_itself(fetcher: Fetcher, objects: FakeObjects) -> None:
    gone = line(2, media=media(b"gone", key="snapshots/gone.jpg"))
    with pytest.raises(NotFound, match=r"gone\.jpg"):
        await fetcher.pictures([line(1), gone], quiet)


async def test_progress_is_told_while_fetching(fetcher: Fetcher) -> None:
    told: list[tuple[str, int, int]] = []
    await fetcher.pictures([line(1), line(2)], lambda *step: told.append(step))
    assert told == [("fetching the pictures", 1, 2), ("fetching the pictures", 2, 2)]
