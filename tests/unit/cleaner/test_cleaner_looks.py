"""Every look within the distance is found by a band; the probes stay few."""

from random import Random

import pytest

from services.cleaner.domain.looks import BANDS, band_probes


def bands(look: int) -> list[int]:
    return [look >> shift & 0xFFFF for shift in (48, 32, 16, 0)]


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 10, 15])
@pytest.mark.parametrize("look", [0, -1, 0x0123456789ABCDEF, -(1 << 63)])
def test_no_look_within_the_distance_is_missed(look: int, distance: int) -> None:
    probes = band_probes(look, distance)
    assert probes is not None
    lots = Random(distance)
    for _ in range(2000):
        mask = sum(1 << bit for bit in lots.sample(range(64), distance))
        assert any(value in probes[band] for band, value in enumerate(bands(look ^ mask)))


@pytest.mark.parametrize(("distance", "tries"), [(0, 1), (4, 20), (10, 428), (15, 4 * 697)])
def test_the_number_of_probes(distance: int, tries: int) -> None:
    probes = band_probes(5, distance)
    assert probes is not None
    assert len(probes) == BANDS
    assert sum(map(len, probes)) == tries


def test_far_searches_read_everything() -> None:
    assert band_probes(5, 16) is None
