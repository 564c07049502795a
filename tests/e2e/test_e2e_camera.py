"""The example camera follows the registry: it takes over a promoted model in time and sees what the evaluator sees."""

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import httpx
import pytest
from onnxruntime import InferenceSession

from libs.common.manifests import read_manifest
from libs.local.scenes import camera_series, write_shot
from libs.vision.inference import Detector
from tests.support.system import REPOSITORY, System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(900)]
CAMERA = REPOSITORY / "deploy" / "examples" / "camera.py"
WORKFLOW = "kitchen"
QUICK = {
    "model": "yolov8n",
    "pretrained": False,
    "image_size": 128,
    "epochs": 10,
    "batch": 8,
    "nominal_batch": 8,
    "patience": 0,
}


@contextmanager
def example_camera(system: System, name: str, source: Path, *, kafka: bool) -> Iterator[Path]:
    """Run deploy/examples/camera.py on a folder; yields the file it prints into."""
    known = system.endpoints
    token = system.camloop("camera", "add", name)["token"]
    (system.folder / f"{name}.token").write_text(token)
    output = system.folder / f"{name}.out"
    command = [
        sys.executable, str(CAMERA), "--camera", name, "--workflow", WORKFLOW, "--source", str(source), "--ingest",
        known["http"]["ingest"], "--registry", known["http"]["registry"], "--token-file",
        str(system.folder / f"{name}.token"), "--interval", "0.3",
    ]  # fmt: skip
    if kafka:
        command += ["--kafka", known["kafka"]["bootstrap_servers"]]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=system.folder)
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def camera_program() -> ModuleType:
    """The example as a module, for its `detect`."""
    spec = importlib.util.spec_from_file_location("example_camera", CAMERA)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fetched(url: str) -> bytes:
    """What a presigned link gives."""
    return httpx.get(url).raise_for_status().content


def test_a_camera_takes_over_the_promoted_model_and_sees_what_the_evaluator_sees(
    system: System, tmp_path: Path
) -> None:
    system.add_workflow(
        "hairnet", WORKFLOW, cleaning={"approve": {"spot_check_share": 0.0}},
        dataset={"build_after_samples": 44, "minimum_samples": 44, "debounce_seconds": 1},
        training={"hyperparameters": QUICK}, gate={"minimum": {"map50": 0.0}}, promotion="manual",
    )  # fmt: skip
    waiting = system.until("the workflow is known", lambda: _ask_for_a_run(system), 90)
    waits = system.until("the run waits", lambda: system.camloop("why", waiting)["waits_for"], 90)
    assert "first dataset version" in waits

    folder = tmp_path / "shots"
    folder.mkdir()
    with example_camera(system, "kitchen-1", folder, kafka=False) as first, \
            example_camera(system, "kitchen-2", tmp_path / "more", kafka=True) as second:  # fmt: skip
        (tmp_path / "more").mkdir()
        for name, place in (("kitchen-1", folder), ("kitchen-2", tmp_path / "more")):
            for shot in camera_series(name, 23, 5, spoiled={"dark": 1}):
                write_shot(shot, place, annotated=True)
        version = system.until("a registered model", lambda: system.version(WORKFLOW), 500)
        assert version["training_run_id"] == waiting
        system.camloop("models", "promote", WORKFLOW, "1")
        promoted = time.monotonic()
        for output in (first, second):
            system.until(f"{output.stem} runs version 1", lambda: "runs kitchen version 1" in output.read_text(), 15)  # noqa: B023
        assert time.monotonic() - promoted < 10
    assert re.search(r"kitchen-1 sent .*: 0 detections", first.read_text())
    _same_detections(system)
    _why_leads_back_to_snapshots(system)


def _ask_for_a_run(system: System) -> str | None:
    known = {each["name"] for each in system.get("console", "/api/workflows")["workflows"]}
    return system.camloop("train", WORKFLOW)["training_run_id"] if WORKFLOW in known else None


def _same_detections(system: System) -> None:
    known = system.get("registry", "/v1/resolve", workflow=WORKFLOW, camera="kitchen-1")
    files = {each["name"]: fetched(each["url"]) for each in known["artifacts"]}
    metadata = json.loads(files["metadata.json"])
    names = [entry["name"] for entry in metadata["classes"]]
    evaluators = Detector(files["best.onnx"], names)
    session, program = InferenceSession(files["best.onnx"]), camera_program()
    # So low that a model of a minute's training sees something; the camera's lower, that none is left out by a rounding.
    lowered = metadata | {"operating_confidence": dict.fromkeys(names, 0.0009)}
    compared = 0
    for path in _test_pictures(system):
        image = cv2.imread(str(path))
        ours = evaluators.detect(image, minimum_confidence=dict.fromkeys(names, 0.001))
        theirs = program.detect(session, image, lowered)[: len(ours)]
        assert [each["label"] for each in theirs] == [each.label for each in ours]
        for mine, other in zip(ours, theirs, strict=True):
            assert other["box"] == pytest.approx(mine.box, abs=0.01)
            assert other["confidence"] == pytest.approx(mine.confidence, abs=1e-5)
        compared += len(ours)
    assert compared > 0, "a model that sees nothing proves nothing"


def _test_pictures(system: System) -> list[Path]:
    built = system.get("console", "/api/dataset-versions", workflow=WORKFLOW)["dataset_versions"][0]
    lines = read_manifest(_stored(system, built["manifest"]["uri"]).read_bytes())
    return [_stored(system, line.media.uri) for line in lines if line.split == "test"]


def _stored(system: System, uri: str) -> Path:
    return system.folder / "var" / "s3" / uri.removeprefix("s3://")


def _why_leads_back_to_snapshots(system: System) -> None:
    why: dict[str, Any] = system.camloop("why", f"{WORKFLOW}@1")
    told = [node["what"] for node in why["chain"]]
    for topic in (
        "model.registered",
        "model.evaluated",
        "model.trained",
        "dataset.built",
        "sample.approved",
        "snapshot.captured",
    ):
        assert any(topic in what for what in told), f"{topic} is missing in {told}"
