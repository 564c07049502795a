"""Gives an exported detector the one signature that every camera knows: `detector/1`.

Input `images` float32 [1, 3, H, W]; output `detections` float32 [1, K, 6]: x1, y1, x2, y2, confidence, class index, best
first, rows of confidence 0 are padding. Opset 17.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ABI = "detector/1"
OPSET = 17


def finish_onnx(path: Path, *, height: int, width: int, facts: Mapping[str, str]) -> None:
    """Rename the only output, fix its shape, replace the metadata by `facts`, and try the file on an empty image.

    Raises RuntimeError when the exported graph cannot be brought to the signature: that is a bug in the export.
    """
    model = onnx.load(path)
    _require([graph_input.name for graph_input in model.graph.input] == ["images"], path, "one input 'images'")
    _require(len(model.graph.output) == 1, path, "one output")
    _require({entry.domain: entry.version for entry in model.opset_import}.get("") == OPSET, path, f"opset {OPSET}")
    _rename_output(model.graph)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {"abi": ABI, **facts})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    _try_out(path, height, width)


def _rename_output(graph: onnx.GraphProto) -> None:
    old = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["detections" if name == old else name for name in node.output]
        node.input[:] = ["detections" if name == old else name for name in node.input]
    rows = graph.output[0].type.tensor_type.shape.dim[1].dim_value or "rows"
    kind = graph.output[0].type.tensor_type.elem_type
    graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("detections", kind, [1, rows, 6]))


def _try_out(path: Path, height: int, width: int) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (detections,) = session.run(["detections"], {"images": np.zeros((1, 3, height, width), np.float32)})
    _require(detections.dtype == np.float32, path, "float32 detections")
    _require(detections.ndim == 3 and detections.shape[2] == 6, path, "detections of shape [1, K, 6]")


def _require(holds: bool, path: Path, what: str) -> None:
    if not holds:
        raise RuntimeError(f"{path} is no {ABI}: it needs {what}")
