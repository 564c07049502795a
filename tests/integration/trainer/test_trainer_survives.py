"""Crash gate 9: a trainer that ends in the middle of a run, politely or not; another goes on from its checkpoint.

The gate also with its protection gone (no address of a checkpoint): the next trainer must then begin again.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from trainer_kit import Neighbours, TrainerProcess, gone, job, publish_dataset, training_children, workflow_changed

from libs.common.events import ModelTrained, TrainingStarted
from libs.common.objects import S3Objects
from services.trainer.runner import epoch_of

pytestmark = [pytest.mark.connected, pytest.mark.slow]
pytest.importorskip("torch")
pytest.importorskip("ultralytics")


class Gate:
    """Trainers as processes on one database, one after the other."""

    def __init__(self, dsn: str, environment: dict[str, str], folder: Path) -> None:
        self.dsn, self.environment, self.folder = dsn, environment, folder
        self.started: list[TrainerProcess] = []

    @property
    def work_folder(self) -> Path:
        return Path(self.environment["TRAINER_WORK_FOLDER"])

    async def trainer(self) -> TrainerProcess:
        self.started.append(await TrainerProcess.start(self.environment, self.folder))
        return self.started[-1]

    async def epoch(self, run_id: UUID, least: int) -> int:
        """Wait for the checkpoint of an epoch; which one it is."""
        async with asyncio.timeout(150):
            while True:
                address = (await job(self.dsn, run_id)).get("checkpoint_uri")
                epoch = epoch_of(address) if address else None
                if epoch is not None and epoch >= least:
                    return epoch
                await asyncio.sleep(0.05)

    async def forget_the_checkpoint(self, run_id: UUID) -> None:
        connection = await asyncpg.connect(self.dsn)
        await connection.execute("update trainer.job set checkpoint_uri = null where id = $1", run_id)
        await connection.close()


@pytest.fixture
async def gate(database: Any, trainer_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Gate]:
    await database.migrate("trainer")
    made = Gate(database.dsn, trainer_environment, tmp_path)
    yield made
    for trainer in made.started:
        await trainer.kill()
    for pid in training_children(made.work_folder):  # they would end by themselves: a test below waits for one
        os.kill(pid, signal.SIGKILL)
    await gone(made.work_folder, 60)


async def _a_run(neighbours: Neighbours, store: S3Objects, name: str, folder: Path, *, epochs: int) -> UUID:
    await neighbours.say(workflow_changed(name, automatic=False), await publish_dataset(store, folder, name))
    return await neighbours.request(name, hyperparameters={"epochs": epochs})


async def _started(neighbours: Neighbours, run_id: UUID, times: int) -> TrainingStarted:
    await neighbours.until(lambda: len(neighbours.all(TrainingStarted, run_id)) >= times)
    return neighbours.all(TrainingStarted, run_id)[-1]


async def test_gate_9_a_run_survives_the_end_of_two_trainers(
    gate: Gate, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path
) -> None:
    first = await gate.trainer()
    run_id = await _a_run(neighbours, store, name, tmp_path, epochs=7)
    reached = await gate.epoch(run_id, 1)

    await first.stop()  # SIGTERM: gives back, with a checkpoint, and the attempt does not count
    given_back = await job(gate.dsn, run_id)
    assert (given_back["state"], given_back["attempt"]) == ("queued", 0)
    assert given_back["reason"] == "given back: the worker shuts down"
    assert first.process.returncode == 0
    assert training_children(gate.work_folder) == []

    second = await gate.trainer()
    resumed = await _started(neighbours, run_id, 2)
    assert (resumed.attempt, (resumed.resumed_from_epoch or 0) >= reached) == (1, True)
    reached = await gate.epoch(run_id, (resumed.resumed_from_epoch or 0) + 1)

    await second.kill()  # SIGKILL: the lease runs out
    third = await gate.trainer()
    resumed = await _started(neighbours, run_id, 3)
    assert (resumed.attempt, (resumed.resumed_from_epoch or 0) >= reached) == (2, True)
    trained = await neighbours.first(ModelTrained, run_id)
    assert trained.metrics["epochs"] == 7
    assert all(f"/{run_id}/2-" in artifact.uri for artifact in trained.artifacts)
    await third.stop()
    await neighbours.until(lambda: True)
    assert len(neighbours.all(ModelTrained, run_id)) == 1
    assert (await job(gate.dsn, run_id))["state"] == "succeeded"


async def test_gate_9_fails_without_the_address_of_the_checkpoint(
    gate: Gate, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path
) -> None:
    first = await gate.trainer()
    run_id = await _a_run(neighbours, store, name, tmp_path, epochs=500)
    await gate.epoch(run_id, 1)
    await first.kill()
    await gone(gate.work_folder, 40)  # the orphan: nobody listens, so it ends
    await gate.forget_the_checkpoint(run_id)
    await gate.trainer()
    again = await _started(neighbours, run_id, 2)
    assert (again.attempt, again.resumed_from_epoch) == (2, None), "from the first epoch, as expected"
