from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from libs.common.children import run_in_child
from libs.vision.clip_files import clip_type, packet_seconds
from libs.vision.clip_fingerprints import ClipFingerprint, FingerprintMaker, distance, same_clip
from libs.vision.clip_measures import ClipLook, measure_clip, measure_or_tell
from libs.vision.kept_frames import Told
from libs.vision.quality import measure
from libs.vision.video import UnreadableVideo
from tests.support.clips import moments, noisy, sink, wash, write_clip


def washed(path: Path, seed: int, *, seconds: float = 12.0, start: float = 0.0, rate: float = 10.0, **how) -> Path:
    return write_clip(path, map(wash(seed), moments(seconds, rate, start=start)), rate=rate, **how)


def test_what_a_clip_is(tmp_path: Path):
    look = measure_clip(washed(tmp_path / "wash.mp4", 1, seconds=3))
    assert (look.content_type, look.codec, look.width, look.height) == ("video/mp4", "h264", 160, 120)
    assert (look.frames, look.rate_varies, look.damaged) == (30, False, 0)
    assert look.seconds == pytest.approx(3.0, abs=0.01)
    assert look.frames_per_second == pytest.approx(10, abs=0.05)
    assert look.longest_gap_seconds == pytest.approx(0.1, abs=0.001)
    assert look.brightness == pytest.approx(measure(wash(1)(1.5)).brightness, abs=4)
    assert look.frozen_seconds < 0.5
    assert look.frozen_share == 0


def test_a_blurred_clip_is_less_sharp(tmp_path: Path):
    sharp = [noisy(sink(), at, sigma=25) for at in range(10)]
    plain = [np.full_like(sink(), 90) for _ in range(10)]
    looks = [measure_clip(write_clip(tmp_path / f"{at}.mp4", images)) for at, images in enumerate([sharp, plain])]
    assert looks[0].sharpness > 100
    assert looks[1].sharpness < 1
    assert looks[1].brightness == pytest.approx(90, abs=2)


def test_a_varying_rate_is_told_and_time_is_that_of_the_timestamps(tmp_path: Path):
    times = [0.0, 0.1, 0.2, 0.3, 0.6, 0.9, 1.4, 1.5, 1.6, 2.6]
    look = measure_clip(write_clip(tmp_path / "vfr.mp4", map(wash(1), times), times=times))
    assert look.rate_varies
    assert look.frames == 10
    assert look.longest_gap_seconds == pytest.approx(1.0, abs=0.001)
    assert 2.6 < look.seconds < 2.9


def test_times_rounded_to_milliseconds_are_a_constant_rate(tmp_path: Path):
    look = measure_clip(washed(tmp_path / "wash.mkv", 1, seconds=2, rate=30))
    assert look.content_type == "video/x-matroska"
    assert not look.rate_varies
    assert look.frames == 60


def test_a_turned_clip_has_its_upright_size(tmp_path: Path):
    look = measure_clip(washed(tmp_path / "phone.mp4", 1, seconds=1, rotation=90))
    assert (look.width, look.height) == (120, 160)


def test_the_longest_frozen_stretch(tmp_path: Path):
    times = [*moments(2), *[2.0] * 30, *moments(3, start=2.0)]
    images = (noisy(wash(3)(at), index) for index, at in enumerate(times))
    look = measure_clip(write_clip(tmp_path / "frozen.mp4", images))
    assert look.seconds == pytest.approx(8.0, abs=0.01)
    assert look.frozen_seconds == pytest.approx(3.1, abs=0.25)
    assert look.frozen_share == pytest.approx(3.1 / 8, abs=0.04)


def test_a_wrong_count_in_the_header_is_only_a_claim(tmp_path: Path):
    path = washed(tmp_path / "wash.avi", 1, seconds=2, codec="mpeg4")
    data = bytearray(path.read_bytes())
    header = data.find(b"avih") + 8
    data[header + 16 : header + 20] = (5000).to_bytes(4, "little")
    stream = data.find(b"strh") + 8
    data[stream + 32 : stream + 36] = (5000).to_bytes(4, "little")
    path.write_bytes(data)
    look = measure_clip(path)
    assert (look.content_type, look.frames) == ("video/x-msvideo", 20)
    assert look.claimed_frames == 5000
    assert look.seconds == pytest.approx(2.0, abs=0.15)


def test_a_truncated_recording_counts_for_what_is_there(tmp_path: Path):
    whole = washed(tmp_path / "whole.mkv", 1, seconds=6).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    look = measure_clip(path)
    assert 15 <= look.frames <= 45
    assert look.seconds == pytest.approx(look.frames / 10, abs=0.15)
    assert look.claimed_seconds == pytest.approx(6.0, abs=0.2)


def test_damage_in_the_middle_is_counted(tmp_path: Path):
    path = washed(tmp_path / "wash.mp4", 1, seconds=4, codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = data.find(b"mdat") + 4000
    data[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    look = measure_clip(path)
    assert look.damaged > 0
    assert 5 <= look.frames <= 40


def test_what_is_no_clip_is_refused_with_words(tmp_path: Path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(washed(tmp_path / "wash.mp4", 1, seconds=2).read_bytes()[:3000])
    files = {
        "sound.mp4": _sound(tmp_path / "sound.mp4"),
        "cut.mp4": cut,
        "empty.mp4": _file(tmp_path / "empty.mp4", b""),
        "playlist.mp4": _file(tmp_path / "playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        "zeros.mp4": _file(tmp_path / "zeros.mp4", bytes(5000)),
        "none.mkv": _no_frames(tmp_path / "none.mkv"),
    }
    words = {
        "sound.mp4": "only sound or data: record it again",
        "cut.mp4": "cut off before its index",
        "empty.mp4": "is empty",
        "playlist.mp4": "is a playlist, not a video file: send MP4",
        "zeros.mp4": "of an unknown kind, not a video file",
        "none.mkv": "send it again",
    }
    for name, path in files.items():
        with pytest.raises(UnreadableVideo, match=words[name]):
            measure_clip(path)


def test_a_clip_too_long_or_too_large_is_refused(tmp_path: Path):
    path = washed(tmp_path / "wash.mp4", 1, seconds=3)
    with pytest.raises(UnreadableVideo, match=r"longer than the 2 s allowed: cut it"):
        measure_clip(path, maximum_seconds=2)
    with pytest.raises(UnreadableVideo, match=r"claims 160x120 pixels, more than the 10000 allowed"):
        measure_clip(path, maximum_pixels=10_000)


async def test_in_a_child_process_words_come_back_instead_of_errors(tmp_path: Path):
    told = await run_in_child(measure_or_tell, _file(tmp_path / "no.mp4", b"no"), 60.0)
    assert isinstance(told, Told)
    assert told.fatal
    look = await run_in_child(measure_or_tell, washed(tmp_path / "wash.mp4", 1, seconds=1), 60.0)
    assert isinstance(look, ClipLook)
    assert look.frames == 10


def test_packets_tell_the_length_without_decoding(tmp_path: Path):
    path = washed(tmp_path / "wash.mp4", 1, seconds=2)
    assert packet_seconds(path) == pytest.approx(2.0, abs=0.11)
    assert clip_type(path).demuxer == "mov"


def fingerprint(path: Path) -> ClipFingerprint:
    return measure_clip(path).fingerprint


def test_the_same_clip_again_is_recognised_and_another_wash_at_the_same_sink_is_not(tmp_path: Path):
    washes = [fingerprint(washed(tmp_path / f"{seed}.mp4", seed)) for seed in range(4)]
    again = {
        "coarser": washed(tmp_path / "coarse.mp4", 0, quality=38),
        "begun later": washed(tmp_path / "late.mp4", 0, start=0.83, seconds=11.1),
        "at half the rate": washed(tmp_path / "half.mp4", 0, rate=5),
        "all of it": washed(tmp_path / "all.mkv", 0, rate=5, start=0.37, seconds=11.6, quality=35),
    }
    found = {how: fingerprint(path) for how, path in again.items()}
    assert {how: same_clip(washes[0], other) for how, other in found.items()} == dict.fromkeys(again, True)
    others = [(a, b) for at, a in enumerate(washes) for b in washes[at + 1 :]]
    others += [(wash_, other) for wash_ in washes[1:] for other in found.values()]
    assert not any(same_clip(a, b) or same_clip(b, a) for a, b in others)
    assert min(distance(a, b) for a, b in others) > 0.3


def test_where_nothing_moves_nothing_is_the_same(tmp_path: Path):
    still = [
        fingerprint(write_clip(tmp_path / f"{at}.mp4", (noisy(sink(), 1000 * at + i) for i in range(60))))
        for at in (1, 2)
    ]
    assert distance(*still) == 1.0
    assert not same_clip(*still)


def test_a_clip_half_as_long_is_another(tmp_path: Path):
    whole, half = washed(tmp_path / "whole.mp4", 1), washed(tmp_path / "half.mp4", 1, seconds=6)
    assert not same_clip(fingerprint(whole), fingerprint(half))


def test_a_fingerprint_travels_as_bytes(tmp_path: Path):
    made = fingerprint(washed(tmp_path / "wash.mp4", 1, seconds=3))
    assert ClipFingerprint.from_bytes(made.to_bytes()) == made
    assert len(made.to_bytes()) == 13 + 16 * 12
    for data in (b"", b"\x02" + made.to_bytes()[1:], made.to_bytes()[:-1]):
        with pytest.raises(ValueError, match="no fingerprint"):
            ClipFingerprint.from_bytes(data)
    assert FingerprintMaker().fingerprint() == ClipFingerprint(0, (), ())


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for at in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, at * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _no_frames(path: Path) -> Path:
    """A Matroska file that ends behind its header."""
    whole = write_clip(path, [sink()] * 3).read_bytes()
    return _file(path, whole[: whole.find(b"\x1f\x43\xb6\x75")])


def test_drawn_washes_differ():
    assert all(np.abs(a - b).mean() > 1 for a, b in pairwise(wash(seed)(2.0).astype(float) for seed in range(4)))
