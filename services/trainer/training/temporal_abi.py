"""Gives an exported model the one signature of all temporal models, `temporal/1`, and proves that it says the same.

Inputs `features` float32 [1, T, D] and `visible` float32 [1, T]; output `posteriors` float32 [1, T, L]; T is free. Opset 17.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from libs.vision.features import Features
from libs.vision.temporal_inference import ABI, TemporalModel

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference of a posterior between the framework and the exported file; float32 sums in another order."""

FloatArray = NDArray[np.float64]


def write_onnx(path: Path, model: onnx.ModelProto, *, columns: int, labels: int, facts: Mapping[str, str]) -> None:
    """Fix the shapes, replace the metadata by `facts`, check and write. Raises RuntimeError: that is a bug in the export."""
    graph = model.graph
    names = [each.name for each in graph.input], [each.name for each in graph.output]
    if names != (["features", "visible"], ["posteriors"]):
        raise RuntimeError(f"{path} is no {ABI}: it has {names[0]} -> {names[1]}")
    if {entry.domain: entry.version for entry in model.opset_import}.get("") != OPSET:
        raise RuntimeError(f"{path} is no {ABI}: it needs opset {OPSET}")
    shapes = [(1, "T", columns), (1, "T"), (1, "T", labels)]
    for tensor, shape in zip([*graph.input, *graph.output], shapes, strict=True):
        tensor.CopyFrom(onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, shape))
    del model.metadata_props[:]
    del graph.value_info[:]
    onnx.helper.set_model_props(model, {"abi": ABI, **facts})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def largest_difference(
    path: Path, labels: Sequence[str], clips: Sequence[Features], told: Callable[[Features], FloatArray]
) -> float:
    """Largest difference between the file's posteriors and what the framework told, over clips and pieces of them.

    Raises RuntimeError when it is more than `TOLERANCE`: what ships would not be what was measured.
    """
    model = TemporalModel(path, labels, threads=1)
    pieces = [piece for clip in clips for piece in (clip, _begin(clip, 1), _begin(clip, 37))]
    worst = max(float(np.abs(model.posteriors(piece) - told(piece)).max()) for piece in pieces)
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{path} says something else than the framework: posteriors differ by {worst:.2g}")
    return worst


def _begin(clip: Features, moments: int) -> Features:
    return Features(
        clip.values[:moments],
        clip.visible[:moments],
        clip.frames_per_second,
        clip.extractor,
        clip.extractor_version,
        clip.names,
    )
