"""Numbers, files and announcements of model versions, also when two evaluations arrive at once or a copy breaks off."""

import asyncio
from datetime import timedelta

import pytest

from libs.common.errors import Transient
from libs.common.events import ModelPromoted, ModelRegistered, PredictionReported
from libs.common.testing import NOON, envelope_for
from services.registry import handlers
from services.registry.store.predictions import PredictionStore
from services.registry.store.shelf import Shelf
from services.registry.store.versions import VersionStore
from tests.unit.registry.registry_events import FAILED

pytestmark = pytest.mark.connected


async def test_an_evaluated_model_is_registered_with_files_gate_and_lineage(registry) -> None:
    event = await registry.run().evaluated()
    await registry.evaluated(event)
    (said,) = await registry.said(ModelRegistered)
    assert (said["model"], said["version"], said["gate"]["passed"]) == ("hairnet", 1, True)
    assert said["lineage"]["manifest"] == "s3://camloop/datasets/m"
    assert {a["name"] for a in said["artifacts"]} >= {"best.pt", "best.onnx", "metadata.json", "report.json"}
    for artifact in said["artifacts"]:
        await registry.objects.get(artifact["uri"], expected_sha256=artifact["sha256"])


async def test_eight_registrations_at_once_get_eight_numbers(registry) -> None:
    events = [await registry.run().evaluated() for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        for event in events:
            group.create_task(registry.evaluated(event))
    said = await registry.said(ModelRegistered)
    assert sorted(event["version"] for event in said) == list(range(1, 9))
    assert len({event["training_run_id"] for event in said}) == 8


async def test_two_evaluations_of_one_run_at_once_share_one_version(registry) -> None:
    run = registry.run()
    events = [await run.evaluated(map50=0.7), await run.evaluated(map50=0.8)]
    async with asyncio.TaskGroup() as group:
        for event in events:
            group.create_task(registry.evaluated(event))
    versions = await VersionStore(registry.pool).of_model("hairnet")
    assert [(v.version, v.training_run_id) for v in versions] == [(1, run.run_id)]


async def test_a_redelivered_evaluation_has_no_second_effect(registry) -> None:
    event = await registry.run().evaluated()
    envelope = await registry.evaluated(event)
    await registry.evaluated(event, envelope)
    assert len(await registry.said(ModelRegistered)) == 1
    assert len(await VersionStore(registry.pool).of_model("hairnet")) == 1


class BrokenShelf(Shelf):
    async def place(self, reservation, event):
        await super().place(reservation, event)
        raise Transient("the store went away before the version stood")


async def test_a_crash_after_copying_resumes_with_the_same_number(registry) -> None:
    event = await registry.run().evaluated()
    envelope = envelope_for(event)
    with pytest.raises(Transient):
        await registry.evaluated(event, envelope, shelf=BrokenShelf(registry.objects))
    assert await VersionStore(registry.pool).of_model("hairnet") == []
    assert (await registry.said(ModelRegistered)) == []
    await registry.evaluated(await registry.run().evaluated())
    await registry.evaluated(event, envelope)
    versions = {v.training_run_id: v.version for v in await VersionStore(registry.pool).of_model("hairnet")}
    assert versions[event.training_run_id] == 1
    assert sorted(versions.values()) == [1, 2]


async def test_a_second_evaluation_renews_metrics_and_an_older_one_changes_nothing(registry) -> None:
    run = registry.run()
    one, two, late = [await run.evaluated(map50=value) for value in (0.5, 0.8, 0.1)]
    await registry.evaluated(one, envelope_for(one, time=NOON))
    await registry.evaluated(two, envelope_for(two, time=NOON + timedelta(minutes=5)))
    await registry.evaluated(late, envelope_for(late, time=NOON - timedelta(minutes=5)))
    version = await VersionStore(registry.pool).find("hairnet", 1)
    assert (version.metrics, version.evaluation_id) == ({"map50": 0.8}, two.evaluation_id)
    assert [said["metrics"]["map50"] for said in await registry.said(ModelRegistered)] == [0.5, 0.8]


async def test_the_rule_promotes_what_passed_and_keeps_the_champion_before(registry) -> None:
    await registry.follow("gloves", promotion="automatic")
    for gate in ({}, {}, {"gate": FAILED}):
        await registry.evaluated(await registry.run("gloves").evaluated(**gate))
    assert await registry.champion("gloves") == (2, 1)
    said = await registry.said(ModelPromoted)
    assert [(s["version"], s.get("previous_version"), s["by"]) for s in said] == [
        (1, None, "rule:gate"),
        (2, 1, "rule:gate"),
    ]
    assert {a["name"] for a in said[1]["artifacts"]} >= {"best.onnx", "metadata.json"}


async def test_a_workflow_that_is_not_known_yet_is_waited_for(registry) -> None:
    event = await registry.run("unheard-of").evaluated()
    with pytest.raises(Transient, match="unheard-of"):
        await registry.evaluated(event)


async def test_predictions_add_up_per_version_and_camera(registry) -> None:
    store = PredictionStore(registry.pool)

    async def report(camera: str, minute: int, detections: dict[str, int], envelope=None) -> None:
        event = PredictionReported(
            camera_id=camera, at=NOON + timedelta(minutes=minute), model={"name": "hairnet", "version": 4},
            window_seconds=60, images=30, detections_per_class=detections, latency_ms={"p50": float(minute)},
        )  # fmt: skip
        await handlers.keep_prediction(event, envelope or envelope_for(event), pool=registry.pool, predictions=store)

    await report("line-1", 2, {"hairnet": 3})
    await report("line-1", 1, {"hairnet": 1, "bare": 2})
    await report("line-2", 1, {})
    one, two = await store.per_camera("hairnet", 4)
    assert (one.windows, one.images, one.detections_per_class) == (2, 60, {"hairnet": 4, "bare": 2})
    assert (one.last_at, one.latency_ms) == (NOON + timedelta(minutes=2), {"p50": 2.0})
    assert (two.camera_id, two.detections_per_class) == ("line-2", {})
    assert await store.per_camera("hairnet", 5) == []
