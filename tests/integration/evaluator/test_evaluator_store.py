"""The evaluator's tables on the real PostgreSQL, and the handlers that fill them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.errors import AlreadyHandled
from libs.common.events import Artifact, EvaluationRequested, ModelPromoted, ModelRolledBack
from libs.common.postgres import open_pool
from libs.common.testing import NOON, envelope_for
from services.evaluator.handlers import queue_requested_evaluation, remember_promotion, remember_rollback
from services.evaluator.store import EvaluatorStore

pytestmark = pytest.mark.connected
FILES = (Artifact(name="best.onnx", uri="s3://camloop/best.onnx", sha256="a" * 64, bytes=3),)


@pytest.fixture
async def store(database: Any) -> AsyncIterator[EvaluatorStore]:
    await database.migrate("evaluator")
    pool = await open_pool(database.dsn, "evaluator")
    yield EvaluatorStore(pool)
    await pool.close()


def promoted(version: int, *, alias: str = "champion") -> ModelPromoted:
    return ModelPromoted(
        model="hairnet", version=version, alias=alias, by="user:a", reason="gate passed", workflow="hairnet",
        artifacts=FILES,
    )  # fmt: skip


def rolled_back(to_version: int) -> ModelRolledBack:
    return ModelRolledBack(
        model="hairnet", from_version=2, to_version=to_version, alias="champion", by="user:a", reason="false alarms",
        workflow="hairnet", artifacts=FILES,
    )  # fmt: skip


async def test_the_latest_word_on_the_champion_counts_whichever_topic_is_read_first(store: EvaluatorStore) -> None:
    later, latest = NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)
    await remember_rollback(rolled_back(1), envelope_for(rolled_back(1), time=latest), store)
    await remember_promotion(promoted(2), envelope_for(promoted(2), time=later), store)
    running = await store.champion("hairnet")
    assert running is not None
    assert (running.version, running.artifacts) == (1, FILES)

    await remember_promotion(promoted(3), envelope_for(promoted(3), time=latest + timedelta(seconds=1)), store)
    running = await store.champion("hairnet")
    assert running is not None
    assert running.version == 3


async def test_other_aliases_do_not_make_a_champion(store: EvaluatorStore) -> None:
    await remember_promotion(promoted(2, alias="challenger"), envelope_for(promoted(2)), store)
    assert await store.champion("hairnet") is None


async def test_a_request_queues_one_job_and_wakes_the_runner(store: EvaluatorStore) -> None:
    asked = EvaluationRequested(
        evaluation_id=uuid4(), training_run_id=UUID(int=1), workflow="hairnet", requested_by="user:a", reason="again"
    )
    envelope, wake = envelope_for(asked), asyncio.Event()
    await queue_requested_evaluation(asked, envelope, store, wake)
    assert wake.is_set()
    with pytest.raises(AlreadyHandled):
        await queue_requested_evaluation(asked, envelope, store, wake)
    await queue_requested_evaluation(asked, envelope_for(asked), store, wake)

    rows = await store.pool.fetch("select kind, state, reason from job")
    assert [tuple(row) for row in rows] == [("evaluate", "queued", "waits for a free evaluator")]
    evaluation = await store.evaluation(asked.evaluation_id)
    assert evaluation is not None
    assert (evaluation.requested_by, evaluation.cause.event_id) == ("user:a", envelope.event_id)
