"""Every kind of temporal model, trained for seconds on drawn clips: it learns, ships as one signature, and says the same there."""

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from libs.vision.features import Features
from libs.vision.segments import TimedSegment, labels_at
from libs.vision.temporal_inference import TemporalModel, decode
from tests.ml.clips import COLUMNS, LABELS, RATE, STEPS, clip_spec, draw_clip, write_clips
from tests.ml.training import Heard, Trainer

pytestmark = pytest.mark.slow
NETWORK = {"epochs": 12, "learning_rate": 0.005, "dropout": 0.1, "smooth_seconds": 0.5, "shortest_seconds": 0.5}
SMALL = {"layers": 4, "stages": 2, "maps": 16}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "mstcn": ("temporal", {**NETWORK, **SMALL, "members": 2}),
    "mstcn-causal": ("temporal", {**NETWORK, **SMALL, "causal": True}),
    "bilstm": ("temporal", {**NETWORK, "model": "bilstm", "maps": 16}),
    "lstm-causal": ("temporal", {**NETWORK, "model": "lstm", "maps": 32, "layers": 2, "causal": True}),
    "transformer": ("temporal", {**NETWORK, "model": "transformer", "maps": 32, "window": 8}),
    "transformer-causal": ("temporal", {**NETWORK, "model": "transformer", "maps": 32, "window": 8, "causal": True}),
    "projected": ("temporal", {**NETWORK, **SMALL, "components": 2}),
    "forest": ("classic", {"trees": 20}),
    "forest-causal": ("classic", {"trees": 20, "causal": True}),
    "logistic": ("classic", {"model": "logistic", "regularisation": 1.0}),
}


@dataclass(frozen=True)
class Trained:
    """One kind, trained, with what its child said."""

    name: str
    heard: Heard
    output: Path

    @property
    def model(self) -> TemporalModel:
        return TemporalModel(self.output / "best.onnx", LABELS, threads=1)

    @property
    def metadata(self) -> dict[str, Any]:
        return json.loads((self.output / "metadata.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips") / "dataset", "ttttttttvvve")


@pytest.fixture(scope="module", params=KINDS)
def trained(
    request: pytest.FixtureRequest, clip_trainer: Trainer, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    backend, hyperparameters = KINDS[request.param]
    output = tmp_path_factory.mktemp(request.param) / "output"
    heard = clip_trainer.run(clip_spec(dataset, output, hyperparameters, backend=backend))
    assert heard.code == 0, f"{heard.said[-1]} {heard.stderr[-2000:]}"
    return Trained(request.param, heard, output)


def test_it_learned_the_steps(trained: Trained) -> None:
    metrics = trained.heard.finished.metrics
    assert metrics["frame_accuracy"] > 80, metrics
    assert metrics["edit"] > 60, metrics
    features, segments = draw_clip(1000)
    decoding = trained.metadata["decoding"]
    found = decode(trained.model.posteriors(features), LABELS, frames_per_second=RATE, background="other", **decoding)
    long = {each.step for each in found if each.seconds > 1}
    assert long == {each["step"] for each in segments}


def test_it_ships_with_the_signature_of_all(trained: Trained) -> None:
    model = onnx.load(trained.output / "best.onnx")
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 17
    shapes = {
        tensor.name: [side.dim_value or side.dim_param for side in tensor.type.tensor_type.shape.dim]
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"features": [1, "T", COLUMNS], "visible": [1, "T"], "posteriors": [1, "T", len(LABELS)]}
    assert str(trained.output) not in str(model), "a path of the training machine is in the model"
    for moments in (1, 2, 7, 8, 9, 33, 300):
        features = clip_of(moments, 7)
        told = trained.model.posteriors(features)
        assert told.shape == (moments, len(LABELS))
        assert told.sum(axis=1) == pytest.approx(np.ones(moments), abs=1e-5)
        assert (told >= 0).all()


def clip_of(moments: int, seed: int) -> Features:
    dice = np.random.default_rng(seed)
    names = tuple(f"column_{number}" for number in range(COLUMNS))
    values = dice.normal(0, 2, (moments, COLUMNS)).astype(np.float32)
    return Features(values, np.ones(moments, np.float32), RATE, "hands", "1", names)


def test_a_causal_model_knows_nothing_of_the_future_and_another_does(trained: Trained) -> None:
    before = clip_of(90, 1)
    values, visible = before.values.copy(), before.visible.copy()
    values[60:] = -3 * values[60:] + 1
    visible[70:] = 0
    after = Features(values, visible, RATE, "hands", "1", before.names)
    difference = np.abs(trained.model.posteriors(before) - trained.model.posteriors(after)).max(axis=1)
    assert difference[60:].max() > 1e-3, "the model reads nothing at all"
    if trained.metadata["causal"]:
        assert difference[:60].max() < 1e-6
    else:
        assert difference[:60].max() > 1e-4


def test_what_is_out_of_sight_says_nothing(trained: Trained) -> None:
    before = clip_of(60, 2)
    visible = before.visible.copy()
    visible[20:40] = 0
    values = before.values.copy()
    values[20:40] = 1000
    names = before.names
    told = [
        trained.model.posteriors(Features(each, visible, RATE, "hands", "1", names)) for each in (before.values, values)
    ]
    assert told[0] == pytest.approx(told[1], abs=1e-6)


def test_a_model_of_varied_clips_reads_those_of_other_people_better(
    clip_trainer: Trainer, dataset: Path, tmp_path: Path
) -> None:
    def trained_with(**hyperparameters: float) -> TemporalModel:
        output = tmp_path / "-".join(["with", *hyperparameters])
        heard = clip_trainer.run(clip_spec(dataset, output, {**NETWORK, **SMALL, **hyperparameters}))
        assert heard.code == 0, heard.stderr[-2000:]
        return TemporalModel(output / "best.onnx", LABELS, threads=1)

    plain = trained_with()
    assert right_share(trained_with(clip_shift=1.0), shifted) > right_share(plain, shifted) + 0.05
    assert right_share(trained_with(left_out=0.4), partly_still) > right_share(plain, partly_still) + 0.05


def shifted(values: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    return values + dice.normal(0, 2, COLUMNS).astype(np.float32)


def partly_still(values: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    still = np.isin(np.arange(COLUMNS), dice.permutation(COLUMNS)[:2])
    return np.where(still, values.mean(axis=0), values)


def right_share(
    model: TemporalModel, disturb: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
) -> float:
    """The share of right moments in a dozen clips, each disturbed in a way of its own."""
    right = list[bool]()
    for number in range(2000, 2012):
        clip, segments = draw_clip(number)
        values = disturb(clip.values, np.random.default_rng(number))
        told = model.posteriors(Features(values, clip.visible, RATE, "hands", "1", clip.names)).argmax(axis=1)
        times = [TimedSegment(s["step"], s["start_seconds"], s["end_seconds"]) for s in segments]
        truth = labels_at(times, [moment / RATE for moment in range(len(values))], background="other")
        right += [LABELS[one] == other for one, other in zip(told.tolist(), truth, strict=True)]
    return sum(right) / len(right)


def test_metadata_says_what_the_model_is(trained: Trained) -> None:
    metadata = trained.metadata
    assert metadata == trained.heard.finished.metadata
    assert metadata["abi"] == "temporal/1"
    assert metadata["steps"] == STEPS
    assert "classes" not in metadata
    columns = [f"column_{number}" for number in range(COLUMNS)]
    assert metadata["input"] == {"extractor": "hands", "extractor_version": "1", "fps": RATE, "features": columns}
    assert set(metadata["decoding"]) == {"smooth_seconds", "shortest_seconds"}
    assert metadata["background"] == "other"
    assert metadata["causal"] == trained.name.endswith("causal")
    assert metadata["licence"] == "BSD-3-Clause"
    assert metadata["validated_on"] == "val"


def test_artifacts_are_what_their_digests_say(trained: Trained) -> None:
    artifacts = {entry.name: entry for entry in trained.heard.finished.artifacts}
    weights = {"best.pt"} if trained.metadata["backend"] == "temporal" else set[str]()
    assert set(artifacts) == {"best.onnx", "metadata.json", "train.log", "results.csv"} | weights
    for entry in artifacts.values():
        data = entry.path.read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.sha256, entry.bytes)
    assert {entry["name"] for entry in trained.metadata["files"]} == {"best.onnx", "results.csv"} | weights
    with (trained.output / "results.csv").open(encoding="utf-8") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == trained.heard.epochs
    logged = (trained.output / "train.log").read_text(encoding="utf-8")
    assert all(line.text in logged for line in trained.heard.log)


def test_every_line_comes_in_its_order(trained: Trained, clip_trainer: Trainer) -> None:
    order = [line.type for line in trained.heard.said if line.type != "log"]
    epochs = len(trained.heard.epochs)
    assert order == ["started", *(["progress", "checkpoint"] * epochs), "finished"]
    assert trained.heard.epochs == list(range(1, epochs + 1))
    assert list(clip_trainer.home.iterdir()) == [], "written outside the output folder"


def test_onnx_says_what_torch_says(trained: Trained) -> None:
    """Built anew from best.pt, on a clip neither has seen; the child has compared them on its own clips."""
    if trained.metadata["backend"] != "temporal":
        assert "differs by" in trained.heard.texts("info"), "the child compares a classifier that it never stores"
        return
    import torch

    from services.trainer.training.hyperparameters import TemporalHyperparameters
    from services.trainer.training.temporal_learning import posteriors_of
    from services.trainer.training.temporal_networks import Reader, TemporalNet, network

    stored = torch.load(trained.output / "best.pt", weights_only=True)
    hyper, state = TemporalHyperparameters(**stored["hyperparameters"]), stored["state"]
    reader = Reader(state["reader.mean"], state["reader.deviation"], state.get("reader.projection"))
    net = TemporalNet(reader, [network(reader.numbers, len(LABELS), hyper) for _ in range(hyper.members)])
    net.load_state_dict(state)
    features, _ = draw_clip(1001)
    assert trained.model.posteriors(features) == pytest.approx(posteriors_of(net.eval(), features), abs=1e-5)
    assert reader.numbers == (2 if trained.name == "projected" else COLUMNS) + 1
