from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.presence import Visit, VisitRules, visits_of, zone_mask
from libs.vision.quality import Image
from libs.vision.video import UnreadableVideo, frames
from libs.vision.visits import cut, find_visits
from tests.support.clips import moments, noisy, sink, wash, write_clip

PLAIN = VisitRules(merge_gap_seconds=0, minimum_seconds=0)


def somebody(image: Image, seconds: float, *, x: int, sway: float = 1.5) -> Image:
    """A dark body that hardly moves."""
    at = round(x + sway * np.sin(seconds))
    cv2.rectangle(image, (at, 30), (at + 30, 118), (30, 25, 20), cv2.FILLED)
    return image


def recording(path: Path, seconds: float, there: Callable[[float], int | None], *, light: float = 0.0) -> Path:
    """At 5 pictures a second; `there` says where somebody stands; `light` is added in all by the end."""

    def picture(at: float) -> Image:
        room = np.clip(sink().astype(float) + light * at / seconds, 0, 255).astype(np.uint8)
        x = there(at)
        return noisy(room if x is None else somebody(room, at, x=x), round(at * 1000))

    return write_clip(path, map(picture, moments(seconds, 5)), rate=5)


def stays(*spans: tuple[float, float], x: int = 60) -> Callable[[float], int | None]:
    return lambda at: x if any(start <= at < end for start, end in spans) else None


def assert_visits(found: tuple[Visit, ...], *expected: tuple[float, float]) -> None:
    assert len(found) == len(expected), found
    for visit, (start, end) in zip(found, expected, strict=True):
        assert (visit.start_seconds, visit.end_seconds) == (pytest.approx(start, abs=0.5), pytest.approx(end, abs=0.5))


def test_each_visit_from_coming_to_going(tmp_path: Path):
    path = recording(tmp_path / "day.mp4", 60, stays((5, 20), (24, 40), (45, 55)))
    assert_visits(find_visits(path), (5, 20), (24, 40), (45, 55))


def test_who_stands_there_for_long_does_not_fade(tmp_path: Path):
    path = recording(tmp_path / "day.mp4", 170, stays((10, 160)), light=30)
    assert_visits(find_visits(path, rules=VisitRules(learn_seconds=20, settle_seconds=5)), (10, 160))


def test_visits_under_way_at_both_ends_are_there(tmp_path: Path):
    path = recording(tmp_path / "day.mp4", 50, stays((0, 12), (38, 50)))
    assert_visits(find_visits(path), (0, 12), (38, 50))


def test_only_the_zone_counts(tmp_path: Path):
    def there(at: float) -> int | None:
        return 10 if 5 <= at < 15 else 110 if 20 <= at < 32 else None

    path = recording(tmp_path / "day.mp4", 40, there)
    assert_visits(find_visits(path), (5, 15), (20, 32))
    assert_visits(find_visits(path, zone=(0.6, 0.0, 1.0, 1.0)), (20, 32))
    assert_visits(find_visits(path, zone=[(0.0, 0.1), (0.4, 0.1), (0.4, 1.0), (0.0, 1.0)]), (5, 15))


def test_a_thing_left_behind_is_no_visit_for_ever(tmp_path: Path):
    def picture(at: float) -> Image:
        image = sink()
        if at >= 10:
            cv2.rectangle(image, (60, 60), (100, 110), (20, 20, 20), cv2.FILLED)
        return noisy(image, round(at * 1000))

    path = write_clip(tmp_path / "day.mp4", map(picture, moments(60, 5)), rate=5)
    rules = VisitRules(learn_seconds=8, absorb_seconds=15)
    assert_visits(find_visits(path, rules=rules), (10, 25))


def test_an_empty_room_has_no_visits(tmp_path: Path):
    assert find_visits(recording(tmp_path / "day.mp4", 20, stays(), light=20)) == ()


@pytest.mark.parametrize("zone", [(0.0, 0.0, 2.0, 1.0), [(0.1, 0.1), (0.2, 0.2)], (0.5, 0.5, 0.5, 0.5)])
def test_a_zone_that_is_none_is_refused_before_decoding(tmp_path: Path, zone):
    with pytest.raises(ValueError, match="zone"):
        find_visits(tmp_path / "absent.mp4", zone=zone)


def test_a_zone_is_filled():
    mask = zone_mask((0.5, 0.0, 1.0, 0.5), (100, 50))
    assert mask[:24, 51:].all()
    assert not mask[:, :48].any()
    assert not mask[27:].any()


def test_rules_in_order_gaps_then_minimum_then_padding():
    there = [*[(t, 10 <= t < 12 or 13 <= t < 16 or 30 <= t < 31 or 34 <= t < 40) for t in range(50)]]
    rules = VisitRules(merge_gap_seconds=1.5, minimum_seconds=3, padding_seconds=2)
    assert visits_of(there, rules) == (Visit(8, 18), Visit(32, 42))


def test_paddings_share_the_time_between_and_stop_at_the_ends():
    there = [(t, t < 4 or t >= 6) for t in range(10)]
    rules = VisitRules(merge_gap_seconds=0, minimum_seconds=1, padding_seconds=5)
    assert visits_of(there, rules, end_seconds=10) == (Visit(0, 5), Visit(5, 10))


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5), st.integers(0, 6))
def test_visits_are_what_a_slow_look_at_each_second_finds(there: list[bool], gap: int, shortest: int):
    rules = VisitRules(merge_gap_seconds=gap, minimum_seconds=shortest)
    filled = list(there)
    for at in range(len(there)):
        before = [b for b in range(at) if there[b]]
        after = [a for a in range(at + 1, len(there)) if there[a]]
        if not there[at] and before and after and after[0] - before[-1] - 1 < gap:
            filled[at] = True
    expected, start = [], None
    for at, somebody_there in enumerate([*filled, False]):
        if somebody_there and start is None:
            start = at
        elif not somebody_there and start is not None:
            if at - start >= shortest:
                expected.append(Visit(start, at))
            start = None
    found = visits_of([(float(at), each) for at, each in enumerate(there)], rules, end_seconds=float(len(there)))
    assert found == tuple(expected)


def test_a_part_is_cut_exactly_and_begins_at_zero(tmp_path: Path):
    path = write_clip(tmp_path / "whole.mp4", map(wash(1), moments(10)))
    written = cut(path, 3.35, 6.0, tmp_path / "part.mp4")
    found, whole = list(frames(tmp_path / "part.mp4")), list(frames(path))
    assert (written.frames, len(found)) == (26, 26)
    assert written.seconds == pytest.approx(2.6, abs=0.01)
    assert [each.seconds for each in found] == pytest.approx([at / 10 for at in range(26)], abs=1e-3)
    for at in (0, 12, 25):
        apart = [np.abs(found[at].image.astype(int) - whole[34 + at + by].image).mean() for by in (-1, 0, 1)]
        assert min(apart) == apart[1]


def test_a_cut_keeps_a_varying_rate(tmp_path: Path):
    times = [0.0, 0.1, 0.5, 0.6, 1.4, 1.5, 2.5, 2.6]
    path = write_clip(tmp_path / "vfr.mp4", map(wash(1), times), times=times)
    cut(path, 0.5, 2.55, tmp_path / "part.mp4")
    assert [each.seconds for each in frames(tmp_path / "part.mp4")] == pytest.approx([0, 0.1, 0.9, 1.0, 2.0], abs=1e-3)


def test_a_part_without_a_picture_is_refused_and_leaves_no_file(tmp_path: Path):
    path = write_clip(tmp_path / "whole.mp4", map(wash(1), moments(2)))
    with pytest.raises(ValueError, match="no picture between"):
        cut(path, 5, 6, tmp_path / "part.mp4")
    with pytest.raises(ValueError, match="is none"):
        cut(path, 2, 1, tmp_path / "part.mp4")
    (tmp_path / "text.mp4").write_bytes(b"{}")
    with pytest.raises(UnreadableVideo):
        cut(tmp_path / "text.mp4", 0, 1, tmp_path / "part.mp4")
    assert not (tmp_path / "part.mp4").exists()
