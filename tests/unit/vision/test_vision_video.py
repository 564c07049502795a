from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.vision.quality import Image
from libs.vision.sampling import frames_at
from libs.vision.video import ChangeRules, ChangeSampler, UnreadableVideo, frames, probe

RATE = 10


def write_video(path: Path, images: list[Image]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height = images[0].shape[1], images[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def numbered(count: int) -> list[Image]:
    """Frames in which a white bar stands further right each time."""
    found: list[Image] = []
    for at in range(count):
        image = np.zeros((48, 64, 3), np.uint8)
        image[:, at * 2 : at * 2 + 8] = 255
        found.append(image)
    return found


def test_all_frames_in_order_with_their_times(tmp_path: Path):
    path = write_video(tmp_path / "clip.mp4", numbered(20))
    found = list(frames(path))
    assert [each.index for each in found] == list(range(20))
    assert [each.seconds for each in found] == pytest.approx([at / RATE for at in range(20)], abs=1e-3)
    centres = [float(np.nonzero(each.image[24, :, 0] > 128)[0].mean()) for each in found]
    assert centres == pytest.approx([at * 2 + 3.5 for at in range(20)], abs=1)


def test_frames_can_be_thinned_by_time(tmp_path: Path):
    path = write_video(tmp_path / "clip.mp4", numbered(20))
    assert [each.index for each in frames(path, every_seconds=0.5)] == [0, 5, 10, 15]


def test_the_header_is_only_a_claim(tmp_path: Path):
    path = write_video(tmp_path / "clip.mp4", numbered(20))
    info = probe(path)
    assert (info.width, info.height, info.codec, info.frames_per_second) == (64, 48, "mpeg4", RATE)
    assert info.claimed_frames == 20
    assert info.claimed_seconds == pytest.approx(2.0, abs=0.11)


def test_a_damaged_tail_costs_only_the_tail(tmp_path: Path):
    whole = write_video(tmp_path / "whole.mkv", numbered(20)).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert 5 <= len(list(frames(cut))) < 20


def test_damage_in_the_middle_is_told_and_passed(tmp_path: Path):
    path = write_video(tmp_path / "clip.mp4", numbered(20))
    data = bytearray(path.read_bytes())
    middle = data.find(b"mdat") + 600
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(bytes(data))
    told: list[str] = []
    assert len(list(frames(path, on_damage=told.append))) >= 10


def test_a_turned_video_is_set_upright(tmp_path: Path):
    path = write_video(tmp_path / "phone.mp4", numbered(3))
    data = path.read_bytes()
    # The display matrix in the track header: first the identity, then what a phone held upright writes.
    one, minus_one, unit = (value.to_bytes(4, "big", signed=True) for value in (65536, -65536, 1 << 30))
    zero = bytes(4)
    identity = one + zero * 3 + one + zero * 3 + unit
    at = data.find(identity, data.find(b"tkhd"))
    assert at > 0
    turned = zero + one + zero + minus_one + zero * 4 + unit
    path.write_bytes(data[:at] + turned + data[at + len(turned) :])
    first = next(frames(path))
    assert first.image.shape == (64, 48, 3)
    # A quarter turn clockwise brings the bar from the left edge to the top.
    assert first.image[:6].mean() > 200
    assert first.image[40:].mean() < 50


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(5000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=r"clip\.mp4"):
        list(frames(path))
    with pytest.raises(UnreadableVideo, match=r"absent\.mp4"):
        probe(tmp_path / "absent.mp4")


def kitchen(*, person_at: int | None = None, light: float = 1.0, seed: int = 0) -> Image:
    """A still room with sensor noise, a little lighter or darker, perhaps with somebody in it."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(60, 180, (5, 8, 3), dtype=np.uint8)
    room = cv2.resize(coarse, (160, 100), interpolation=cv2.INTER_CUBIC).astype(float) * light
    if person_at is not None:
        room[30:90, person_at : person_at + 25] = (20, 20, 230)
    noisy = room + np.random.default_rng(seed).normal(0, 4, room.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def kept(sampler: ChangeSampler, images: list[Image], start: int = 0) -> list[int]:
    """Frames at one a second."""
    return [at for at, image in enumerate(images, start) if sampler.keep(image, float(at))]


def test_an_empty_scene_is_kept_once_whatever_the_noise():
    assert kept(ChangeSampler(), [kitchen(seed=at) for at in range(60)]) == [0]


def test_slow_and_sudden_changes_of_light_are_no_news():
    slow = [kitchen(light=1 - at / 200, seed=at) for at in range(60)]
    assert kept(ChangeSampler(), slow) == [0]


def test_every_visit_is_kept_and_the_empty_scene_between_is_not():
    empty = [kitchen(seed=at) for at in range(10)]
    visit = [kitchen(person_at=20 + 10 * at, seed=at) for at in range(10)]
    found = kept(ChangeSampler(), [*empty, *visit, *empty, *visit, *empty])
    assert found[0] == 0
    assert len([at for at in found if 10 <= at < 20]) >= 3
    assert len([at for at in found if 30 <= at < 40]) >= 3
    assert not [at for at in found if 1 <= at < 10 or 20 <= at < 30 or at >= 40]


def test_kept_frames_keep_their_distance():
    sampler = ChangeSampler(ChangeRules(minimum_seconds=4))
    found = kept(sampler, [kitchen(), *(kitchen(person_at=10 * at, seed=at) for at in range(13))])
    assert len(found) >= 3
    assert min(b - a for a, b in pairwise(found)) >= 4


def test_somebody_who_stands_still_is_kept_once():
    images = [kitchen(seed=0), kitchen(seed=1), *(kitchen(person_at=50, seed=at) for at in range(2, 30))]
    assert len(kept(ChangeSampler(), images)) == 2


def test_a_chair_that_was_moved_becomes_background():
    sampler = ChangeSampler(ChangeRules(absorb_seconds=20))
    kept(sampler, [kitchen(seed=0), *(kitchen(person_at=50, seed=at) for at in range(1, 120))])
    # Seen as background now, so that its going away is what is new.
    assert kept(sampler, [kitchen(person_at=50, seed=1)] * 20, start=120) == []
    assert kept(sampler, [kitchen(seed=2)] * 3, start=140) == [140]


def test_an_idle_scene_is_kept_now_and_then():
    sampler = ChangeSampler(ChangeRules(idle_seconds=20))
    assert kept(sampler, [kitchen(seed=at) for at in range(50)]) == [0, 20, 40]


def test_a_new_resolution_starts_afresh():
    sampler = ChangeSampler()
    assert sampler.keep(kitchen(), 0.0)
    assert sampler.keep(kitchen()[:50], 1.0)


def write_at(path: Path, moments: list[int]) -> Path:
    """A video whose frame n comes at `moments[n]` milliseconds: a camera with a rate of its own mood."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for image, at in zip(numbered(len(moments)), moments, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@given(st.lists(st.integers(1, 700), min_size=0, max_size=11), st.sampled_from([4.0, 5.0, 10.0, 12.5]))
@settings(max_examples=40)
def test_every_moment_shows_the_last_frame_at_or_before_it(steps: list[int], rate: float):
    at = [sum(steps[:n]) for n in range(len(steps) + 1)]
    with TemporaryDirectory() as folder:
        shown = list(frames_at(write_at(Path(folder) / "clip.mkv", at), rate))
    rows = 0
    while rows * 1000 / rate <= at[-1] + 2.5:
        rows += 1
    expected = [max(n for n, each in enumerate(at) if each <= row * 1000 / rate + 2.5) for row in range(rows)]
    assert [each.index for each in shown] == expected
    assert [each.seconds for each in shown] == pytest.approx([at[n] / 1000 for n in expected], abs=2e-3)


def test_where_a_video_pauses_the_same_frame_stands(tmp_path: Path):
    shown = list(frames_at(write_at(tmp_path / "clip.mkv", [0, 100, 1000]), 10.0))
    assert [each.index for each in shown] == [0, *[1] * 9, 2]
    assert shown[1].image is shown[9].image


def test_a_clock_that_runs_away_is_no_flood_of_frames(tmp_path: Path):
    path = write_at(tmp_path / "clip.mkv", [0, 100, 3_600_000, 90_000_000])
    with pytest.raises(UnreadableVideo, match="lasts more than 3600 s"):
        list(frames_at(path, 10.0))
    assert len(list(frames_at(write_at(tmp_path / "short.mkv", [0, 900]), 10.0, longest_seconds=1.0))) == 10


def test_a_rate_must_be_one(tmp_path: Path):
    with pytest.raises(ValueError, match="no rate"):
        next(frames_at(tmp_path / "clip.mkv", 0.0))
