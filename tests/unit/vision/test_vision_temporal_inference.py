"""From posteriors to segments, against a slow reading of the same words; and which files are temporal models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.features import Features
from libs.vision.onnx_sessions import SignatureError
from libs.vision.temporal_inference import TemporalModel, decode, frame_labels

LABELS = ("other", "rub", "rinse")
RATE = 10.0


def one_hot(labels: str) -> np.ndarray:
    """`o`, `u`, `i` for the three labels."""
    return np.eye(3)[["oui".index(letter) for letter in labels]]


def decoded(posteriors: np.ndarray, *, smooth: float = 0, shortest: float = 0, background: str | None = "other") -> Any:
    return decode(
        posteriors,
        LABELS,
        frames_per_second=RATE,
        smooth_seconds=smooth,
        shortest_seconds=shortest,
        background=background,
    )


def test_segments_are_timed_and_the_background_is_none() -> None:
    found = decoded(one_hot("oouuuuooii"))
    assert [(s.step, s.start, s.end, s.confidence) for s in found] == [("rub", 0.2, 0.6, 1.0), ("rinse", 0.8, 1.0, 1.0)]


def test_without_a_background_every_label_counts() -> None:
    assert [s.step for s in decoded(one_hot("oouui"), background=None)] == ["other", "rub", "rinse"]


def test_flicker_goes_to_the_longer_neighbour() -> None:
    assert [(s.step, s.start, s.end) for s in decoded(one_hot("uuuuuiuuuooo"), shortest=0.3)] == [("rub", 0.0, 0.9)]


def test_confidence_is_the_mean_of_the_label_in_its_segment() -> None:
    posteriors = np.array([[0.1, 0.9, 0.0], [0.2, 0.6, 0.2], [0.8, 0.1, 0.1]])
    (segment,) = decoded(posteriors)
    assert segment.confidence == pytest.approx(0.75)


def test_a_clip_without_a_moment_has_no_segments() -> None:
    assert decoded(np.zeros((0, 3)), smooth=1, shortest=1) == ()
    assert frame_labels(np.zeros((0, 3)), LABELS, frames_per_second=10, smooth_seconds=1, shortest_seconds=1) == []


@pytest.mark.parametrize(("shape", "rate", "told"), [((4, 2), 10.0, "are not"), ((4, 3), 0.0, "no rate")])
def test_nonsense_is_refused(shape: tuple[int, int], rate: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        frame_labels(np.ones(shape), LABELS, frames_per_second=rate, smooth_seconds=1, shortest_seconds=1)


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_segments_say_what_the_frames_say(rows: list[tuple[float, ...]], smooth: float, shortest: float) -> None:
    """Every moment is in the segment of its label and in no other; without decoding the likeliest label wins."""
    posteriors = np.array(rows, dtype=np.float64).reshape(-1, 3)
    known = {"frames_per_second": RATE, "smooth_seconds": smooth, "shortest_seconds": shortest}
    labels = frame_labels(posteriors, LABELS, **known)
    segments = decode(posteriors, LABELS, **known, background="other")
    for moment, label in enumerate(labels):
        over = [s.step for s in segments if s.start <= moment / RATE + 1e-9 < s.end]
        assert over == ([] if label == "other" else [label])
    if smooth * RATE < 1.5 and shortest * RATE < 1.5:
        assert labels == [LABELS[max(range(3), key=lambda index, row=row: (row[index], -index))] for row in rows]


onnx = pytest.importorskip("onnx", reason="the onnx package builds the test models: install the trainer's extra")


def model(path: Path, *, columns: int | str = 3, labels: int | str = 3, moments: int | str = "T", **names: str) -> Path:
    """A model that says softmax(features): with as many labels as columns."""
    features, posteriors = names.get("features", "features"), names.get("posteriors", "posteriors")
    node = onnx.helper.make_node
    nodes = [
        node("Unsqueeze", ["visible", "axis"], ["seen"]),
        node("Mul", [features, "seen"], ["masked"]),
        node("Softmax", ["masked"], [posteriors], axis=2),
    ]
    tensor, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    inputs = [tensor(features, kind, [1, moments, columns]), tensor("visible", kind, [1, moments])]
    outputs = [tensor(posteriors, kind, [1, moments, labels])]
    axis = onnx.numpy_helper.from_array(np.array([2], np.int64), "axis")
    graph = onnx.helper.make_graph(nodes, "temporal", inputs, outputs, [axis])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def features(columns: int = 3, moments: int = 5) -> Features:
    values = np.arange(moments * columns, dtype=np.float32).reshape(moments, columns) / 7
    visible = np.array([1, 0, 1, 1, 1][:moments], np.float32)
    return Features(values, visible, RATE, "hands", "1", tuple("abcdefgh"[:columns]))


def test_a_model_is_run_over_clips_of_any_length(tmp_path: Path) -> None:
    loaded = TemporalModel(model(tmp_path / "best.onnx"), LABELS, threads=1)
    given_clip = features()
    powers = np.exp(given_clip.values.astype(np.float64) * given_clip.visible[:, None])
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = loaded.posteriors(given_clip)
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-6)
    assert loaded.posteriors(features(moments=2)) == pytest.approx(expected[:2], abs=1e-6)
    assert loaded.posteriors(features(moments=0)).shape == (0, 3)
    from_bytes = TemporalModel((tmp_path / "best.onnx").read_bytes(), LABELS, threads=1)
    assert (from_bytes.posteriors(given_clip) == found).all()


def test_features_of_another_extractor_are_refused(tmp_path: Path) -> None:
    loaded = TemporalModel(model(tmp_path / "best.onnx"), LABELS, threads=1)
    with pytest.raises(SignatureError, match="reads 3 numbers a moment, the features of hands have 4"):
        loaded.posteriors(features(columns=4))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": "images"}, r"temporal/1 needs \['features', 'visible'\]"),
        ({"posteriors": "scores"}, "scores"),
        ({"columns": "D", "labels": "L"}, "a fixed number of columns and labels"),
        ({"moments": 100}, "clips of any length"),
    ],
)
def test_another_signature_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        TemporalModel(model(tmp_path / "best.onnx", **changes), LABELS)


def test_as_many_names_as_labels(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="tells 3 labels apart, but its metadata names 2"):
        TemporalModel(model(tmp_path / "best.onnx"), LABELS[:2])


def test_junk_is_no_model() -> None:
    with pytest.raises(SignatureError, match="can't be loaded as ONNX"):
        TemporalModel(b"junk", LABELS)
