"""The same clip again: re-encoded, scaled or begun up to a second later; but never another wash before the same wall.

A fixed camera sees one background always, so what is compared is how each of 8x8 parts of the picture brightens and darkens
over time: two people never move alike. The idea of signs of band-passed energies is that of audio fingerprints (Haitsma and
Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002).

Measured on the six visits of one fixed camera and four clips of one signer, each written again smaller, coarser, at half the
frame rate and begun up to 0.9 s later: see tests/integration/vision/test_vision_clips.py.
"""

import struct
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.hashing import hamming, perceptual_hash
from libs.vision.quality import Image
from libs.vision.segments import smooth

MOMENTS_PER_SECOND = 4
FURTHEST = 0.25
"""Share of differing signs up to which two clips are one; unrelated ones differ in about half."""
FURTHEST_SCENE = 12
LEAST_SIGNS = 96
LEAST_OVERLAP = 0.75

_SIDE = 8
_SHORT, _LONG = 3, 17  # moments: 0.75 s takes off noise and small shifts, 4.25 s what stays
_SURE_LEVELS = 0.75
_LARGEST_SHIFT = MOMENTS_PER_SECOND
_HEAD = struct.Struct(">BqI")
_VERSION = 1

FloatArray = NDArray[np.float64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class ClipFingerprint:
    """For each quarter of a second 64 signs (brightening or not) and which of them are sure; `scene` hashes the mean picture."""

    scene: int
    signs: tuple[int, ...]
    sure: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """16 bytes per moment and 13 in front: 4 KB for a minute."""
        words = np.array([self.signs, self.sure], dtype=">u8").tobytes()
        return _HEAD.pack(_VERSION, self.scene, len(self.signs)) + words

    @classmethod
    def from_bytes(cls, data: bytes) -> "ClipFingerprint":
        """What `to_bytes` gave. Raises ValueError for anything else."""
        if len(data) < _HEAD.size:
            raise ValueError(f"{len(data)} bytes are no fingerprint of a clip")
        version, scene, moments = _HEAD.unpack_from(data)
        if version != _VERSION or len(data) != _HEAD.size + 16 * moments:
            raise ValueError(f"These {len(data)} bytes of version {version} are no fingerprint of a clip")
        signs, sure = np.frombuffer(data, dtype=">u8", offset=_HEAD.size).reshape(2, moments).tolist()
        return cls(scene, tuple(signs), tuple(sure))


@dataclass(slots=True)
class FingerprintMaker:
    """Feed it small grey pictures of one clip in order; it keeps 64 numbers for each quarter of a second."""

    _cells: list[FloatArray] = field(default_factory=list[FloatArray])
    _times: list[float] = field(default_factory=list[float])
    _counts: list[int] = field(default_factory=list[int])
    _mean: FloatArray | None = None
    _moment: int = -1

    def add(self, view: Image, seconds: float) -> None:
        """`view` uint8 [H, W], always of one size, its sides 8 at least; `seconds` never going back."""
        cells = (
            cv2.resize(view.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)
        )
        moment = int(seconds * MOMENTS_PER_SECOND + 1e-6)
        if moment > self._moment:
            self._moment = moment
            self._cells.append(np.zeros(_SIDE * _SIDE))
            self._times.append(0.0)
            self._counts.append(0)
            self._add_to_mean(view)
        self._cells[-1] += cells
        self._times[-1] += seconds
        self._counts[-1] += 1

    def _add_to_mean(self, view: Image) -> None:
        share = 1 / len(self._cells)
        mean = view.astype(np.float64) if self._mean is None else self._mean
        self._mean = mean + share * (view - mean)

    def fingerprint(self) -> ClipFingerprint:
        """Of all that was added."""
        if self._mean is None:
            return ClipFingerprint(0, (), ())
        counts = np.array(self._counts, dtype=np.float64)
        times = np.array(self._times) / counts
        values = np.array(self._cells) / counts[:, None]
        grid = (np.arange(self._moment + 1) + 0.5) / MOMENTS_PER_SECOND
        even = np.stack([np.interp(grid, times, column) for column in values.T], axis=1)
        rise = smooth(even, _SHORT) - smooth(even, _LONG)
        scene = perceptual_hash(np.clip(np.round(self._mean), 0, 255).astype(np.uint8))
        return ClipFingerprint(scene, _words(rise > 0), _words(np.abs(rise) > _SURE_LEVELS))


def _words(bits: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.packbits(bits, axis=1).view(">u8").ravel().tolist())


def distance(a: ClipFingerprint, b: ClipFingerprint) -> float:
    """Share of signs that differ where they match best, within a second of shift: about 0.5 for unrelated clips.

    A sign that is sure in one clip only counts as half a difference. 1.0 where too little moves, or the lengths differ by too
    much, to tell.
    """
    longest = max(len(a.signs), len(b.signs))
    all_first, all_second = _both(a), _both(b)
    shares = [1.0]
    for shift in range(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1):
        first, second = all_first[:, max(0, shift) :], all_second[:, max(0, -shift) :]
        overlap = min(first.shape[1], second.shape[1])
        if overlap >= LEAST_OVERLAP * longest:
            shares.append(_share(first[:, :overlap], second[:, :overlap]))
    return min(shares)


def _both(fingerprint: ClipFingerprint) -> Words:
    """[2, moments]: signs, and which of them are sure."""
    return np.array([fingerprint.signs, fingerprint.sure], dtype=np.uint64)


def _share(a: Words, b: Words) -> float:
    both, either = a[1] & b[1], a[1] | b[1]
    compared, all_sure = _count(both), _count(either)
    if compared < LEAST_SIGNS:
        return 1.0
    return (_count((a[0] ^ b[0]) & both) + 0.5 * (all_sure - compared)) / all_sure


def _count(words: Words) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def same_clip(a: ClipFingerprint, b: ClipFingerprint) -> bool:
    """Whether two clips show the same recording of the same wash; False where nothing moves enough to tell."""
    return hamming(a.scene, b.scene) <= FURTHEST_SCENE and distance(a, b) <= FURTHEST
