"""From a video file to upright frames with their times. The header's frame count and duration are never trusted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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

__all__ = ["ChangeRules", "ChangeSampler", "Frame", "UnreadableVideo", "VideoInfo", "frames", "probe"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One upright frame, uint8 BGR [H, W, 3], `seconds` after the first; `index` counts the decoded frames from 0."""

    index: int
    seconds: float
    image: Image


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


def probe(path: Path | str) -> VideoInfo:
    """Read a video's header. Raises UnreadableVideo."""
    with _opened(path) as container:
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
    tell = on_damage or (lambda _: None)
    with _opened(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        yield from _timed(_decoded(container, stream, tell), _rate(stream) or 25.0, every_seconds)


def _timed(decoded: Iterator[VideoFrame], rate: float, every_seconds: float) -> Iterator[Frame]:
    start: float | None = None
    seconds, due = 0.0, 0.0
    for index, each in enumerate(decoded):
        at = (start or 0.0) + index / rate if each.pts is None else each.time
        start = at if start is None else start
        seconds = max(seconds, at - start)  # broken clocks may jump back: time never does
        if seconds + 1e-6 >= due:
            due = seconds + every_seconds
            yield Frame(index=index, seconds=seconds, image=_upright(each))


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


def _upright(frame: VideoFrame) -> Image:
    image = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as numpy counts them
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _opened(path: Path | str) -> InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableVideo(f"{path} can't be opened as a video: {error}") from error


def _video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    if not container.streams.video:
        raise UnreadableVideo(f"{path} holds no video stream")
    return container.streams.video[0]


def _rate(stream: VideoStream) -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None
