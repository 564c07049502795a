from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from libs.vision.clip_files import packet_seconds
from libs.vision.lettering import can_write, chinese_font_file, font, wrapped
from libs.vision.mp4 import Mp4Writer, even_size
from libs.vision.previews import preview, thumbnail_strip
from libs.vision.quality import Image, decode_image
from libs.vision.segments import TimedSegment
from libs.vision.step_bar import STEP_COLOURS, burn_in
from libs.vision.video import UnreadableVideo, frames
from tests.support.clips import moments, wash, write_clip


def grey(level: int) -> Image:
    return np.full((120, 160, 3), level, np.uint8)


def assert_plays_in_browsers(path: Path) -> None:
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.codec_context.profile) == ("h264", "Main")
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.width % 2 == stream.height % 2 == 0
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(
    ("rate", "size"), [(10, (160, 120)), (29, (161, 119)), (60, (160, 120)), (2, (160, 120))], ids=str
)
def test_a_preview_plays_everywhere_and_lasts_as_long(tmp_path: Path, rate: int, size: tuple[int, int]):
    images = (cv2.resize(wash(1)(at), size).astype(np.uint8) for at in moments(3, rate))
    path = write_odd(tmp_path / "wash.mkv", list(images), rate)
    written = preview(path, tmp_path / "preview.mp4", height=80)
    assert_plays_in_browsers(tmp_path / "preview.mp4")
    found = list(frames(tmp_path / "preview.mp4"))
    assert found[0].image.shape[0] == 80
    assert len(found) == written.frames
    kept = min(30, max(10, rate))
    assert [each.seconds for each in found] == pytest.approx([at / kept for at in range(len(found))], abs=2e-3)
    assert packet_seconds(tmp_path / "preview.mp4") == pytest.approx(packet_seconds(path), abs=1 / kept + 0.01)


def write_odd(path: Path, images: list[Image], rate: int) -> Path:
    """Lossless, so that odd sizes are possible."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_a_preview_shows_each_moment_of_a_varying_rate(tmp_path: Path):
    times, levels = [0.0, 0.5, 2.0, 2.2], [40, 90, 140, 190]
    path = write_clip(tmp_path / "vfr.mp4", map(grey, levels), times=times)
    preview(path, tmp_path / "preview.mp4")
    shown = {round(each.seconds, 2): float(each.image.mean()) for each in frames(tmp_path / "preview.mp4")}
    for moment, level in [(0.0, 40), (0.4, 40), (0.6, 90), (1.8, 90), (2.0, 140), (2.2, 190)]:
        nearest = min(shown, key=lambda at: abs(at - moment))
        assert shown[nearest] == pytest.approx(level, abs=5), moment


def test_a_turned_clip_is_shown_upright(tmp_path: Path):
    path = write_clip(tmp_path / "phone.mp4", map(wash(1), moments(1)), rotation=90)
    preview(path, tmp_path / "preview.mp4", height=80)
    upright, shown = next(frames(path)).image, next(frames(tmp_path / "preview.mp4")).image
    assert upright.shape == (160, 120, 3)
    assert shown.shape == (80, 60, 3)
    assert np.abs(cv2.resize(upright, (60, 80), interpolation=cv2.INTER_AREA).astype(int) - shown).mean() < 8


def test_colours_stay(tmp_path: Path):
    image = np.zeros((96, 160, 3), np.uint8)
    image[:, :80], image[:, 80:] = (40, 60, 200), (180, 90, 30)
    preview(write_clip(tmp_path / "a.mp4", [image] * 5), tmp_path / "b.mp4")
    shown = next(frames(tmp_path / "b.mp4")).image
    assert shown[48, 40].tolist() == pytest.approx([40, 60, 200], abs=8)
    assert shown[48, 120].tolist() == pytest.approx([180, 90, 30], abs=8)


def test_a_jump_in_time_makes_no_endless_preview(tmp_path: Path):
    path = write_clip(tmp_path / "jump.mkv", map(wash(1), [0.0, 0.1, 9000.0]), times=[0.0, 0.1, 9000.0])
    with pytest.raises(UnreadableVideo, match="longer than the 60 s"):
        preview(path, tmp_path / "preview.mp4", maximum_seconds=60)
    assert not (tmp_path / "preview.mp4").exists()


def test_a_strip_is_evenly_spread_over_time(tmp_path: Path):
    times = [*moments(1), *moments(3, 1, start=1)]  # 10 a second, then 1 a second
    levels = [round(40 + 50 * at) for at in times]
    path = write_clip(tmp_path / "vfr.mp4", map(grey, levels), times=times)
    strip = decode_image(thumbnail_strip(path, count=4, height=60)).image
    assert strip.shape == (60, 4 * 80 + 3 * 2, 3)
    shown = [float(strip[30, 40 + at * 82].mean()) for at in range(4)]
    assert shown == sorted(shown)
    assert shown[0] == pytest.approx(65, abs=12)
    assert shown[-1] == pytest.approx(190, abs=6)


def test_a_strip_has_no_picture_twice(tmp_path: Path):
    path = write_clip(tmp_path / "short.mp4", map(grey, [50, 100, 150]))
    assert decode_image(thumbnail_strip(path, count=10, height=60)).image.shape[1] <= 3 * 82
    with pytest.raises(ValueError, match="shows nothing"):
        thumbnail_strip(path, count=0)


STEPS = [TimedSegment("palm", 0.5, 1.5), TimedSegment("thumb", 1.5, 2.5)]


def bar_colour(path: Path, at: float, *, x: float) -> list[int]:
    """RGB of the step bar's track, `x` of its width along, in the picture at that moment."""
    frame = min(frames(path), key=lambda each: abs(each.seconds - at)).image
    height = 240
    track = next(
        y
        for y in range(height, frame.shape[0])
        if np.abs(frame[y, round(x * 320)].astype(int) - (31, 26, 24)).max() > 20
    )
    return frame[track + 2, round(x * 320)].tolist()[::-1]


def washing(path: Path) -> Path:
    return write_clip(path, (cv2.resize(wash(1)(at), (320, 240)).astype(np.uint8) for at in moments(3)))


def test_the_step_bar_has_each_steps_colour_in_its_place(tmp_path: Path):
    done = burn_in(washing(tmp_path / "a.mp4"), tmp_path / "b.mp4", STEPS, titles={"palm": "Palm", "thumb": "Thumb"})
    assert_plays_in_browsers(tmp_path / "b.mp4")
    assert (done.frames, done.width) == (30, 320)
    assert done.height > 240
    assert done.unwritable == ()
    assert packet_seconds(tmp_path / "b.mp4") == pytest.approx(3.0, abs=0.01)
    # Chroma is halved and the names are written over: near the borders of a step is its colour.
    assert bar_colour(tmp_path / "b.mp4", 0.0, x=0.21) == pytest.approx(STEP_COLOURS[0], abs=40)
    assert bar_colour(tmp_path / "b.mp4", 0.0, x=0.79) == pytest.approx(STEP_COLOURS[1], abs=40)


def test_the_row_above_follows_time(tmp_path: Path):
    burn_in(washing(tmp_path / "a.mp4"), tmp_path / "b.mp4", STEPS, titles={})
    chips = {}
    for frame in frames(tmp_path / "b.mp4"):
        chips[round(frame.seconds, 1)] = frame.image[240 + 13, 12].tolist()[::-1]
    assert max(chips[0.2]) < 60
    assert chips[1.0] == pytest.approx(STEP_COLOURS[0], abs=40)
    assert chips[2.0] == pytest.approx(STEP_COLOURS[1], abs=40)
    assert max(chips[2.8]) < 60


def test_titles_no_font_can_write_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libs.vision.step_bar.chinese_font_file", lambda: None)
    path, titles = washing(tmp_path / "a.mp4"), {"palm": "掌心", "thumb": "Thumb"}
    done = burn_in(path, tmp_path / "b.mp4", STEPS, titles=titles, verdict_words="不合格")
    assert done.unwritable == ("掌心", "不合格")
    assert done.frames == 30


def test_chinese_titles_are_written_where_a_font_is(tmp_path: Path):
    if chinese_font_file() is None:
        pytest.skip("no font with Chinese on this machine")
    face = font(20, chinese_font_file())
    assert can_write("掌心相对，合格", face)
    assert not can_write("\U0010fffe", face)
    done = burn_in(
        washing(tmp_path / "a.mp4"), tmp_path / "b.mp4", STEPS, titles={"palm": "掌心"}, verdict_words="合格"
    )
    assert done.unwritable == ()
    # A comma never begins a line, even where it would just fit at the next one's start.
    assert wrapped("只有零点八秒，至少", face, 6.5 * 20, lines=2) == ["只有零点八", "秒，至少"]


def test_lines_break_where_they_may():
    face = font(14, None)
    lines = wrapped("one two three four five six seven", face, 90, lines=2)
    assert len(lines) == 2
    assert lines[0] == "one two three"[: len(lines[0])]
    assert lines[1].endswith("...")
    assert all(face.getlength(line) <= 90 for line in lines)


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path):
    def fail() -> None:
        with Mp4Writer(tmp_path / "a.mp4", size=(64, 48)) as writer:
            writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []
    assert even_size((161, 119), height=60) == (82, 60)
