"""A classifier of scikit-learn as one ONNX file: stacking of neighbours, classifier, spreading over all labels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from services.trainer.training.classic_learning import Fitted, Stacked
from services.trainer.training.temporal_abi import OPSET

ML_OPSET = 3
"""The newest operators of trees that go with opset 17."""
IR_VERSION = 8


def composed(fitted: Fitted, columns: int) -> onnx.ModelProto:
    """The classifier as ONNX between what stacks its rows and what spreads its classes over all labels."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    model: Any = fitted.classifier
    width = (columns + 1) * len(fitted.stacked.offsets)
    middle: Any = convert_sklearn(
        model,
        "classifier",  # else a name drawn by chance: equal models are equal bytes
        initial_types=[("rows", FloatTensorType([None, width]))],
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        options={id(model): {"zipmap": False}},
    )
    # The converter lists the oldest versions that its operators need, and the plain set twice.
    del middle.opset_import[:]
    middle.opset_import.extend(_opsets())
    middle.ir_version = IR_VERSION
    before, after = _stacking_graph(fitted.stacked, columns), _spreading_graph(fitted)
    whole = onnx.compose.merge_models(before, middle, [("stacked", "rows")], prefix1="in_", prefix2="by_")
    whole = onnx.compose.merge_models(whole, after, [("by_probabilities", "out_told")], outputs=["posteriors"])
    return _renamed(whole, {"in_features": "features", "in_visible": "visible"})


def _stacking_graph(stacked: Stacked, columns: int) -> onnx.ModelProto:
    """`features` and `visible` to `stacked` [T, width], as `Stacked.rows`."""
    make: Callable[..., onnx.NodeProto] = onnx.helper.make_node
    low, high = min(stacked.offsets), max(stacked.offsets)
    constants: dict[str, Any] = {
        "mean": stacked.mean,
        "deviation": stacked.deviation,
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "zero": np.zeros(1, np.float32),
        "padding": np.array([-low, 0, high, 0], np.int64),
    }
    nodes = [
        make("Squeeze", ["features", "first"], ["values"]),
        make("Squeeze", ["visible", "first"], ["seen_flat"]),
        make("Unsqueeze", ["seen_flat", "second"], ["seen"]),
        make("Sub", ["values", "mean"], ["centred"]),
        make("Div", ["centred", "deviation"], ["standard"]),
        make("Greater", ["seen", "zero"], ["anything"]),
        make("Cast", ["anything"], ["mask"], to=onnx.TensorProto.FLOAT),
        make("Mul", ["standard", "mask"], ["masked"]),
        make("Concat", ["masked", "seen"], ["shown"], axis=1),
        make("Pad", ["shown", "padding"], ["padded"], mode="edge"),
        make("Shape", ["padded"], ["length"], start=0, end=1),
    ]
    for number, offset in enumerate(stacked.offsets):
        constants[f"begin_{number}"] = np.array([offset - low], np.int64)
        constants[f"short_{number}"] = np.array([high - offset], np.int64)
        nodes += [
            make("Sub", ["length", f"short_{number}"], [f"end_{number}"]),
            make("Slice", ["padded", f"begin_{number}", f"end_{number}", "first"], [f"at_{number}"]),
        ]
    nodes.append(make("Concat", [f"at_{n}" for n in range(len(stacked.offsets))], ["stacked"], axis=1))
    width = (columns + 1) * len(stacked.offsets)
    inputs = [_tensor("features", [1, "T", columns]), _tensor("visible", [1, "T"])]
    return _model(nodes, inputs, [_tensor("stacked", ["T", width])], constants)


def _spreading_graph(fitted: Fitted) -> onnx.ModelProto:
    """`out_told` [T, classes the model has seen] to `posteriors` [1, T, L]."""
    model: Any = fitted.classifier
    known = len(model.classes_)
    place = np.zeros((known, fitted.labels), np.float32)
    place[np.arange(known), model.classes_] = 1.0
    nodes = [
        onnx.helper.make_node("MatMul", ["out_told", "out_place"], ["out_spread"]),
        onnx.helper.make_node("Unsqueeze", ["out_spread", "out_first"], ["posteriors"]),
    ]
    constants = {"out_place": place, "out_first": np.array([0], np.int64)}
    outputs = [_tensor("posteriors", [1, "T", fitted.labels])]
    return _model(nodes, [_tensor("out_told", ["T", known])], outputs, constants)


def _tensor(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, Any],
) -> onnx.ModelProto:
    kept = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = onnx.helper.make_graph(list(nodes), "part", list(inputs), list(outputs), kept)
    return onnx.helper.make_model(graph, opset_imports=_opsets(), ir_version=IR_VERSION)


def _opsets() -> list[onnx.OperatorSetIdProto]:
    return [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)]


def _renamed(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    for tensor in model.graph.input:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return model
