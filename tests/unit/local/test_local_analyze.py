"""`camloop analyze` with a hand-built model and a drawn clip: what it says, what it writes, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from libs.common.errors import Permanent
from libs.local.cli import app
from libs.local.client import NotRunning
from libs.local.connections import registry
from libs.vision.extractors.registry import load
from libs.vision.video import Frame
from tests.support.clips import moments, sink, wash, write_clip

onnx = pytest.importorskip("onnx", reason="the onnx package builds the test models: install the trainer's extra")

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "workflows" / "handwash.yaml"
LABELS = ("other", "palm_to_palm", "fingertips")
Artifacts = Callable[..., Path]


@pytest.fixture(scope="module")
def columns() -> int:
    still = load("classic").extract([Frame(number, number / 10, sink()) for number in range(2)])
    return len(still.names)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = wash(3)
    return write_clip(tmp_path_factory.mktemp("clip") / "wash.mp4", (at(second) for second in moments(4.0)))


@pytest.fixture(autouse=True)
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs; the workflow asks for two of the steps."""
    definition = yaml.safe_load(SHIPPED.read_text("utf-8"))
    steps = [step for step in definition["procedure"]["steps"] if step["name"] in LABELS]
    definition["procedure"] |= {"steps": steps, "minimum_seconds": 2, "minimum_visible": 0.0}
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "handwash.yaml").write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
    (folder / "hairnet.yaml").write_bytes((SHIPPED.parent / "hairnet.yaml").read_bytes())
    monkeypatch.setenv("WORKFLOWS_FOLDER", str(folder))
    monkeypatch.setenv("CAMLOOP_DATA_FOLDER", str(tmp_path / "var"))
    monkeypatch.delenv("CAMLOOP_LANGUAGE", raising=False)


@pytest.fixture
def artifacts(tmp_path: Path, columns: int) -> Artifacts:
    def made(sees: str = "palm_to_palm", **changes: Any) -> Path:
        folder = tmp_path / "artifacts"
        folder.mkdir()
        _model(folder / "best.onnx", columns, LABELS.index(sees))
        said = {
            "abi": "temporal/1", "model": "handwash", "version": 3, "workflow": "handwash", "background": "other",
            "steps": [{"id": number, "name": name} for number, name in enumerate(LABELS)],
            "input": {"extractor": "classic", "extractor_version": load("classic").version},
            "decoding": {"smooth_seconds": 0.5, "shortest_seconds": 0.2},
        }  # fmt: skip
        (folder / "metadata.json").write_text(json.dumps(said | changes))
        return folder

    return made


def _model(path: Path, columns: int, label: int) -> None:
    """A model that sees one label, whatever is shown."""
    node, tensor, kind = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    nodes = [
        node("Unsqueeze", ["visible", "axis"], ["seen"]),
        node("Mul", ["features", "seen"], ["masked"]),
        node("MatMul", ["masked", "nothing"], ["flat"]),
        node("Add", ["flat", "favour"], ["scores"]),
        node("Softmax", ["scores"], ["posteriors"], axis=2),
    ]
    constants = {
        "axis": np.array([2], np.int64),
        "nothing": np.zeros((columns, len(LABELS)), np.float32),
        "favour": 9 * np.eye(len(LABELS), dtype=np.float32)[label],
    }
    inputs = [tensor("features", kind, [1, "T", columns]), tensor("visible", kind, [1, "T"])]
    outputs = [tensor("posteriors", kind, [1, "T", len(LABELS)])]
    known = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = onnx.helper.make_graph(nodes, "temporal", inputs, outputs, known)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


def analyze(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["analyze", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments: object) -> str:
    with pytest.raises(Permanent) as refusal:
        analyze(*arguments)
    return str(refusal.value)


def test_it_says_steps_verdict_and_reasons_and_writes_the_clip(
    clip: Path, artifacts: Artifacts, tmp_path: Path
) -> None:
    out = tmp_path / "seen.mp4"
    said = json.loads(analyze(clip, "--artifacts", artifacts(), "--out", out, "--json"))
    assert (said["model"], said["verdict"], said["missing_steps"]) == ("handwash@3", "non_compliant", ["fingertips"])
    assert [each["words"] for each in said["reasons"]] == ["Fingertips to palm is missing"]
    (segment,) = said["segments"]
    assert (segment["step"], segment["start_seconds"]) == ("palm_to_palm", 0.0)
    assert segment["end_seconds"] == said["seconds"]["palm_to_palm"] == pytest.approx(4.0, abs=0.11)
    assert said["out"] == str(out)
    assert b"ftyp" in out.read_bytes()[:16]


def test_people_read_it_in_their_language(clip: Path, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = artifacts()
    english = analyze(clip, "--artifacts", folder)
    assert "Palm to palm\n" in english
    assert "not compliant: Fingertips to palm is missing" in english
    said = analyze(clip, "--artifacts", folder, "--language", "zh")
    assert "不合规：缺少步骤：指尖对掌心" in said
    assert "片段共 4.0 秒" in said
    monkeypatch.setenv("CAMLOOP_LANGUAGE", "zh")
    assert "掌心对掌心\n" in analyze(clip, "--artifacts", folder)


def test_hands_out_of_sight_miss_no_step(artifacts: Artifacts, tmp_path: Path) -> None:
    path = tmp_path / "workflows" / "handwash.yaml"
    definition = yaml.safe_load(path.read_text("utf-8"))
    definition["procedure"]["minimum_visible"] = 0.5
    path.write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
    grey = np.full((120, 160, 3), 128, np.uint8)
    empty = write_clip(tmp_path / "empty.mp4", [grey] * 30)
    said = json.loads(analyze(empty, "--artifacts", artifacts(), "--json"))
    assert (said["verdict"], said["missing_steps"]) == ("undetermined", [])
    assert [each["code"] for each in said["reasons"]] == ["hands_not_visible"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"abi": "detector/1"}, r"a model of another task \(detector/1\)"),
        ({"decoding": {}}, "does not say how the model is run"),
        ({"input": {"extractor": "classic", "extractor_version": "0"}}, "reads features of classic 0"),
        ({"input": {"extractor": "radar", "extractor_version": "1"}}, "There is no extractor 'radar'"),
        ({"steps": [{"name": "other"}, {"name": "palm_to_palm"}, {"name": "soap"}]}, "does not know fingertips"),
        ({"workflow": "hairnet"}, "The workflow hairnet is of task detection"),
    ],
)
def test_a_model_that_does_not_fit_is_named(
    clip: Path, artifacts: Artifacts, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(Permanent, match=told):
        analyze(clip, "--artifacts", artifacts(**changes))


def test_what_is_no_video_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    folder, junk = artifacts(), tmp_path / "junk.mp4"
    junk.write_bytes(b"no video")
    assert "is no video that can be watched" in refused(junk, "--artifacts", folder)
    assert "There is no video" in refused(tmp_path / "gone.mp4", "--artifacts", folder)


def test_what_can_t_be_meant_is_refused(clip: Path, artifacts: Artifacts, tmp_path: Path) -> None:
    folder = artifacts()
    assert "name two models" in refused(clip, "--artifacts", folder, "--model", "handwash@1")
    assert "can't be written" in refused(clip, "--artifacts", folder, "--out", clip)
    assert "has no best.onnx" in refused(clip, "--artifacts", tmp_path)


def test_without_a_system_there_is_no_champion_to_ask_for(clip: Path) -> None:
    with pytest.raises(NotRunning), registry():
        pass
    with pytest.raises(NotRunning, match="camloop up --detach"):
        analyze(clip)
