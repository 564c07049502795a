"""Crash gates 9 and 10: a trainer that ends or hangs in the middle of a run; another goes on from its checkpoint."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from trainer_kit import Neighbours, gone, job, publish_dataset, training_children, workflow_changed

from libs.common.events import ModelTrained, TrainingProgressed, TrainingStarted
from libs.common.objects import S3Objects
from services.trainer.runner import epoch_of
from tests.support.backend import needs_the_back_end
from tests.support.proving import hold
from tests.support.replica import Replica

pytestmark = [pytest.mark.connected, pytest.mark.slow, needs_the_back_end]
Seen = Callable[[str], None]
Without = tuple[str, ...]


class Gate:
    """Trainers as processes on one database, one after the other."""

    def __init__(self, dsn: str, environment: dict[str, str], folder: Path) -> None:
        self.dsn, self.environment, self.folder = dsn, environment, folder
        self.started: list[Replica] = []

    @property
    def work_folder(self) -> Path:
        return Path(self.environment["TRAINER_WORK_FOLDER"])

    async def trainer(self, without: Without = ()) -> Replica:
        self.started.append(await Replica.start_watched("trainer", self.environment, self.folder, without=without))
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


async def test_a_run_survives_the_end_of_two_trainers(
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


@pytest.mark.gate(9, "checkpoints")
async def test_a_killed_trainers_run_goes_on_from_its_checkpoint(
    gate: Gate, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, without: Without, seen: Seen
) -> None:
    first = await gate.trainer(without)
    run_id = await _a_run(neighbours, store, name, tmp_path, epochs=6)
    await neighbours.until(lambda: any(event.epoch >= 2 for event in neighbours.all(TrainingProgressed, run_id)))
    await first.kill()
    await gate.trainer(without)
    resumed = await _started(neighbours, run_id, 2)
    hold("begun again at a later epoch", expected=True, seen=(resumed.resumed_from_epoch or 0) >= 1)
    trained = await neighbours.first(ModelTrained, run_id)
    await asyncio.sleep(2)
    await neighbours.until(lambda: True)
    hold("models of the run", expected=1, seen=len(neighbours.all(ModelTrained, run_id)))
    assert trained.metrics["epochs"] == 6
    seen(f"killed after epoch 2 of 6, resumed by another after epoch {resumed.resumed_from_epoch}, 1 model.trained")


@pytest.mark.gate(10, "fence")
async def test_a_trainer_that_wakes_up_after_its_lease_finishes_nothing(
    gate: Gate, neighbours: Neighbours, store: S3Objects, name: str, tmp_path: Path, without: Without, seen: Seen
) -> None:
    """Its training goes on while it hangs; when it wakes up, another has the run and its own result is complete."""
    zombie = await gate.trainer(without)
    run_id = await _a_run(neighbours, store, name, tmp_path, epochs=3)
    await neighbours.first(TrainingProgressed, run_id)
    (child,) = training_children(gate.work_folder)
    zombie.freeze()
    await _ended(child)
    await gate.trainer(without)
    await _started(neighbours, run_id, 2)
    zombie.thaw()
    trained = await neighbours.first(ModelTrained, run_id)
    await asyncio.sleep(5)
    await neighbours.until(lambda: True)
    hold("attempts whose artifacts count", expected=[2], seen=[_attempt_of(trained)])
    hold("models of the run", expected=1, seen=len(neighbours.all(ModelTrained, run_id)))
    row = await job(gate.dsn, run_id)
    assert (row["state"], row["attempt"]) == ("succeeded", 2)
    seen("frozen past its lease, thawed while another trained: its result refused, 1 model.trained, of attempt 2")


def _attempt_of(trained: ModelTrained) -> int:
    attempts = {int(artifact.uri.split("/")[-2].partition("-")[0]) for artifact in trained.artifacts}
    assert len(attempts) == 1
    return attempts.pop()


async def _ended(pid: int) -> None:
    """A process is gone, or waits for its frozen parent to notice."""
    async with asyncio.timeout(150):
        while True:
            try:
                status = await asyncio.to_thread(Path(f"/proc/{pid}/stat").read_text)
            except OSError:
                return
            if status.rpartition(")")[2].split()[0] == "Z":
                return
            await asyncio.sleep(0.1)
