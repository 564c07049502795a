"""A run's folder: images by content, once; what is missing said plainly; nothing left behind."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from trainer_fakes import built

from libs.common.errors import NotFound, Permanent
from libs.common.events import Annotation, DatasetBuilt
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.testing import FakeObjects
from services.trainer.settings import Settings
from services.trainer.workspace import Workspace, fetch_dataset, keep, trim_cache, workspace_for

RUN = UUID(int=9)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, KAFKA_BOOTSTRAP_SERVERS="-", DATABASE_URL="-", S3_ENDPOINT="http://-", S3_ACCESS_KEY="-",
        S3_SECRET_KEY="-", CAMLOOP_ADMIN_TOKEN="x" * 24, work_folder=tmp_path / "trainer",
    )  # fmt: skip


async def publish(objects: FakeObjects, pictures: list[bytes], folder: Path) -> DatasetBuilt:
    """A dataset version of these pictures."""
    lines = []
    for number, data in enumerate(pictures):
        media = await objects.put(f"snapshots/{number}.jpg", data, "image/jpeg")
        lines.append(
            ManifestLine(
                sample_id=uuid4(), kind="image", media=media, camera_id="a", captured_at=datetime(2026, 3, 2, tzinfo=UTC),
                annotations=(Annotation(label="apron", box=(1, 2, 3, 4)),), annotation_revision=1, annotated_by="li",
                split="train", leakage_group="g",
            )
        )  # fmt: skip
    path = folder / "manifest.zst"
    write_manifest(path, sorted(lines, key=lambda entry: str(entry.sample_id)))
    return built(manifest=await objects.put_file("manifest", path))


async def test_the_child_gets_a_manifest_and_the_images_it_names(settings: Settings, tmp_path: Path) -> None:
    objects = FakeObjects()
    version = await publish(objects, [b"one", b"two", b"one"], tmp_path)
    workspace = workspace_for(settings, RUN, "1-a")
    assert await fetch_dataset(objects, settings, version, workspace) == 3
    rows = [json.loads(row) for row in (workspace.dataset / "manifest.jsonl").read_text().splitlines()]
    assert sorted((workspace.dataset / row["file"]).read_bytes() for row in rows) == [b"one", b"one", b"two"]
    assert rows[0]["annotations"] == [{"label": "apron", "box": [1.0, 2.0, 3.0, 4.0]}]
    assert len(list((workspace.dataset / "images").iterdir())) == 2


async def test_a_second_run_fetches_nothing_again(settings: Settings, tmp_path: Path) -> None:
    objects = FakeObjects()
    version = await publish(objects, [b"one"], tmp_path)
    await fetch_dataset(objects, settings, version, workspace_for(settings, RUN, "1-a"))
    del objects.stored["snapshots/0.jpg"]
    assert await fetch_dataset(objects, settings, version, workspace_for(settings, uuid4(), "1-b")) == 1


@pytest.mark.parametrize("loss", ["gone", "other bytes"])
async def test_an_image_that_is_lost_cannot_be_helped_by_trying_again(
    settings: Settings, tmp_path: Path, loss: str
) -> None:
    objects = FakeObjects()
    version = await publish(objects, [b"one", b"two"], tmp_path)
    if loss == "gone":
        del objects.stored["snapshots/1.jpg"]
    else:
        objects.stored["snapshots/1.jpg"] = b"another"
    with pytest.raises(Permanent, match=r"snapshots/1\.jpg") as caught:
        await fetch_dataset(objects, settings, version, workspace_for(settings, RUN, "1-a"))
    assert isinstance(caught.value, NotFound) == (loss == "gone")


async def test_a_manifest_that_is_not_the_one_announced(settings: Settings, tmp_path: Path) -> None:
    objects = FakeObjects()
    version = await publish(objects, [b"one"], tmp_path)
    objects.stored["manifest"] += b"x"
    with pytest.raises(Permanent, match="was announced"):
        await fetch_dataset(objects, settings, version, workspace_for(settings, RUN, "1-a"))


def test_an_attempt_clears_away_what_a_killed_one_left(settings: Settings) -> None:
    first = workspace_for(settings, RUN, "1-a")
    other = workspace_for(settings, uuid4(), "1-a")
    second = workspace_for(settings, RUN, "2-b")
    assert not first.folder.exists()
    assert other.folder.exists()
    second.remove()
    assert not second.folder.parent.exists()


def test_the_cache_drops_what_was_not_used_for_longest(tmp_path: Path) -> None:
    import os

    for number in range(4):
        path = tmp_path / "ab" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 + number, 1000))
    trim_cache(tmp_path, 250)
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == ["2.jpg", "3.jpg"]


def test_a_file_kept_outlives_its_owner(tmp_path: Path) -> None:
    source, target = tmp_path / "epoch-00001.ckpt", tmp_path / "kept"
    source.write_bytes(b"one")
    assert keep(source, target)
    source.unlink()
    assert target.read_bytes() == b"one"
    assert not keep(source, target)


def test_a_workspace_names_its_places() -> None:
    workspace = Workspace(Path("/w"))
    assert (workspace.dataset, workspace.output, workspace.spec_file) == (
        Path("/w/dataset"), Path("/w/output"), Path("/w/run.json"),
    )  # fmt: skip
