"""The example camera: follows the registry, sees what the evaluator sees, loses nothing, stays small and alone."""

import ast
import asyncio
import importlib.util
import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

pytest.importorskip("onnx", reason="tiny models are made with onnx: uv sync --extra ultralytics")

from libs.common.envelope import read_envelope
from libs.common.events import SnapshotCaptured
from libs.local.scenes import SceneShot, camera_series, write_shot
from libs.vision.inference import Detector, letterbox
from tests.integration.examples.plant import (
    EXAMPLE,
    TOKEN,
    Plant,
    RunningCamera,
    metadata_of,
    tiny_detector,
    wait_until,
)


@pytest.fixture(scope="module")
def camera() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_camera", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shots() -> list[SceneShot]:
    return list(camera_series("line-3", 5, 1))


@pytest.fixture
def plant() -> Iterator[Plant]:
    with Plant().running() as plant:
        yield plant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def started(plant: Plant, folder: Path) -> Iterator[RunningCamera]:
    running = RunningCamera(plant, folder)
    yield running
    running.stop()


def random_image(width: int, height: int) -> Any:
    return np.random.default_rng(width * height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_it_has_fewer_than_a_hundred_lines_and_imports_nothing_of_camloop() -> None:
    source = EXAMPLE.read_text()
    nodes = list(ast.walk(ast.parse(source)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert len(source.splitlines()) < 100
    assert imported - sys.stdlib_module_names == {"cv2", "httpx", "numpy", "onnxruntime"}


@pytest.mark.parametrize(("width", "height"), [(320, 240), (96, 64), (31, 200), (641, 479), (1, 50)])
def test_a_model_is_shown_exactly_what_the_evaluator_shows_it(camera: ModuleType, width: int, height: int) -> None:
    shown: list[Any] = []

    class Session:
        def get_inputs(self) -> list[Any]:
            return [Namespace(shape=[1, 3, 64, 96])]

        def run(self, _: Any, inputs: dict[str, Any]) -> list[Any]:
            shown.append(inputs["images"])
            return [np.zeros((1, 1, 6), np.float32)]

    image = random_image(width, height)
    camera.detect(Session(), image, metadata_of(1))
    assert shown[0].dtype == np.float32
    assert np.array_equal(shown[0], letterbox(image, 96, 64))


@pytest.mark.parametrize(("width", "height"), [(320, 240), (96, 64), (31, 200), (641, 479)])
def test_it_detects_what_the_evaluator_detects(camera: ModuleType, width: int, height: int) -> None:
    inside, over_the_border, padding_only = [20.0, 10.0, 60.0, 50.0], [-9.0, 20.0, 70.0, 99.0], [0.0, 0.0, 0.0, 4.0]
    model = tiny_detector(96, 64, [inside, over_the_border, padding_only])
    least = {"hairnet": 0.05, "no_hairnet": 0.1}
    found = camera.detect(onnxruntime.InferenceSession(model), random_image(width, height), metadata_of(1, least))
    expected = Detector(model, ["hairnet", "no_hairnet"]).detect(random_image(width, height), least)
    found.sort(key=lambda each: -each["confidence"])
    assert len(found) == 2
    assert [each["label"] for each in found] == [each.label for each in expected]
    assert np.allclose([each["box"] for each in found], [each.box for each in expected], atol=1e-4)
    assert np.allclose([each["confidence"] for each in found], [each.confidence for each in expected], atol=1e-6)


def test_it_leaves_out_what_the_model_is_not_sure_enough_of(camera: ModuleType) -> None:
    session = onnxruntime.InferenceSession(tiny_detector(96, 64, [[5, 5, 50, 50], [20, 5, 60, 50]]))
    image = np.full((64, 96, 3), 128, np.uint8)
    for least, labels in ((0.4, ["hairnet", "no_hairnet"]), (0.6, ["hairnet"])):
        metadata = metadata_of(1, {"hairnet": 0.4, "no_hairnet": least})
        assert [each["label"] for each in camera.detect(session, image, metadata)] == labels


def test_it_takes_over_each_promoted_model_without_a_restart(
    plant: Plant, folder: Path, started: RunningCamera, shots: list[SceneShot]
) -> None:
    def sent(number: int) -> dict[str, Any]:
        write_shot(shots[number], folder)
        wait_until(lambda: len(plant.received) > number)
        return plant.received[number]

    assert "detected_by" not in sent(0)
    assert "detections" not in plant.received[0]
    for version in (1, 2):
        plant.promote(version)
        wait_until(lambda line=f"line-3 runs hairnet version {version}": line in started.lines, seconds=10)
        assert sent(version)["detected_by"] == {"name": "hairnet", "version": version}
        assert {each["label"] for each in plant.received[version]["detections"]} == {"hairnet", "no_hairnet"}
    assert plant.unauthorised == []
    assert plant.linked_with_token == []


def test_a_model_with_another_digest_is_refused_and_the_old_one_stays(
    plant: Plant, folder: Path, started: RunningCamera, shots: list[SceneShot]
) -> None:
    plant.promote(1)
    wait_until(lambda: "line-3 runs hairnet version 1" in started.lines)
    plant.promote(2, truthful=False)
    wait_until(lambda: any("not the digest" in line for line in started.lines))
    write_shot(shots[0], folder)
    wait_until(lambda: plant.received)
    assert plant.received[0]["detected_by"] == {"name": "hairnet", "version": 1}
    plant.promote(3)
    wait_until(lambda: "line-3 runs hairnet version 3" in started.lines)


def test_what_is_known_of_a_picture_goes_with_it(plant: Plant, folder: Path, shots: list[SceneShot]) -> None:
    write_shot(shots[0], folder, annotated=True)
    write_shot(shots[1], folder)
    running = RunningCamera(plant, folder, "--count", "2")
    wait_until(lambda: running.process.poll() is not None)
    running.stop()
    assert running.process.returncode == 0
    assert plant.pictures == [shots[0].jpeg, shots[1].jpeg]
    first, second = (SnapshotCaptured.model_validate(each | {"image": MEDIA}) for each in plant.received)
    assert [each.captured_at for each in (first, second)] == [shots[0].captured_at, shots[1].captured_at]
    assert first.annotations is not None
    assert [each.label for each in first.annotations] == [each.label for each in shots[0].annotations]
    assert second.annotations is None


MEDIA = {"uri": "s3://camloop/a", "sha256": "0" * 64, "content_type": "image/jpeg", "bytes": 1}


def test_a_busy_ingest_gets_the_same_snapshot_again(
    plant: Plant, folder: Path, started: RunningCamera, shots: list[SceneShot]
) -> None:
    plant.refusals = [(503, ""), (429, "")]
    write_shot(shots[0], folder)
    wait_until(lambda: plant.received)
    again = RunningCamera(plant, folder, "--count", "1")
    wait_until(lambda: again.process.poll() is not None)
    again.stop()
    assert sum("keeps" in line for line in started.lines) == 2
    assert len(plant.received) == 2
    assert plant.received[0]["snapshot_id"] == plant.received[1]["snapshot_id"]


def test_a_picture_refused_for_good_does_not_hold_up_the_others(
    plant: Plant, folder: Path, started: RunningCamera, shots: list[SceneShot]
) -> None:
    plant.refusals = [(422, "")]
    write_shot(shots[0], folder)
    wait_until(lambda: any("422" in line for line in started.lines))
    write_shot(shots[1], folder)
    wait_until(lambda: plant.received)
    assert plant.pictures == [shots[1].jpeg]


def test_with_kafka_it_stores_the_bytes_and_publishes_the_event_itself(
    camera: ModuleType, plant: Plant, folder: Path, shots: list[SceneShot], monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]] = []

    class Producer:
        def __init__(self, *, bootstrap_servers: str, acks: str) -> None:
            assert (bootstrap_servers, acks) == ("127.0.0.1:9", "all")

        async def __aenter__(self) -> "Producer":
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def send_and_wait(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> None:
            published.append((topic, value, key, headers))

    monkeypatch.setitem(sys.modules, "aiokafka", Namespace(AIOKafkaProducer=Producer))
    args = Namespace(camera="line-3", workflow="hairnet", ingest=plant.url, kafka="127.0.0.1:9")
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        asyncio.run(camera.send(args, http, None, write_shot(shots[0], folder)))
    ((topic, value, key, headers),) = published
    envelope = read_envelope(topic=topic, key=key, headers=headers, value=value)
    event = SnapshotCaptured.model_validate_json(value)
    assert (topic, key, event.key) == ("snapshot.captured", b"line-3", "line-3")
    assert (envelope.source, envelope.declared_type) == ("/camera/line-3", "snapshot.captured")
    assert str(envelope.event_id) == event.snapshot_id
    assert event.image.sha256 == shots[0].sha256
    assert event.image.uri == f"s3://camloop/{shots[0].sha256}"
    assert plant.files[f"/put/{shots[0].sha256}"] == shots[0].jpeg
    assert plant.linked_with_token == []
    assert json.loads(value)["captured_at"] == shots[0].captured_at.isoformat()
