"""The read tables are a function of the events: repetition, order, replicas and rebuilding do not show."""

import asyncio
from random import Random
from uuid import uuid4

import pytest

from libs.common.events import PredictionReported, PromotionRejected, TrainingFailed, WorkflowChanged
from libs.common.testing import envelope_for
from services.console.domain.facts import Fact
from services.console.store.log import EventLog, Filter, arrival_of
from services.console.store.projection import keep_and_apply
from services.console.store.rebuild import Rebuild
from tests.unit.console.console_events import Round, at, fact
from tests.unit.registry.registry_events import workflow_definition

pytestmark = pytest.mark.connected


def story() -> list[Fact]:
    """Two rounds of the loop with everything that goes wrong in between."""
    one, two = Round(), Round(version=2)
    failed = TrainingFailed(
        training_run_id=uuid4(), workflow="hairnet", reason="out of memory", attempt=1,
        last_log_lines=one.progressed(1).log_lines,
    )  # fmt: skip
    report = PredictionReported(
        camera_id="line-1", at=at(90), model={"name": "hairnet", "version": 1}, window_seconds=60, images=3,
        detections_per_class={},
    )  # fmt: skip
    definition = workflow_definition("hairnet")
    events = [
        *one.events(),
        WorkflowChanged(workflow="hairnet", revision=1, definition=definition, changed_by="file:hairnet.yaml"),
        *two.events(),
        failed,
        report,
        one.built(reused=True),
        two.promoted(previous_version=1),
        PromotionRejected(model="hairnet", version=9, alias="champion", by="li", reasons=("unknown",)),
        one.snapshot(0),  # the same snapshot once more, under another event id
    ]
    return [fact(event, seconds) for seconds, event in enumerate(events)]


async def test_everything_twice_is_everything_once(console) -> None:
    facts = story()
    await console.hear(*facts)
    once = await console.tables()
    await console.hear(*facts)
    assert await console.tables() == once
    assert [len(once[name]) for name in ("snapshot", "sample", "dataset_version", "model_version")] == [8, 8, 2, 2]
    assert len(await EventLog(console.pool).page(Filter(), limit=500)) == len(facts)


async def test_order_of_arrival_does_not_show(console, database) -> None:
    facts = story()
    await console.hear(*facts)
    in_order = await console.tables()
    for seed in range(3):
        await forget(console)
        await console.hear(*Random(seed).sample(facts, len(facts)))
        assert await console.tables() == in_order


async def test_writers_at_once_lose_nothing(console) -> None:
    facts = story()
    await console.hear(*facts)
    alone = await console.tables()
    await forget(console)
    async with asyncio.TaskGroup() as group:
        for part in range(4):
            group.create_task(console.hear(*facts[part::4]))
    assert await console.tables() == alone


async def test_positions_come_in_the_order_of_commit(console) -> None:
    """A reader that follows while four write sees every event, none twice, positions ever rising."""
    facts, seen = story(), []
    log = EventLog(console.pool)

    async def read() -> None:
        last = 0
        while len(seen) < len(facts):
            for event in await log.page(Filter(), after=last, limit=3):
                assert event.seq > last
                last = event.seq
                seen.append(event.event_id)

    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(read())
        for part in range(4):
            group.create_task(console.hear(*facts[part::4]))
    assert len(set(seen)) == len(facts)


async def test_a_rebuild_from_the_log_equals_what_was_live_and_heals_what_was_not(console) -> None:
    facts = story()
    await console.hear(*facts[:-3])
    await console.pool.execute("update sample set verdict = 'lost'")
    await console.pool.execute("delete from training_run")
    await console.pool.execute("delete from training_log")
    rebuild = Rebuild(console.pool)
    await rebuild.clear()
    last = await rebuild.replay(0)
    assert last is not None
    await console.hear(*facts[-3:])  # meanwhile
    await rebuild.change_over(last)
    rebuilt = await console.tables()
    await forget(console)
    await console.hear(*facts)
    assert await console.tables() == rebuilt


async def test_readers_see_the_old_tables_until_the_new_ones_stand(console) -> None:
    await console.hear(*story())
    before = await console.tables()
    rebuild = Rebuild(console.pool)
    await rebuild.clear()
    assert await rebuild.replay(0) is not None
    assert await console.tables() == before


async def test_an_event_that_does_not_fit_its_type_is_kept_and_changes_nothing(console) -> None:
    event = Round().built()
    arrival = arrival_of({"workflow": "hairnet", "version": "x"}, envelope_for(event), at(0))
    async with console.pool.acquire() as connection, connection.transaction():
        await keep_and_apply(connection, arrival)
    (kept,) = (await console.get("/api/events"))["events"]
    assert kept["problem"].startswith("no valid dataset.built")
    assert (await console.tables())["dataset_version"] == []


async def forget(console) -> None:
    for table in ("event", *(await console.tables())):
        await console.pool.execute(f"delete from {table}")
