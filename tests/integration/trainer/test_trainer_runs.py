"""A trainer in this process with real Kafka, PostgreSQL, S3 and a real child: events in, a model out."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from trainer_kit import Neighbours, gone, job, publish_dataset, training_children, workflow_changed

from libs.common import telemetry
from libs.common.envelope import stable_id
from libs.common.events import ModelTrained, TrainingFailed, TrainingProgressed, TrainingQueued, TrainingStarted
from libs.common.objects import S3Objects
from libs.local.ports import free_port
from services.trainer import app, runner
from services.trainer.app import create_app
from services.trainer.settings import Settings
from tests.support.backend import needs_the_back_end

pytestmark = [pytest.mark.connected, pytest.mark.slow, needs_the_back_end]


@pytest.fixture
def trainer_settings(trainer_environment: dict[str, str], tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, http_port=free_port(), checkpoint_seconds=0, work_folder=tmp_path / "work", device="cpu", threads=1,
        **{name: text for name, text in trainer_environment.items() if not name.startswith("TRAINER_")},
    )  # fmt: skip


@pytest.fixture
async def trainer(
    trainer_settings: Settings, database: Any, neighbours: Neighbours
) -> AsyncIterator[asyncio.Future[None]]:
    """A running trainer; whatever it still trains at the end is given back."""
    await database.migrate("trainer")
    stop = asyncio.Event()
    service = asyncio.ensure_future(create_app(trainer_settings).serve(stop))
    yield service
    stop.set()
    await asyncio.wait_for(service, 60)
    await gone(trainer_settings.work_folder, 60)


async def test_from_a_request_to_a_model(
    trainer: Any, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, database: Any
) -> None:
    """One training for many questions: a run that waits says so, starts once, and what it makes is what it says."""
    await neighbours.say(workflow_changed(name))
    run_id = await neighbours.request(name, dataset_version_id="latest")
    await neighbours.until(
        lambda: any("first dataset version" in said.waits_for for said in neighbours.all(TrainingQueued, run_id))
    )
    assert neighbours.all(TrainingStarted, run_id) == []
    built = await publish_dataset(store, tmp_path, name)
    await neighbours.say_again(built, times=3)
    trained = await neighbours.first(ModelTrained, run_id)
    started = neighbours.all(TrainingStarted, run_id)
    assert [(event.attempt, event.resumed_from_epoch, event.device) for event in started] == [(1, None, "cpu")]
    assert [event.epoch for event in neighbours.all(TrainingProgressed, run_id)][-1] == 2
    log = [line for event in neighbours.all(TrainingProgressed, run_id) for line in event.log_lines]
    assert [line.seq for line in log] == list(range(1, len(log) + 1)), "the whole log was announced"
    assert log[-1].text.startswith("Finished after")
    _says_what_it_is(trained, built, run_id, neighbours)
    await _has_its_artifacts(trained, store)
    await _nothing_was_trained_twice(neighbours, database, run_id)
    assert list((tmp_path / "work" / "runs").iterdir()) == [], "nothing is left but cached images"


def _says_what_it_is(trained: ModelTrained, built: Any, run_id: UUID, neighbours: Neighbours) -> None:
    assert trained.dataset == built
    assert (trained.seed, trained.backend, trained.licence) == (3, "ultralytics", "AGPL-3.0")
    assert trained.hyperparameters["epochs"] == 2
    assert trained.metrics["epochs"] == 2
    assert "torch" in trained.environment
    (headers,) = [headers for event, headers in neighbours.heard if event is trained]
    assert headers["ce_id"] == str(stable_id(run_id, "model.trained"))
    assert headers["ce_source"] == "/service/trainer"
    assert headers["correlationid"] == "the test"


async def _has_its_artifacts(trained: ModelTrained, store: S3Objects) -> None:
    found = {artifact.name: await store.get(artifact.uri) for artifact in trained.artifacts}
    assert set(found) == {"best.pt", "best.onnx", "results.csv", "metadata.json", "train.log"}
    for artifact in trained.artifacts:
        data = found[artifact.name]
        assert (artifact.sha256, artifact.bytes) == (sha256(data).hexdigest(), len(data))
        assert artifact.uri.startswith(f"s3://camloop/runs/{trained.training_run_id}/1-")
    metadata = json.loads(found["metadata.json"])
    assert (metadata["abi"], metadata["training_run_id"]) == ("detector/1", str(trained.training_run_id))
    assert metadata["classes"] == [{"id": 0, "name": "disc", "title": {"en": "Disc", "zh": "圆"}}]
    digests = {artifact.name: artifact.sha256 for artifact in trained.artifacts}
    assert {entry["name"]: entry["sha256"] for entry in metadata["files"]} == {
        name: digests[name] for name in ("best.pt", "best.onnx", "results.csv")
    }


async def _nothing_was_trained_twice(neighbours: Neighbours, database: Any, run_id: UUID) -> None:
    await asyncio.sleep(1)
    await neighbours.until(lambda: True)
    assert len([event for event, _ in neighbours.heard if isinstance(event, ModelTrained)]) == 1
    connection = await asyncpg.connect(database.dsn)
    rows = await connection.fetch("select id, state, attempt, reason from trainer.job")
    await connection.close()
    assert [tuple(row) for row in rows] == [(run_id, "succeeded", 1, "done")]


async def test_a_cancelled_run_ends_within_a_lease(
    trainer: Any, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, database: Any
) -> None:
    await neighbours.say(workflow_changed(name, automatic=False), await publish_dataset(store, tmp_path, name))
    run_id = await neighbours.request(name, hyperparameters={"epochs": 3000})
    await neighbours.first(TrainingProgressed, run_id)
    assert len(training_children(tmp_path / "work")) == 1
    assert abs(time.time() - (shown("training_last_progress_timestamp_seconds", workflow=name) or 0)) < 30
    assert shown("job_workers_idle", kind="train") == 0
    counted = shown("job_finished_total", kind="train", outcome="failed")
    await neighbours.cancel(run_id)
    failed = await neighbours.first(TrainingFailed, run_id)
    assert failed.reason == "cancelled: wrong labels (li)"
    await gone(tmp_path / "work", 4)
    assert (await job(database.dsn, run_id))["state"] == "cancelled"
    await neighbours.until(lambda: shown("job_workers_idle", kind="train") == 1)
    assert shown("training_last_progress_timestamp_seconds", workflow=name) is None, "nothing trains: nothing stalls"
    assert shown("job_finished_total", kind="train", outcome="failed") == counted, "cancelled is not failed"
    second = await neighbours.request(name, hyperparameters={"epochs": 0})
    assert (await neighbours.first(TrainingFailed, second)).reason, "the trainer takes the next run"


def shown(series: str, **labels: str) -> float | None:
    """What the trainer's metrics say."""
    return telemetry.REGISTRY.get_sample_value(f"camloop_{series}", labels)


async def test_hyperparameters_that_make_no_sense_fail_the_run_with_the_reason(
    trainer: Any, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, database: Any
) -> None:
    await neighbours.say(workflow_changed(name, automatic=False), await publish_dataset(store, tmp_path, name))
    run_id = await neighbours.request(name, hyperparameters={"epochs": "many", "epoch": 5})
    failed = await neighbours.first(TrainingFailed, run_id)
    assert failed.attempt == 1
    assert "epochs: Input should be a valid integer" in failed.reason
    assert "epoch: Extra inputs are not permitted" in failed.reason
    assert "Allowed are: " in failed.reason
    assert any("epochs" in line.text for line in failed.last_log_lines)
    assert (await job(database.dsn, run_id))["state"] == "failed", "no second try"


async def test_an_image_that_is_gone_fails_the_run_with_its_name(
    trainer: Any, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path
) -> None:
    built = await publish_dataset(store, tmp_path, name)
    await asyncio.to_thread(store.client.remove_object, bucket_name=store.bucket, object_name=f"snapshots/{name}/3.png")
    await neighbours.say(workflow_changed(name, automatic=False), built)
    run_id = await neighbours.request(name)
    failed = await neighbours.first(TrainingFailed, run_id)
    assert failed.reason == f"s3://camloop/snapshots/{name}/3.png: no such object in the store"
    assert not (tmp_path / "work" / "runs" / str(run_id)).exists()


async def test_a_trainer_without_its_back_end_takes_no_run_and_says_what_is_missing(
    neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, database: Any, trainer_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(app, "missing_modules", lambda backend: ["torch"])
    monkeypatch.setattr(runner, "missing_modules", lambda backend: ["torch"])
    await database.migrate("trainer")
    stop = asyncio.Event()
    service = asyncio.ensure_future(create_app(trainer_settings).serve(stop))
    try:
        await neighbours.say(workflow_changed(name, automatic=False), await publish_dataset(store, tmp_path, name))
        run_id = await neighbours.request(name)
        await neighbours.until(
            lambda: any("torch" in said.waits_for for said in neighbours.all(TrainingQueued, run_id))
        )
        said = neighbours.all(TrainingQueued, run_id)[-1].waits_for
        assert said == (
            "a trainer with the back-end installed (torch missing here). Install it with: uv sync --extra ultralytics"
        )
        assert (await job(database.dsn, run_id))["state"] == "queued"
    finally:
        stop.set()
        await asyncio.wait_for(service, 60)
