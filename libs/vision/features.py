"""What a temporal model reads of a clip: a row of numbers per moment, at a constant rate, and how much was in sight.

An extractor (`libs.vision.extractors`) makes them of a video; they are kept by the video's digest, so none is worked out
twice.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SingleArray = NDArray[np.float32]


class UnreadableFeatures(ValueError):
    """Bytes that are no features; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """`values` float32 [T, D], finite; `visible` float32 [T], the share of 0..1 of what the extractor looks for.

    Row `t` stands for the moment `t / frames_per_second` of the clip, in seconds; `names` are those of the D columns.
    """

    values: SingleArray
    visible: SingleArray
    frames_per_second: float
    extractor: str
    extractor_version: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.visible.shape != self.values.shape[:1]:
            raise ValueError(f"values {self.values.shape} and visible {self.visible.shape} are not [T, D] and [T]")
        if len(self.names) != self.values.shape[1]:
            raise ValueError(f"{len(self.names)} names for {self.values.shape[1]} columns")
        if not self.frames_per_second > 0:
            raise ValueError(f"{self.frames_per_second} frames a second is no rate")
        if not (np.isfinite(self.values).all() and np.isfinite(self.visible).all()):
            raise ValueError("features must be finite: what is not visible belongs into `visible`")

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.values) / self.frames_per_second

    @property
    def visible_share(self) -> float:
        """Mean of `visible`; 0 for a clip without a frame."""
        return float(self.visible.mean()) if len(self.visible) else 0.0


def object_key(sha256: str, extractor: str, version: str) -> str:
    """Where the features of the video with this digest lie in the object store."""
    return f"features/{sha256[:2]}/{sha256}/{extractor}-{version}.npz"


def to_bytes(features: Features) -> bytes:
    """As a compressed `.npz`; equal features give equal bytes."""
    arrays: dict[str, Any] = {
        "values": features.values,
        "visible": features.visible,
        "frames_per_second": np.float64(features.frames_per_second),
        "extractor": np.array([features.extractor, features.extractor_version]),
        "names": np.array(features.names, dtype=np.str_),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Features:
    """What `to_bytes` wrote. Raises UnreadableFeatures."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            extractor, version = (str(each) for each in stored["extractor"])
            return Features(
                values=stored["values"].astype(np.float32, copy=False),
                visible=stored["visible"].astype(np.float32, copy=False),
                frames_per_second=float(stored["frames_per_second"]),
                extractor=extractor,
                extractor_version=version,
                names=tuple(str(name) for name in stored["names"]),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableFeatures(f"These {len(data)} bytes are no features: {error}") from error
