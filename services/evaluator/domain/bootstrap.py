"""How sure a number, or the difference between two models, is: the evaluated samples are drawn again and again (bootstrap).

Percentile interval, of differences the paired one (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). A
replicate weighs each sample by how often it was drawn, so that counting it is a matrix product and no sample is judged
twice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MINIMUM_SAMPLES = 5
REPLICATES = 1000
SEED = 20260302


@dataclass(frozen=True, slots=True)
class Interval:
    """Where 95 % of the replicates lie."""

    low: float
    high: float


def drawn_weights(samples: int, *, seed: int, replicates: int = REPLICATES) -> FloatArray:
    """How often each sample is drawn in each replicate: float [replicates, samples], rows add up to `samples`."""
    shares = np.full(samples, 1 / samples)
    return np.random.default_rng(seed).multinomial(samples, shares, size=replicates).astype(np.float64)


def interval_of(values: FloatArray) -> Interval | None:
    """The 95 % interval of one value per replicate; None where no replicate can be judged (none is finite)."""
    judged = values[np.isfinite(values)]
    if len(judged) == 0:
        return None
    low, high = np.percentile(judged, [2.5, 97.5])
    return Interval(low=float(low), high=float(high))


def difference_interval(ours: FloatArray, theirs: FloatArray) -> Interval | None:
    """The 95 % interval of `ours - theirs`, of the same drawn samples."""
    return interval_of(ours - theirs)


def ratio(parts: FloatArray, wholes: FloatArray) -> FloatArray:
    """Part by whole of each replicate: float [R]; NaN where the whole is 0."""
    return np.divide(parts, wholes, out=np.full(wholes.shape, np.nan), where=wholes > 0)
