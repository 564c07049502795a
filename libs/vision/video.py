"""From a video file to upright frames with their times. The header's frame count and duration are never trusted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from libs.vision.change import ChangeRules, ChangeSampler
from libs.vision.clip_types import UnreadableVideo
from libs.vision.quality import Image

__all__ = [
    "ChangeRules",
    "ChangeSampler",
    "Frame",
    "Picture",
    "UnreadableVideo",
    "VideoInfo",
    "frames",
    "pictures",
    "probe",
]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One upright frame, uint8 BGR [H, W, 3], `seconds` after the first; `index` counts the decoded frames from 0."""

    index: int
    seconds: float
    image: Image


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded frame that has cost no conversion yet; `lasts` are the seconds it claims to be shown, None if it doesn't."""

    index: int
    seconds: float
    lasts: float | None
    decoded: VideoFrame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        width, height = self.decoded.width, self.decoded.height
        return (height, width) if self._quarter_turns % 2 else (width, height)

    def upright(self, size: tuple[int, int] | None = None, *, pixels: Literal["bgr24", "gray8"] = "bgr24") -> Image:
        """Uint8 BGR [H, W, 3] or grey [H, W]; scaled to `size` (width, height, upright) on the way where one is given."""
        width, height = size or self.size
        lying = (height, width) if self._quarter_turns % 2 else (width, height)
        image = self.decoded.to_ndarray(format=pixels, width=lying[0], height=lying[1], interpolation="AREA")
        turned = np.rot90(image, self._quarter_turns) if self._quarter_turns else image
        return np.ascontiguousarray(turned.astype(np.uint8, copy=False))

    @property
    def _quarter_turns(self) -> int:
        return round(self.decoded.rotation / 90) % 4  # counter-clockwise, as numpy counts them


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video's header claims; only width, height and codec are dependable. None where it says nothing.

    Width and height are as stored, before any rotation.
    """

    width: int
    height: int
    codec: str
    frames_per_second: float | None
    claimed_frames: int | None
    claimed_seconds: float | None


def probe(path: Path | str, *, demuxer: str | None = None) -> VideoInfo:
    """Read a video's header; `demuxer` is the only one that may, where it is given. Raises UnreadableVideo."""
    with _opened(path, demuxer=demuxer) as container:
        stream = _video_stream(container, path)
        return VideoInfo(
            width=stream.width,
            height=stream.height,
            codec=stream.codec_context.name,
            frames_per_second=_rate(stream),
            claimed_frames=stream.frames or None,
            claimed_seconds=container.duration / 1_000_000 if container.duration else None,
        )


def frames(
    path: Path | str,
    *,
    every_seconds: float = 0.0,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """Decode a video's frames in order; with `every_seconds`, no two closer than that (the others cost no conversion).

    Damage never stops what can be read: packets and frames that don't decode are left out, and `on_damage` is told each
    time. Raises UnreadableVideo where the file can't be opened or has no video in it.
    """
    due = 0.0
    for each in pictures(path, on_damage=on_damage):
        if each.seconds + 1e-6 >= due:
            due = each.seconds + every_seconds
            yield Frame(index=each.index, seconds=each.seconds, image=each.upright())


def pictures(
    path: Path | str,
    *,
    on_damage: Callable[[str], None] | None = None,
    demuxer: str | None = None,
    maximum_pixels: int | None = None,
    from_seconds: float = 0.0,
) -> Iterator[Picture]:
    """Decode a video's frames in order without converting any; damage as in `frames`.

    `demuxer` is the only one that may read the file (strangers' playlists could name other files); a decoder refuses
    frames of more than `maximum_pixels` before it takes memory for them. With `from_seconds` decoding begins at a key
    frame before that time where the file's index allows; times still count from the first frame of the file, indices from
    the first one given. Raises UnreadableVideo as `frames`, and for a video that claims to be larger.
    """
    with _opened(path, demuxer=demuxer, maximum_pixels=maximum_pixels) as container:
        stream = _video_stream(container, path)
        if maximum_pixels is not None:
            _refuse_larger(stream, path, maximum_pixels)
        stream.thread_type = "AUTO"
        tell = on_damage or (lambda _: None)
        begin = _begin_and_seek(container, stream, from_seconds) if from_seconds > 0 else None
        yield from _timed(_decoded(container, stream, tell), _rate(stream) or 25.0, begin)


def _begin_and_seek(container: InputContainer, stream: VideoStream, seconds: float) -> float | None:
    """The time of the file's first frame on its own clock; None, with all still to come, where it can't be sought in."""
    first = next(_decoded(container, stream, lambda _: None), None)
    begin = None if first is None or first.pts is None else first.time
    wanted = 0 if begin is None else int((begin + seconds) / (stream.time_base or 1))
    try:
        container.seek(wanted, stream=stream)
        landed = None if begin is None else next(_decoded(container, stream, lambda _: None), None)
        early_enough = landed is not None and landed.pts is not None and landed.time <= (begin or 0.0) + seconds
        container.seek(wanted if early_enough else stream.start_time or 0, stream=stream)
    except av.error.FFmpegError:
        container.seek(stream.start_time or 0, stream=stream)
    return begin


def _refuse_larger(stream: VideoStream, path: Path | str, maximum_pixels: int) -> None:
    if stream.width * stream.height > maximum_pixels:
        raise UnreadableVideo(
            f"{path} claims {stream.width}x{stream.height} pixels, more than the {maximum_pixels} allowed: "
            "record or convert it smaller"
        )
    stream.codec_context.options = {"max_pixels": str(maximum_pixels)}


def _timed(decoded: Iterator[VideoFrame], rate: float, begin: float | None = None) -> Iterator[Picture]:
    start, seconds = begin, 0.0
    for index, each in enumerate(decoded):
        at = (start or 0.0) + index / rate if each.pts is None else each.time
        start = at if start is None else start
        seconds = max(seconds, at - start)  # broken clocks may jump back: time never does
        lasts = float(each.duration * each.time_base) if each.duration and each.time_base else None
        yield Picture(index=index, seconds=seconds, lasts=lasts, decoded=each)


def _decoded(container: InputContainer, stream: VideoStream, tell: Callable[[str], None]) -> Iterator[VideoFrame]:
    for packet in _packets(container, stream, tell):
        try:
            found = packet.decode()
        except av.error.FFmpegError as error:
            tell(f"a packet does not decode: {error}")
            continue
        for each in cast("list[VideoFrame]", found):
            if each.is_corrupt:
                tell(f"the frame at {each.time} s is damaged")
            else:
                yield each


def _packets(container: InputContainer, stream: VideoStream, tell: Callable[[str], None]) -> Iterator[Packet]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            tell(f"the file ends in damage: {error}")
            return
        yield packet


def _opened(path: Path | str, *, demuxer: str | None = None, maximum_pixels: int | None = None) -> InputContainer:
    options = {} if maximum_pixels is None else {"max_pixels": str(maximum_pixels)}
    try:
        return av.open(str(path), format=demuxer, options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableVideo(f"{path} can't be opened as a video: {error}") from error


def _video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    if not container.streams.video:
        raise UnreadableVideo(f"{path} holds no video stream")
    return container.streams.video[0]


def _rate(stream: VideoStream) -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None
