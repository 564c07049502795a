"""Shares that are summed over samples first and divided then, so that any redrawn set of samples has its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.evaluator.domain.bootstrap import MINIMUM_SAMPLES, FloatArray, Interval, interval_of


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """`parts` and `wholes` of each sample: two float [N]. `scale` turns the share into the metric's unit.

    `empty` is its value where the wholes add up to 0; NaN means that there is nothing to judge.
    """

    parts: FloatArray
    wholes: FloatArray
    scale: float = 1.0
    empty: float = math.nan

    @property
    def value(self) -> float | None:
        """Of all samples."""
        share = float(self.replicates(np.ones((1, len(self.parts))))[0])
        return share if math.isfinite(share) else None

    def replicates(self, weights: FloatArray) -> FloatArray:
        """Of each redrawn set: float [R] from the weights [R, N]."""
        wholes = weights @ self.wholes
        out = np.full(wholes.shape, self.empty)
        return np.divide(self.scale * (weights @ self.parts), wholes, out=out, where=wholes > 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `among` clips; `low` to `high` holds 95 % of the bootstrap replicates, None where too few clips count."""

    hits: int
    among: int
    value: float | None
    low: float | None = None
    high: float | None = None


def counted(hits: Sequence[bool], among: Sequence[bool]) -> Ratio:
    """Of the samples that are `among`, the share that are also `hits`."""
    wholes = np.array(among, dtype=np.float64)
    return Ratio(np.array(hits, dtype=np.float64) * wholes, wholes)


def rate_of(ratio: Ratio, weights: FloatArray | None) -> Rate:
    """A share of samples with its interval; no interval where fewer than `MINIMUM_SAMPLES` count, or without weights."""
    hits, among = round(float(ratio.parts.sum())), round(float(ratio.wholes.sum()))
    interval: Interval | None = None
    if weights is not None and among >= MINIMUM_SAMPLES:
        interval = interval_of(ratio.replicates(weights))
    return Rate(hits, among, ratio.value, interval and interval.low, interval and interval.high)
