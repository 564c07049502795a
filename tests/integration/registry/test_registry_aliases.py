"""Promotion and rollback by event: judged, moved, announced and written down, each request once."""

import asyncio
from uuid import uuid4

import pytest

from libs.common import telemetry
from libs.common.events import ModelPromoted, ModelRolledBack, PromotionRejected, PromotionRequested, RollbackRequested
from services.registry.runner import AliasGauges
from services.registry.store.aliases import AliasStore
from tests.unit.registry.registry_events import FAILED, PASSED

pytestmark = pytest.mark.connected


def promotion(version: int, **changes) -> PromotionRequested:
    values = {"request_id": uuid4(), "model": "hairnet", "version": version, "by": "li", "reason": "better"}
    return PromotionRequested(**(values | changes))


def rollback(**changes) -> RollbackRequested:
    return RollbackRequested(**({"request_id": uuid4(), "model": "hairnet", "by": "li", "reason": "misses"} | changes))


async def register(registry, *gates) -> None:
    for gate in gates:
        await registry.evaluated(await registry.run().evaluated(gate=gate))


async def test_promote_then_roll_back_and_the_trail_of_it(registry) -> None:
    await register(registry, PASSED, PASSED)
    for event in (promotion(1), promotion(2), rollback()):
        await registry.asked(event)
    assert await registry.champion() == (1, 2)
    (said,) = await registry.said(ModelRolledBack)
    assert (said["from_version"], said["to_version"], said["reason"], said["workflow"]) == (2, 1, "misses", "hairnet")
    moves = await AliasStore(registry.pool).moves("hairnet")
    assert [(m.alias, m.before_version, m.after_version, m.deed) for m in moves] == [
        ("previous", 1, 2, "roll back"),
        ("champion", 2, 1, "roll back"),
        ("previous", None, 1, "promote"),
        ("champion", 1, 2, "promote"),
        ("champion", None, 1, "promote"),
    ]
    assert {m.by for m in moves} == {"li"}


async def test_a_failed_gate_refuses_with_its_reasons_unless_forced(registry) -> None:
    await register(registry, FAILED)
    await registry.asked(promotion(1))
    (said,) = await registry.said(PromotionRejected)
    assert said["reasons"] == ["map50 0.41 is below the minimum 0.50"]
    assert await registry.champion() == (None, None)
    await registry.asked(promotion(1, force=True))
    assert await registry.champion() == (1, None)
    assert (await AliasStore(registry.pool).moves("hairnet"))[0].forced


async def test_an_unknown_version_or_model_is_refused(registry) -> None:
    await registry.asked(promotion(7))
    await registry.asked(rollback(model="nobody"))
    assert [(s["model"], s.get("version")) for s in await registry.said(PromotionRejected)] == [
        ("hairnet", 7),
        ("nobody", None),
    ]


async def test_the_same_request_twice_moves_once(registry) -> None:
    await register(registry, PASSED, PASSED)
    await registry.asked(promotion(1))
    back_and_forth = promotion(2)
    await registry.asked(back_and_forth)
    await registry.asked(rollback())
    await registry.asked(back_and_forth)  # under another event id: a second command line, a replay
    assert await registry.champion() == (1, 2)
    assert len(await registry.said(ModelPromoted)) == 2


async def test_a_request_that_comes_late_does_not_undo_a_later_one(registry) -> None:
    await register(registry, PASSED, PASSED)
    await registry.asked(promotion(2))
    await registry.asked(promotion(1), late_by=60)
    assert await registry.champion() == (2, None)
    assert "superseded" in (await registry.said(PromotionRejected))[0]["reasons"][0]


async def test_promotions_at_once_leave_one_champion_and_an_unbroken_trail(registry) -> None:
    await register(registry, *[PASSED] * 5)
    async with asyncio.TaskGroup() as group:
        for version in range(1, 6):
            group.create_task(registry.asked(promotion(version)))
    moves = [m for m in reversed(await AliasStore(registry.pool).moves("hairnet")) if m.alias == "champion"]
    assert [m.before_version for m in moves] == [None, *[m.after_version for m in moves[:-1]]]
    assert (await registry.champion())[0] == moves[-1].after_version


async def test_gauges_show_what_is_behind_each_alias(registry) -> None:
    await registry.evaluated(await registry.run().evaluated(map50=0.77))
    await registry.asked(promotion(1))
    await AliasGauges(AliasStore(registry.pool), 1).refresh()
    labels = {"model": "hairnet", "alias": "champion", "metric": "map50"}
    assert telemetry.REGISTRY.get_sample_value("camloop_model_metric", labels) == 0.77
    assert _gauge("camloop_model_version") == 1
    assert _gauge("camloop_model_gate_passed") == 1


async def test_the_gauge_of_the_gate_says_when_somebody_forced_a_version(registry) -> None:
    await register(registry, FAILED)
    await registry.asked(promotion(1, force=True))
    await AliasGauges(AliasStore(registry.pool), 1).refresh()
    assert _gauge("camloop_model_version") == 1
    assert _gauge("camloop_model_gate_passed") == 0


def _gauge(name: str) -> float | None:
    return telemetry.REGISTRY.get_sample_value(name, {"model": "hairnet", "alias": "champion"})
