"""Runs a shipped temporal model, whatever back-end trained it: an ONNX file with the signature `temporal/1`.

Inputs `features` float32 [1, T, D] and `visible` float32 [1, T], as an extractor made them (`libs.vision.features`);
output `posteriors` float32 [1, T, L], the probability of every label at every moment. How the posteriors become segments
(`decode`) is in the model's metadata: `decoding`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from libs.vision.features import Features, SingleArray
from libs.vision.onnx_sessions import SignatureError, check_names, check_tensor, open_session
from libs.vision.segments import FrameSegment, TimedSegment, merge_short, segments_of, smooth

ABI = "temporal/1"
_INPUTS, _OUTPUT = ["features", "visible"], "posteriors"

FloatArray = NDArray[np.float64]


class TemporalModel:
    """One loaded temporal model; `posteriors` is safe to call from several threads. `inputs` is its D."""

    def __init__(self, path: Path | str | bytes, labels: Sequence[str], *, threads: int | None = None) -> None:
        """Load an ONNX file (or its bytes); `labels` in the order of the posteriors, `threads` None for all cores.

        Raises SignatureError where the file is no ONNX model, has another signature or another number of labels.
        """
        self._session = open_session(path, threads=threads)
        self.inputs, outputs = check_signature(self._session)
        self.labels = tuple(labels)
        if outputs != len(self.labels):
            raise SignatureError(
                f"The model tells {outputs} labels apart, but its metadata names {len(self.labels)} of them"
            )

    def posteriors(self, features: Features) -> FloatArray:
        """The probability of each label at each moment, float [T, L], rows of sum 1.

        Raises SignatureError where the model was trained on another number of columns.
        """
        if features.values.shape[1] != self.inputs:
            raise SignatureError(
                f"The model reads {self.inputs} numbers a moment, the features of {features.extractor} have "
                f"{features.values.shape[1]}: make them with the extractor that its metadata names"
            )
        if len(features.values) == 0:
            return np.zeros((0, len(self.labels)))
        given = {"features": features.values[None], "visible": features.visible[None]}
        (found,) = self._session.run([_OUTPUT], given)
        return cast("SingleArray", found)[0].astype(np.float64)


def check_signature(session: onnxruntime.InferenceSession) -> tuple[int, int]:
    """Columns the model reads and labels it tells apart. Raises SignatureError naming what differs from `temporal/1`."""
    check_names(session, ABI, _INPUTS, [_OUTPUT])
    features, visible = session.get_inputs()
    posteriors = session.get_outputs()[0]
    check_tensor(features, ABI, (1, None, None))
    check_tensor(visible, ABI, (1, None))
    check_tensor(posteriors, ABI, (1, None, None))
    columns, labels = features.shape[2], posteriors.shape[2]
    if not (isinstance(columns, int) and isinstance(labels, int)):
        raise SignatureError(f"{ABI} needs a fixed number of columns and labels, the model has {columns} and {labels}")
    if isinstance(features.shape[1], int):
        raise SignatureError(f"{ABI} needs clips of any length, the model takes {features.shape[1]} moments")
    return columns, labels


def decode(
    posteriors: FloatArray,
    labels: Sequence[str],
    *,
    frames_per_second: float,
    smooth_seconds: float,
    shortest_seconds: float,
    background: str | None,
) -> tuple[TimedSegment, ...]:
    """Segments of a clip, in time order, without those of `background` (None: every label counts).

    The posteriors are averaged over `smooth_seconds`, the likeliest label of each moment wins, and runs shorter than
    `shortest_seconds` go to their longer neighbour. A segment's confidence is the mean of its label's averaged
    posterior. Raises ValueError for a rate that is not positive, or columns that are not the labels.
    """
    averaged = _averaged(posteriors, labels, frames_per_second, smooth_seconds)
    return tuple(
        TimedSegment(
            segment.label,
            segment.start / frames_per_second,
            segment.end / frames_per_second,
            min(1.0, float(averaged[segment.start : segment.end, labels.index(segment.label)].mean())),
        )
        for segment in _segments(averaged, labels, frames_per_second, shortest_seconds)
        if segment.label != background
    )


def frame_labels(
    posteriors: FloatArray,
    labels: Sequence[str],
    *,
    frames_per_second: float,
    smooth_seconds: float,
    shortest_seconds: float,
) -> list[str]:
    """The label of each moment, averaged and merged as `decode` does. Errors as `decode`."""
    averaged = _averaged(posteriors, labels, frames_per_second, smooth_seconds)
    segments = _segments(averaged, labels, frames_per_second, shortest_seconds)
    return [segment.label for segment in segments for _ in range(segment.frames)]


def _averaged(posteriors: FloatArray, labels: Sequence[str], rate: float, seconds: float) -> FloatArray:
    if not rate > 0:
        raise ValueError(f"{rate} frames a second is no rate")
    if posteriors.ndim != 2 or posteriors.shape[1] != len(labels):
        raise ValueError(f"posteriors {posteriors.shape} are not [T, {len(labels)}]")
    return smooth(posteriors, round(seconds * rate))


def _segments(
    averaged: FloatArray, labels: Sequence[str], rate: float, shortest_seconds: float
) -> tuple[FrameSegment, ...]:
    likeliest = [labels[int(index)] for index in averaged.argmax(axis=1)]
    return merge_short(segments_of(likeliest), round(shortest_seconds * rate))
