"""Opens an exported model with ONNX Runtime, the same way for every signature."""

from collections.abc import Sequence
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors  # pyright: ignore[reportAttributeAccessIssue] compiled

# ONNX Runtime's errors have no common base below Exception.
_LOAD_ERRORS = (
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NoModel,
    onnx_errors.NoSuchFile,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


class SignatureError(ValueError):
    """The artifact can't be loaded, or has not the signature it should have."""


def open_session(
    path: Path | str | bytes, *, threads: int | None, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> onnxruntime.InferenceSession:
    """Load an ONNX file or its bytes; `threads` None for all cores. Raises SignatureError where it is no ONNX model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while they wait take the other processes' cores on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    source = path if isinstance(path, bytes) else str(path)
    try:
        return onnxruntime.InferenceSession(source, options, providers=list(providers))
    except _LOAD_ERRORS as error:
        name = "The model" if isinstance(path, bytes) else f"The model {path}"
        raise SignatureError(f"{name} can't be loaded as ONNX: {error}") from error


def check_names(session: onnxruntime.InferenceSession, abi: str, inputs: list[str], outputs: list[str]) -> None:
    """Raises SignatureError unless the model's inputs and outputs have these names in this order."""
    given = [each.name for each in session.get_inputs()], [each.name for each in session.get_outputs()]
    if given != (inputs, outputs):
        raise SignatureError(f"{abi} needs {inputs} -> {outputs}, the model has {given[0]} -> {given[1]}")


def check_tensor(node: onnxruntime.NodeArg, abi: str, shape: tuple[int | None, ...]) -> None:
    """Raises SignatureError unless the tensor is float32 of this shape; None fits any size."""
    fits = len(node.shape) == len(shape) and all(
        wanted is None or wanted == given for wanted, given in zip(shape, node.shape, strict=True)
    )
    if node.type != "tensor(float)" or not fits:
        wanted = ["any" if side is None else side for side in shape]
        raise SignatureError(f"{abi} needs '{node.name}' as float32 {wanted}, the model has {node.type} {node.shape}")
