"""Clips against real recordings: six visits before one camera, and four clips of one signer."""

from pathlib import Path

import pytest

from libs.vision.clip_fingerprints import ClipFingerprint, distance, same_clip
from libs.vision.clip_measures import measure_clip
from libs.vision.previews import preview
from libs.vision.visits import cut, find_visits

pytestmark = pytest.mark.data

VISITS = [(6.1, 19.6), (22.8, 44.5), (50.3, 69.5), (74.6, 86.5), (92.2, 119.6), (123.6, 135.9)]


@pytest.fixture(scope="module")
def recording(shared_data: Path) -> Path:
    return shared_data / "camera-clips" / "one-by-one-person-detection.mp4"


@pytest.mark.parametrize("zone", [None, (0.4, 0.0, 0.8, 1.0), [(0.45, 0.1), (0.75, 0.1), (0.75, 0.9), (0.45, 0.9)]])
def test_six_people_make_six_visits(recording: Path, zone):
    found = find_visits(recording, zone=zone)
    assert len(found) == 6
    for visit, (start, end) in zip(found, VISITS, strict=True):
        assert visit.start_seconds == pytest.approx(start, abs=1.05)
        assert visit.end_seconds == pytest.approx(end, abs=1.05)


def test_visits_of_one_camera_are_told_apart_and_each_is_known_again(recording: Path, tmp_path: Path):
    def part(name: str, start: float, end: float) -> Path:
        cut(recording, start, end, tmp_path / name)
        return tmp_path / name

    def fingerprint(path: Path) -> ClipFingerprint:
        return measure_clip(path).fingerprint

    first = [fingerprint(part(f"{at}.mp4", *visit)) for at, visit in enumerate(VISITS)]
    for at, (start, end) in enumerate(VISITS):
        preview(part("late.mp4", start + 0.7, end), tmp_path / "again.mp4", height=200)
        again = fingerprint(tmp_path / "again.mp4")
        assert [same_clip(each, again) for each in first] == [other == at for other in range(6)]
    assert min(distance(a, b) for at, a in enumerate(first) for b in first[at + 1 :]) > 0.28


@pytest.mark.parametrize(("name", "count"), [("milk", 51), ("thanks", 51), ("please", 73), ("walk", 89)])
def test_real_clips_by_what_decodes(shared_data: Path, name: str, count: int):
    look = measure_clip(shared_data / "sign-clips" / f"{name}.mkv")
    assert (look.frames, look.width, look.height, look.codec) == (count, 640, 480, "h264")
    assert look.seconds == pytest.approx(count / 30, abs=0.01)
    assert not look.rate_varies
    assert look.frozen_share == 0


def test_the_empty_room_between_visits_stands_still(recording: Path):
    look = measure_clip(recording)
    assert (look.frames, look.damaged) == (1394, 0)
    assert look.seconds == pytest.approx(139.4, abs=0.01)
    assert 2 <= look.frozen_seconds <= 7
    assert look.frozen_share < 0.25
