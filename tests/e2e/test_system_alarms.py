"""The shipped alerts on the running system: what they and the dashboards ask for is there, and a failure reaches a person."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from libs.local.scenes import camera_series, write_shot
from tests.support.promql import alerts, expressions, selectors, troubles
from tests.support.system import System
from tests.support.watching import Watch, programs_or_skip, watching

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(300)]
WORKFLOW = "alarmed"
CAMERA = "alarm-1"
# There from the first epoch, the first model on, and while a training runs; until then the declared series are what is
# known of them (tests/contracts). Other tests of this folder train: after them only the last one is missing.
LATER = ("camloop_training_epoch", "camloop_training_metric", "camloop_model_")
SOMETIMES = ("camloop_training_last_progress_timestamp_seconds",)


@pytest.fixture(scope="module")
def learned(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workflow whose training cannot start, because it wants weights nobody has laid down; its snapshots are sent."""
    system.add_workflow(
        "hairnet", WORKFLOW, cameras=["alarm-*"], cleaning={"approve": {"spot_check_share": 0.0}},
        dataset={"build_after_samples": 1000, "minimum_samples": 12, "minimum_per_class": 1, "debounce_seconds": 0.5},
        training={"automatic": False, "hyperparameters": {"pretrained": True}},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("alarmed")
    for shot in camera_series(CAMERA, 16, seed=11):
        write_shot(shot, folder, annotated=True)
    sent = system.camloop("ingest", "folder", str(folder), "--camera", CAMERA, "--workflow", WORKFLOW)
    assert sent["sent"] == 16
    asyncio.run(send_junk(system))
    # The samples are still on their way.
    system.until("a build", lambda: "error" not in system.camloop("build", WORKFLOW, code=None), 60)
    return system.until("a dataset version", lambda: system.camloop("versions", WORKFLOW), 60)[0]["dataset_version_id"]


async def send_junk(system: System) -> None:
    """A message nobody can read: errors and dead letters have their series only after the first."""
    async with AIOKafkaProducer(bootstrap_servers=system.endpoints["kafka"]["bootstrap_servers"]) as producer:
        await producer.send_and_wait("snapshot.captured", b'{"snapshot_id": "junk"', CAMERA.encode())


def exported(system: System) -> dict[str, set[str]]:
    """Label names by series of every service's live /metrics; a declared one without values has no labels yet."""
    series: dict[str, set[str]] = {}
    for url in system.endpoints["http"].values():
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=10).text):
            ending = "_total" if family.type == "counter" else ""
            series.setdefault(family.name + ending, set())
            for sample in family.samples:
                series.setdefault(sample.name, set()).update(sample.labels)
    return series


def test_every_expression_asks_for_what_the_live_system_exports(system: System, learned: str) -> None:
    # Some series are measured every 15 seconds only.
    missing = SOMETIMES if system.camloop("models") else SOMETIMES + LATER
    with suppress(AssertionError):
        system.until("every expression finds its series", lambda: not unanswered(exported(system), missing), 30)
    assert unanswered(exported(system), missing) == {}
    names = {each.name for text in expressions().values() for each in selectors(text)}
    absent = {name for name in names if name.startswith("camloop_") and name not in exported(system)}
    assert absent == {"camloop_pipeline_expected_interval_seconds"}, "which the rules record"


def unanswered(series: dict[str, set[str]], missing: tuple[str, ...]) -> dict[str, list[str]]:
    """What expressions ask for and do not find, by where they stand; those about `missing` series are left out."""
    asked = {where: text for where, text in expressions().items() if not any(each in text for each in missing)}
    return {where: found for where, text in asked.items() if (found := troubles(text, series))}


@pytest.fixture(scope="module")
def watch(system: System, learned: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """The shipped Prometheus and Alertmanager on this system."""
    programs = programs_or_skip()
    with watching(programs, tmp_path_factory.mktemp("watch"), system.endpoints["http"]) as running:
        system.until("every service is asked", lambda: set(running.targets().values()) == {"up"}, 30)
        yield running


def test_prometheus_takes_every_expression_and_panels_show_something(watch: Watch) -> None:
    shown = {where: watch.query(text) for where, text in expressions().items() if not where.startswith("alert ")}
    empty = {where for where, series in shown.items() if not series and _has_a_value_at_rest(expressions()[where])}
    assert empty == set()


def _has_a_value_at_rest(text: str) -> bool:
    """Not: what is only there sometimes, and rates over less than two scrapes."""
    return not any(each in text for each in (" > ", "rate(", "increase(", *LATER, *SOMETIMES))


def test_a_failed_training_reaches_the_operator(watch: Watch, system: System) -> None:
    counted = 'sum(camloop_job_finished_total{kind="train", outcome="failed"})'
    before = system.until("the counter is asked for, from zero on", lambda: watch.query(counted), 15)
    assert _told(watch, "TrainingFailed") == []
    run = system.camloop("train", WORKFLOW, "--reason", "to see it fail")["training_run_id"]
    (alert,) = system.until("the operator is told", lambda: _told(watch, "TrainingFailed"), 45)
    (failed,) = [each for each in system.camloop("runs", "--workflow", WORKFLOW) if each["training_run_id"] == run]
    assert failed["state"] == "failed"
    assert alert["status"] == "firing"
    assert alert["labels"] == {"alertname": "TrainingFailed", "kind": "train", "severity": "warn"}
    assert alert["annotations"] == alerts()["TrainingFailed"]["annotations"]
    assert float(watch.query(counted)[0]["value"][1]) == float(before[0]["value"][1]) + 1


def test_a_healthy_system_tells_the_operator_nothing_else(watch: Watch) -> None:
    assert {each["labels"]["alertname"] for each in watch.receiver.alerts} == {"TrainingFailed"}


def _told(watch: Watch, name: str) -> list[dict[str, Any]]:
    return [each for each in list(watch.receiver.alerts) if each["labels"]["alertname"] == name][:1]
