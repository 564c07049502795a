"""The policy loop on real PostgreSQL: orders a build once, and says why it does not."""

import asyncio

import pytest

from libs.common.configuration import Configuration
from services.dataset.runner.policies import PolicyLoop

pytestmark = pytest.mark.connected


def loop_of(plant) -> PolicyLoop:
    return PolicyLoop(plant.samples, plant.versions, Configuration(plant.pool), asyncio.Event())


async def jobs_of(plant) -> list[dict]:
    rows = await plant.pool.fetch("select spec, state, reason from job order by created_at")
    return [dict(row) for row in rows]


async def outlook_of(plant) -> str:
    return {workflow: reason for workflow, reason, _ in await plant.versions.outlooks()}[plant.workflow]


async def test_a_due_build_is_ordered_once_by_any_number_of_replicas(plant) -> None:
    await plant.configure(build_after_samples=12, debounce_seconds=0)
    for number in range(12):
        await plant.approve(number)
    loops = [loop_of(plant) for _ in range(4)]
    await asyncio.gather(*(loop.look() for loop in loops))
    await asyncio.gather(*(loop.look() for loop in loops))
    [job] = await jobs_of(plant)
    assert job["reason"] == "the policy says so: 12 new or changed samples"
    assert await outlook_of(plant) == "building: 12 new or changed samples"
    newest = await plant.pool.fetchval("select event_id from pending order by number desc limit 1")
    assert job["spec"]["cause_id"] == str(newest)


async def test_what_came_during_a_build_is_ordered_after_it(plant) -> None:
    await plant.configure(build_after_samples=1, debounce_seconds=0)
    for number in range(12):
        await plant.approve(number)
    loop = loop_of(plant)
    await loop.look()
    await plant.approve(50)
    await loop.look()
    assert len(await jobs_of(plant)) == 1
    await plant.runner().run_one()
    await plant.approve(51)
    await loop.look()
    await plant.runner().run_one()
    assert [event.version for event in await plant.built()] == [1, 2]


async def test_few_samples_wait_and_say_for_how_long(plant) -> None:
    await plant.configure(build_after_samples=200, build_after_hours=1)
    for number in range(12):
        await plant.approve(number)
    await loop_of(plant).look()
    assert await jobs_of(plant) == []
    assert (await outlook_of(plant)).startswith("12 of 200 new samples; builds anyway at 20")


async def test_too_little_for_a_version_waits_until_more_is_approved(plant) -> None:
    await plant.configure(build_after_samples=1, debounce_seconds=0, minimum_per_class=2)
    for number in range(0, 14, 2):
        await plant.approve(number)
    loop = loop_of(plant)
    await loop.look()
    await loop.look()
    assert await jobs_of(plant) == []
    assert "at least 2 samples of every class are needed, there are: missing 0" in await outlook_of(plant)
    await plant.approve(1)
    await plant.approve(3)
    await loop.look()
    assert len(await jobs_of(plant)) == 1


async def test_a_lower_minimum_is_enough_to_look_again(plant) -> None:
    await plant.configure(build_after_samples=1, debounce_seconds=0, minimum_samples=50)
    for number in range(12):
        await plant.approve(number)
    loop = loop_of(plant)
    await loop.look()
    assert await jobs_of(plant) == []
    await plant.configure(build_after_samples=1, debounce_seconds=0, minimum_samples=10)
    await loop.look()
    assert len(await jobs_of(plant)) == 1


async def test_a_build_that_ended_without_a_version_is_not_ordered_again_for_the_same_samples(plant) -> None:
    await plant.configure(build_after_samples=1, debounce_seconds=0)
    for number in range(12):
        await plant.approve(number, leakage_group="line-1/12")
    await loop_of(plant).look()
    await plant.runner().run_one()
    assert "fewer leakage groups" in await outlook_of(plant)
    await loop_of(plant).look()
    assert [job["state"] for job in await jobs_of(plant)] == ["succeeded"]
    for number in (100, 200, 300):
        await plant.approve(number)
    await loop_of(plant).look()
    await plant.runner().run_one()
    assert [event.version for event in await plant.built()] == [1]


async def test_a_workflow_nobody_defined_says_so(plant) -> None:
    await plant.approve(1, workflow="nobody")
    await loop_of(plant).look()
    [(workflow, reason, _)] = await plant.versions.outlooks()
    assert workflow == "nobody"
    assert "add deploy/workflows/nobody.yaml" in reason
