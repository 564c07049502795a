"""What the trainer does about events, with a store in memory."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from trainer_fakes import FakeConfiguration, FakeStore, built, workflow

from libs.common.envelope import stable_id
from libs.common.errors import Permanent, Transient
from libs.common.events import DatasetBuilt, TrainingCancelRequested, TrainingRequested
from libs.common.testing import envelope_for
from services.trainer.handlers import cancel_run, queue_automatic_run, queue_requested_run


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


async def hear_built(store: FakeStore, event: DatasetBuilt, **template: Any) -> None:
    await queue_automatic_run(event, envelope_for(event), store, FakeConfiguration(workflow(**template)))


async def hear_request(store: FakeStore, **changes: Any) -> UUID:
    values: dict[str, Any] = {
        "training_run_id": uuid4(),
        "workflow": "apron",
        "requested_by": "li",
        "reason": "why not",
    }
    event = TrainingRequested(**(values | changes))
    await queue_requested_run(event, envelope_for(event), store, FakeConfiguration())
    return event.training_run_id


def topics(store: FakeStore) -> list[str]:
    return [topic for topic, _, _ in store.unit.announced]


async def test_a_new_version_is_trained_on(store: FakeStore) -> None:
    event = built()
    await hear_built(store, event)
    (run,) = store.runs.values()
    assert run.run_id == stable_id("automatic run", event.dataset_version_id)
    assert (run.requested_by, run.seed, run.hyperparameters) == ("rule:automatic", 7, {"epochs": 60, "batch": 16})
    assert run.dataset_version_id == event.dataset_version_id
    assert (store.attempts, topics(store)) == ([3], ["training.queued"])


@pytest.mark.parametrize(("reused", "automatic"), [(True, True), (False, False)])
async def test_versions_that_start_nothing(store: FakeStore, reused: bool, automatic: bool) -> None:
    event = built(reused=reused)
    await hear_built(store, event, automatic=automatic)
    assert (store.runs, topics(store)) == ({}, [])
    assert event.dataset_version_id in store.versions, "but they are remembered"


async def test_runs_that_waited_take_the_place_of_the_automatic_one(store: FakeStore) -> None:
    waiting = await hear_request(store)
    store.waiting = [store.runs[waiting]]
    await hear_built(store, built())
    assert set(store.runs) == {waiting}


async def test_a_request_takes_what_it_names_and_the_template_for_the_rest(store: FakeStore) -> None:
    event = built()
    await hear_built(store, event, automatic=False)
    run = store.runs[await hear_request(store, hyperparameters={"epochs": 2}, seed=0, priority=5)]
    assert (run.hyperparameters, run.seed, run.priority) == ({"epochs": 2, "batch": 16}, 0, 5)
    assert (run.dataset_version_id, run.backend, run.requested_by) == (event.dataset_version_id, "ultralytics", "li")


async def test_a_request_before_any_version_waits(store: FakeStore) -> None:
    run = store.runs[await hear_request(store, dataset_version_id="latest")]
    assert run.dataset_version_id is None
    assert topics(store) == ["training.queued"]


async def test_a_request_heard_twice_is_announced_once(store: FakeStore) -> None:
    run_id = await hear_request(store)
    await hear_request(store, training_run_id=run_id)
    assert topics(store) == ["training.queued"]


async def test_a_version_that_is_not_known_yet_is_waited_for(store: FakeStore) -> None:
    with pytest.raises(Transient, match="is not known \\(yet\\)"):
        await hear_request(store, dataset_version_id=uuid4())


async def test_a_version_of_another_workflow_is_refused(store: FakeStore) -> None:
    other = built(workflow="coat")
    store.versions[other.dataset_version_id] = other
    with pytest.raises(Permanent, match="is one of coat: a run of apron needs its own"):
        await hear_request(store, dataset_version_id=other.dataset_version_id)


async def test_a_workflow_that_is_not_known_yet_is_waited_for(store: FakeStore) -> None:
    with pytest.raises(Transient, match="coat"):
        await hear_request(store, workflow="coat")


async def _cancel(store: FakeStore, run_id: UUID) -> None:
    event = TrainingCancelRequested(training_run_id=run_id, requested_by="li", reason="wrong labels")
    await cancel_run(event, envelope_for(event), store)


async def test_a_cancelled_run_says_who_and_why(store: FakeStore) -> None:
    run_id = await hear_request(store)
    await _cancel(store, run_id)
    assert store.cancelled == ["cancelled: wrong labels (li)"]
    assert store.unit.announced[-1][0] == "training.failed"
    assert store.unit.announced[-1][2] == stable_id(run_id, "training.failed")


async def test_a_run_that_has_ended_stays_as_it_is(store: FakeStore) -> None:
    run_id = await hear_request(store)
    store.ended = True
    await _cancel(store, run_id)
    assert topics(store) == ["training.queued"]


async def test_a_run_nobody_asked_for_yet_is_waited_for(store: FakeStore) -> None:
    with pytest.raises(Transient, match="is not known \\(yet\\)"):
        await _cancel(store, uuid4())
