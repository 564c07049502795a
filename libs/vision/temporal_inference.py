"""Runs a shipped clip model: an ONNX file with the signature `temporal/1`, and reads segments off what it says."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime

from libs.vision.features import Features, SingleArray
from libs.vision.inference import SignatureError
from libs.vision.segments import FloatArray, TimedSegment, merge_short, segments_of, smooth, timed


class TemporalModel:
    """One loaded model of clips."""

    def __init__(self, path: Path | str | bytes, labels: Sequence[str], *, threads: int | None = None) -> None:
        """Load an ONNX file (or its bytes). Raises SignatureError."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        source = path if isinstance(path, bytes) else str(path)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise SignatureError(f"The model can't be loaded as ONNX: {error}") from error
        if [each.name for each in self._session.get_inputs()] != ["features", "visible"]:
            raise SignatureError("temporal/1 needs ['features', 'visible'] -> ['posteriors']")
        self.labels = tuple(labels)

    def posteriors(self, features: Features) -> FloatArray:
        """How likely each label is at each row: float64 [T, L]. Raises SignatureError."""
        given = {"features": features.values[None], "visible": features.visible[None]}
        try:
            said = cast(SingleArray, self._session.run(["posteriors"], given)[0])[0]
        except Exception as error:
            raise SignatureError(f"The model fails: {error}") from error
        if said.shape != (len(features.values), len(self.labels)):
            raise SignatureError(f"The model answers {said.shape}, not [T, {len(self.labels)}]")
        return said.astype(np.float64)


def decode(
    posteriors: FloatArray,
    labels: Sequence[str],
    *,
    frames_per_second: float,
    smooth_seconds: float,
    shortest_seconds: float,
    background: str,
) -> tuple[TimedSegment, ...]:
    """Segments with the mean posterior as their confidence, without the background."""
    calm = smooth(posteriors, round(smooth_seconds * frames_per_second))
    best = [labels[index] for index in calm.argmax(axis=1).tolist()] if len(calm) else []
    runs = merge_short(segments_of(best), round(shortest_seconds * frames_per_second))
    kept = [run for run in runs if run.label != background]
    seconds = timed(kept, frames_per_second=frames_per_second, background=background)
    sure = [float(calm[run.start : run.end, list(labels).index(run.label)].mean()) for run in kept]
    return tuple(replace(segment, confidence=each) for segment, each in zip(seconds, sure, strict=True))
