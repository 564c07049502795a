"""Where to search for a look: sixteen of its bits at a time, so that an index can answer."""

from functools import lru_cache
from itertools import combinations

BANDS = 4
BAND_BITS = 16
FARTHEST_INDEXED = 15
"""Beyond it so many values would have to be tried that reading every look is faster."""


def band_probes(look: int, distance: int) -> list[list[int]] | None:
    """For each band of 16 bits, highest first, the values it may have in a look at most `distance` bits away.

    Whatever differs in at most d bits has, in at least one band i, at most r_i of them, if the r_i + 1 add up to d + 1
    (pigeonhole: were every band farther away, the whole would be). So every such look is found by one of these values
    (multi-index hashing: Norouzi, Punjani and Fleet, CVPR 2012). None where a plain scan is better.
    """
    if distance > FARTHEST_INDEXED:
        return None
    whole, rest = divmod(distance + 1, BANDS)
    radii = [whole - 1 + (band < rest) for band in range(BANDS)]
    return [[_band(look, band) ^ mask for mask in _masks(radius)] for band, radius in enumerate(radii)]


def _band(look: int, band: int) -> int:
    return look >> BAND_BITS * (BANDS - 1 - band) & 0xFFFF


@lru_cache(maxsize=BANDS + 1)
def _masks(radius: int) -> tuple[int, ...]:
    """Every 16-bit number with at most `radius` bits set; none for -1."""
    return tuple(
        sum(1 << bit for bit in bits) for count in range(radius + 1) for bits in combinations(range(BAND_BITS), count)
    )
