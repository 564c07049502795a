"""A run on clips: features are made once per video, also when the trainer is killed in the middle of them."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from trainer_kit import TITLE, Neighbours, job

from libs.common.events import DatasetBuilt, ModelTrained, Segment, TrainingRequested, WorkflowChanged
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.objects import S3Objects
from libs.vision.features import from_bytes
from tests.support.backend import needs_the_back_end
from tests.support.clips import noisy, wash, write_clip
from tests.support.replica import Replica

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(400), needs_the_back_end]
SPLITS = ("train",) * 6 + ("val", "test")
SECONDS = 8.0
STEPS = ("palm", "thumb")


@dataclass(frozen=True)
class Published:
    built: DatasetBuilt
    digests: tuple[str, ...]


async def publish(objects: S3Objects, folder: Path, workflow: str) -> Published:
    """Eight clips of two steps as a dataset version in the store; no two tests draw the same ones."""
    lines, digests = list[ManifestLine](), list[str]()
    for number, split in enumerate(SPLITS):
        seed = UUID(int=number).int + uuid4().int % 10_000
        picture = wash(seed)
        images = [noisy(picture(at / 10), seed + at) for at in range(int(SECONDS * 10))]
        path = write_clip(folder / f"{number}.mp4", images)
        media = await objects.put(f"clips/{workflow}/{number}.mp4", path.read_bytes(), "video/mp4")
        digests.append(media.sha256)
        lines.append(
            ManifestLine(
                sample_id=UUID(int=number), kind="clip", camera_id="sink-1", captured_at=datetime(2026, 3, 2, tzinfo=UTC),
                media=media.model_copy(update={"width": 160, "height": 120, "duration_seconds": SECONDS, "fps": 10.0}),
                segments=(Segment(step="palm", start_seconds=1, end_seconds=4), Segment(step="thumb", start_seconds=4, end_seconds=7)),
                annotation_revision=1, annotated_by="rule:annotated", split=split, leakage_group=f"g{number}",
            )
        )  # fmt: skip
    path = folder / "manifest.jsonl.zst"
    await asyncio.to_thread(write_manifest, path, lines)
    manifest = await objects.put_file(f"datasets/{workflow}/v1/manifest.jsonl.zst", path)
    built = DatasetBuilt(
        dataset_version_id=uuid4(), workflow=workflow, version=1, task="temporal", classes=("other", *STEPS),
        manifest=manifest, counts={"train": 6, "val": 1, "test": 1}, boxes_per_class=dict.fromkeys(STEPS, 8),
    )  # fmt: skip
    return Published(built, tuple(digests))


def washing(name: str) -> WorkflowChanged:
    steps = [{"name": step, "title": TITLE} for step in STEPS]
    definition: dict[str, Any] = {
        "name": name, "title": TITLE, "task": "temporal", "procedure": {"steps": steps},
        "training": {"backend": "temporal", "automatic": False, "maximum_attempts": 3},
    }  # fmt: skip
    return WorkflowChanged(workflow=name, revision=1, definition=definition, changed_by="test")


async def features(store: S3Objects, published: Published) -> dict[str, datetime | None]:
    """Keys of the features in the store, and when each was written."""

    def listed() -> dict[str, datetime | None]:
        found = store.client.list_objects(bucket_name=store.bucket, prefix="features/", recursive=True)
        wanted = set(published.digests)
        return {str(o.object_name): o.last_modified for o in found if str(o.object_name).split("/")[2] in wanted}

    return await asyncio.to_thread(listed)


async def test_a_trainer_killed_among_the_features_makes_none_of_them_twice(
    trainer_environment: dict[str, str],
    database: Any,
    neighbours: Neighbours,
    store: S3Objects,
    name: str,
    tmp_path: Path,
) -> None:
    await database.migrate("trainer")
    published = await publish(store, tmp_path, name)
    first = await Replica.start_watched("trainer", trainer_environment, tmp_path)
    elsewhere = trainer_environment | {"TRAINER_WORK_FOLDER": str(tmp_path / "another-machine")}
    second: Replica | None = None
    try:
        await neighbours.say(washing(name), published.built)
        run_id = uuid4()
        settings: dict[str, Any] = {"extractor": "classic", "epochs": 3, "members": 1}
        await neighbours.say(
            TrainingRequested(
                training_run_id=run_id, workflow=name, requested_by="li", reason="a test", hyperparameters=settings
            )
        )
        async with asyncio.timeout(120):
            while len(await features(store, published)) < 2:  # noqa: ASYNC110 another process makes them
                await asyncio.sleep(0.05)
        await first.kill()
        before = await features(store, published)
        assert 2 <= len(before) < len(SPLITS)
        await asyncio.sleep(1.1)  # the store tells time in seconds
        second = await Replica.start_watched("trainer", elsewhere, tmp_path)
        trained = await neighbours.first(ModelTrained, run_id)
        after = await features(store, published)
    finally:
        for replica in (first, second):
            if replica is not None:
                await replica.kill()
    assert len(after) == len(SPLITS)
    assert {key: after[key] for key in before} == before
    made = from_bytes(await store.get(f"s3://{store.bucket}/{next(iter(after))}"))
    assert made.extractor == "classic"
    assert made.seconds == pytest.approx(SECONDS, abs=0.2)
    assert trained.backend == "temporal"
    assert {"best.onnx", "metadata.json"} <= {artifact.name for artifact in trained.artifacts}
    assert len(neighbours.all(ModelTrained, run_id)) == 1
    row = await job(database.dsn, run_id)
    assert (row["state"], row["attempt"]) == ("succeeded", 2)
