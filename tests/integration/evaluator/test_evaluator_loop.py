"""The evaluator as a service: real Kafka, PostgreSQL and S3, events in, events out."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from evaluator_kit import colour_detector, drawn_picture

from libs.common.events import (
    Annotation,
    Artifact,
    DatasetBuilt,
    EvaluationFailed,
    EvaluationRequested,
    Event,
    Media,
    ModelEvaluated,
    ModelPromoted,
    ModelRolledBack,
    ModelTrained,
    WorkflowChanged,
    to_json,
)
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.objects import S3Objects, connect
from libs.common.testing import NOON
from libs.local.ports import free_port
from services.evaluator.app import create_app
from services.evaluator.settings import Settings

pytestmark = pytest.mark.connected
CLASSES = ("red", "blue")
RED, BLUE = (10, 10, 40, 50), (50, 20, 90, 60)
Said = TypeVar("Said", bound=Event)


@dataclass
class Bus:
    """The test's ends of Kafka: says events, and keeps what the evaluator says."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    heard: list[tuple[Event, dict[str, str]]]

    async def say(self, event: Event, *, event_id: UUID | None = None) -> None:
        headers = [("ce_id", str(event_id or uuid4()).encode()), ("correlationid", b"a-correlation")]
        await self.producer.send_and_wait(event.topic, to_json(event), key=event.key.encode(), headers=headers)

    async def listen(self) -> None:
        kinds = {ModelEvaluated.topic: ModelEvaluated, EvaluationFailed.topic: EvaluationFailed}
        async for record in self.consumer:
            headers = {name: raw.decode() for name, raw in record.headers}
            self.heard.append((kinds[record.topic].model_validate_json(record.value), headers))

    def about(self, kind: type[Said], run_id: UUID) -> list[Said]:
        return [each for each, _ in self.heard if isinstance(each, kind) and each.key == str(run_id)]

    async def answer(self, kind: type[Said], run_id: UUID, *, number: int = 1) -> Said:
        async with asyncio.timeout(60):
            while len(self.about(kind, run_id)) < number:  # noqa: ASYNC110 a list tells nobody
                await asyncio.sleep(0.02)
        return self.about(kind, run_id)[number - 1]


@asynccontextmanager
async def bus_of(bootstrap: str) -> AsyncIterator[Bus]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    topics = (ModelEvaluated.topic, EvaluationFailed.topic)
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with producer, consumer:
        bus = Bus(producer, consumer, [])
        listening = asyncio.ensure_future(bus.listen())
        try:
            yield bus
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@dataclass
class Running:
    """The evaluator at work, and what a test needs around it."""

    bus: Bus
    objects: S3Objects
    dsn: str
    folder: Path
    workflow: str

    async def evaluations(self) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(
                "select e.*, j.state, j.attempt from evaluator.evaluation e join evaluator.job j on j.id = e.id"
            )
        finally:
            await connection.close()

    async def champion_version(self) -> int | None:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetchval(
                "select version from evaluator.champion where workflow = $1", self.workflow
            )
        finally:
            await connection.close()

    async def dataset(self) -> DatasetBuilt:
        """Two cameras, two test pictures each (one red missed, one blue false alarm), the same again as val."""
        lines = [await self._line(number) for number in range(8)]
        write_manifest(self.folder / "manifest.jsonl.zst", lines)
        manifest = await self.objects.put_file(
            f"datasets/{uuid4()}/manifest.jsonl.zst", self.folder / "manifest.jsonl.zst"
        )
        return DatasetBuilt(
            dataset_version_id=uuid4(), workflow=self.workflow, version=1, task="detection", classes=CLASSES,
            manifest=manifest, counts={"train": 0, "val": 4, "test": 4}, boxes_per_class={"red": 8, "blue": 4},
        )  # fmt: skip

    async def _line(self, number: int) -> ManifestLine:
        drawn, marked = [
            ({"red": RED}, {"red": RED}),
            ({"red": RED, "blue": BLUE}, {"red": RED, "blue": BLUE}),
            ({"blue": BLUE}, {"blue": BLUE, "red": RED}),
            ({"red": RED, "blue": BLUE}, {"red": RED}),
        ][number % 4]
        data = drawn_picture(drawn)
        media = await self.objects.put(f"snapshots/{self.workflow}/{number}.png", data, "image/png")
        return ManifestLine(
            sample_id=UUID(int=number + 1), kind="image", media=media.model_copy(update={"width": 96, "height": 96}),
            camera_id=f"line-{number % 4 // 2 + 1}", captured_at=NOON, annotation_revision=1, annotated_by="user:a",
            annotations=tuple(Annotation(label=label, box=box) for label, box in marked.items()),
            split="test" if number < 4 else "val", leakage_group=f"g{number}",
        )  # fmt: skip

    async def model(self, name: str, **changes: Any) -> tuple[Artifact, ...]:
        """The artifacts of a colour detector."""
        file = colour_detector(self.folder / f"{name}.onnx", CLASSES, **changes)
        metadata = {"abi": "detector/1", "classes": [{"id": i, "name": c} for i, c in enumerate(CLASSES)]}
        return (
            _artifact("best.onnx", await self.objects.put_file(f"runs/{uuid4()}/best.onnx", file)),
            _artifact(
                "metadata.json",
                await self.objects.put(
                    f"runs/{uuid4()}/metadata.json", json.dumps(metadata).encode(), "application/json"
                ),
            ),
        )

    def trained(self, dataset: DatasetBuilt, artifacts: tuple[Artifact, ...]) -> ModelTrained:
        return ModelTrained(
            training_run_id=uuid4(), workflow=self.workflow, dataset_version_id=dataset.dataset_version_id,
            backend="ultralytics", licence="AGPL-3.0", hyperparameters={"epochs": 1}, seed=0, artifacts=artifacts,
            metrics={"map50": 0.99}, duration_seconds=12.0, device="cpu", environment={}, dataset=dataset,
        )  # fmt: skip


def _artifact(name: str, media: Media) -> Artifact:
    return Artifact(name=name, uri=media.uri, sha256=media.sha256, bytes=media.bytes)


@pytest.fixture
async def running(environment: dict[str, str], database: Any, tmp_path: Path) -> AsyncIterator[Running]:
    """The evaluator in this process, ready, knowing one workflow."""
    await database.migrate("evaluator")
    port = free_port()
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        **environment,  # pyright: ignore[reportArgumentType]
        RETRY_BASE_SECONDS=0.1,  # pyright: ignore[reportCallIssue]
        cache_folder=tmp_path / "cache",
        http_port=port,
    )
    stop = asyncio.Event()
    serving = asyncio.ensure_future(create_app(settings).serve(stop))
    try:
        await _ready(port, serving)
        async with bus_of(settings.kafka_bootstrap_servers) as bus:
            objects = connect(settings)
            workflow = f"colours-{uuid4().hex[:8]}"
            await bus.say(_workflow(workflow))
            yield Running(bus, objects, settings.database_url, tmp_path, workflow)
    finally:
        stop.set()
        await serving


async def _ready(port: int, serving: "asyncio.Future[None]") -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while True:
            if serving.done():
                serving.result()
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def _workflow(name: str) -> WorkflowChanged:
    definition: dict[str, Any] = {
        "name": name,
        "title": {"en": "Colours", "zh": "颜色"},
        "task": "detection",
        "classes": [
            {"id": number, "name": label, "title": {"en": label, "zh": label}} for number, label in enumerate(CLASSES)
        ],
        "gate": {"minimum": {"map50": 0.6}, "maximum_drop": {"map50": 0.05}},
    }
    return WorkflowChanged(workflow=name, revision=1, definition=definition, changed_by="test")


async def test_a_trained_model_is_judged_once_however_often_it_is_announced(running: Running) -> None:
    trained = running.trained(await running.dataset(), await running.model("first"))
    event_id = uuid4()
    await running.bus.say(trained, event_id=event_id)
    evaluated = await running.bus.answer(ModelEvaluated, trained.training_run_id)

    assert evaluated.metrics["map50"] == pytest.approx((76 / 101 + 1) / 2)
    assert evaluated.metrics["recall"] == pytest.approx(5 / 6)
    assert evaluated.per_camera["line-1"]["f1"] == 1
    assert evaluated.operating_confidence == pytest.approx({"red": 0.45, "blue": 0.45})
    assert (evaluated.split, evaluated.gate.passed, evaluated.baseline) == ("test", True, None)
    assert evaluated.trained == trained
    assert {"download", "inference", "metrics", "report"} <= set(evaluated.seconds)
    headers = next(h for each, h in running.bus.heard if each == evaluated)
    assert (headers["causationid"], headers["correlationid"]) == (str(event_id), "a-correlation")

    await running.bus.say(trained, event_id=event_id)  # redelivered
    await running.bus.say(trained)  # said again by somebody who lost the id
    other = running.trained(trained.dataset, trained.artifacts)
    await running.bus.say(other)
    await running.bus.answer(ModelEvaluated, other.training_run_id)
    assert len(running.bus.about(ModelEvaluated, trained.training_run_id)) == 1
    assert sum(row["training_run_id"] == trained.training_run_id for row in await running.evaluations()) == 1


async def test_the_report_lies_beside_the_evaluation_with_its_digest(running: Running) -> None:
    trained = running.trained(await running.dataset(), await running.model("first"))
    await running.bus.say(trained)
    evaluated = await running.bus.answer(ModelEvaluated, trained.training_run_id)

    report = json.loads(await running.objects.get(evaluated.report.uri, expected_sha256=evaluated.report.sha256))
    files = {each.name: each for each in evaluated.report_files}
    page = await running.objects.get(files["report.html"].uri, expected_sha256=files["report.html"].sha256)
    assert f"/reports/{evaluated.evaluation_id}/" in evaluated.report.uri
    assert report["metrics"]["map50"] == evaluated.metrics["map50"]
    assert report["lineage"]["training_run_id"] == str(trained.training_run_id)
    assert "颜色" in page.decode()


async def test_a_model_is_compared_with_the_champion_of_the_moment(running: Running) -> None:
    dataset = await running.dataset()
    good, poor = await running.model("good"), await running.model("poor", blind_to=("red",))
    await running.bus.say(_promoted(running.workflow, 1, good))
    await _until(lambda: _is(running.champion_version, 1))
    trained = running.trained(dataset, poor)
    await running.bus.say(trained)
    first = await running.bus.answer(ModelEvaluated, trained.training_run_id)

    assert first.baseline is not None
    assert str(first.baseline.model) == f"{running.workflow}@1"
    assert first.baseline.comparison["map50"] == pytest.approx(0.5 - (76 / 101 + 1) / 2)
    assert not first.gate.passed
    assert first.gate.reasons[0] == "map50 0.50 is below the minimum 0.60"
    assert "0.05 is allowed" in first.gate.reasons[1]

    # The champion is taken back; the same run, judged again, is compared with what runs now.
    await running.bus.say(_rolled_back(running.workflow, 2, await running.model("worst", blind_to=CLASSES)))
    await _until(lambda: _is(running.champion_version, 2))
    again = EvaluationRequested(
        evaluation_id=uuid4(), training_run_id=trained.training_run_id, workflow=running.workflow,
        requested_by="user:a", reason="the champion changed",
    )  # fmt: skip
    await running.bus.say(again)
    second = await running.bus.answer(ModelEvaluated, trained.training_run_id, number=2)
    assert second.evaluation_id == again.evaluation_id
    assert second.baseline is not None
    assert second.baseline.comparison["map50"] == pytest.approx(0.5)
    assert len(second.gate.reasons) == 1


async def test_what_cannot_be_judged_fails_with_the_reason(running: Running) -> None:
    dataset, artifacts = await running.dataset(), await running.model("first")
    missing = artifacts[0].model_copy(update={"uri": "s3://camloop/runs/nowhere/best.onnx"})
    forged = artifacts[0].model_copy(update={"sha256": sha256(b"other").hexdigest()})
    reasons = {}
    for name, model in (("missing", (missing,)), ("forged", (forged,)), ("none", artifacts[1:])):
        trained = running.trained(dataset, model)
        await running.bus.say(trained)
        failed = await running.bus.answer(EvaluationFailed, trained.training_run_id)
        reasons[name] = failed.reason

    assert "runs/nowhere/best.onnx: no such object" in reasons["missing"]
    assert f"but {forged.sha256} was announced" in reasons["forged"]
    assert "has no artifact best.onnx" in reasons["none"]
    assert {(row["state"], row["attempt"]) for row in await running.evaluations()} == {("failed", 1)}


async def test_an_unknown_run_fails_after_waiting_for_it(running: Running) -> None:
    asked = EvaluationRequested(
        evaluation_id=uuid4(),
        training_run_id=uuid4(),
        workflow=running.workflow,
        requested_by="user:a",
        reason="why not",
    )
    await running.bus.say(asked)
    failed = await running.bus.answer(EvaluationFailed, asked.training_run_id)

    assert failed.evaluation_id == asked.evaluation_id
    assert "has produced no model (yet)" in failed.reason
    assert "after 5 attempts" in failed.reason


def _promoted(workflow: str, version: int, artifacts: tuple[Artifact, ...]) -> ModelPromoted:
    return ModelPromoted(
        model=workflow, version=version, alias="champion", by="rule:automatic", reason="gate passed", workflow=workflow,
        artifacts=artifacts,
    )  # fmt: skip


def _rolled_back(workflow: str, to_version: int, artifacts: tuple[Artifact, ...]) -> ModelRolledBack:
    return ModelRolledBack(
        model=workflow, from_version=1, to_version=to_version, alias="champion", by="user:a", reason="false alarms",
        workflow=workflow, artifacts=artifacts,
    )  # fmt: skip


async def _is(ask: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await ask() == wanted


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await true():  # noqa: ASYNC110 a database tells nobody
            await asyncio.sleep(0.05)
