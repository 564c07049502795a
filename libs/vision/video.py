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
from libs.vision.quality import Image

__all__ = ["ChangeRules", "ChangeSampler", "Frame", "UnreadableVideo", "VideoInfo", "frames", "frames_at", "probe"]

LONGEST_SECONDS = 3600.0
CLOCK_SECONDS = 0.002
"""How far a container's clock is off: some count whole milliseconds, so that frame 6 of 30 a second is not at 0.2 s."""


class UnreadableVideo(ValueError):
    """A file that can't be opened as a video, or that holds none; the text says why."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Clocked:
    """A decoded frame whose pixels were not converted yet."""

    index: int
    seconds: float
    frame: VideoFrame

    def shown(self) -> Frame:
        return Frame(index=self.index, seconds=self.seconds, image=_upright(self.frame))


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


def frames_at(
    path: Path | str,
    frames_per_second: float,
    *,
    longest_seconds: float = LONGEST_SECONDS,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """A frame for every moment `t / frames_per_second` from the first frame to the last, whatever the video's own rate.

    It is the last one at or before the moment, with its own time; where the video pauses, the same one again. Damage as
    in `frames`. Raises UnreadableVideo, also for a video whose clock runs past `longest_seconds`.
    """
    if not frames_per_second > 0:
        raise ValueError(f"{frames_per_second} frames a second is no rate")
    with _opened(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        decoded = _clocked(_decoded(container, stream, on_damage or (lambda _: None)), _rate(stream) or 25.0)
        yield from _at_moments(_no_longer_than(decoded, longest_seconds, path), frames_per_second)


def _no_longer_than(clocked: Iterator[_Clocked], seconds: float, path: Path | str) -> Iterator[_Clocked]:
    for each in clocked:
        if each.seconds > seconds:
            raise UnreadableVideo(f"{path} lasts more than {seconds:g} s by its clock: cut it into shorter clips")
        yield each


def _at_moments(clocked: Iterator[_Clocked], rate: float) -> Iterator[Frame]:
    moment, latest = 0, None
    shown: Frame | None = None
    for each in clocked:
        while latest is not None and moment / rate < each.seconds - CLOCK_SECONDS:
            shown = shown if shown is not None and shown.index == latest.index else latest.shown()
            yield shown
            moment += 1
        latest = each
    while latest is not None and moment / rate <= latest.seconds + CLOCK_SECONDS:
        yield latest.shown()
        moment += 1


def _timed(decoded: Iterator[VideoFrame], rate: float, every_seconds: float) -> Iterator[Frame]:
    due = 0.0
    for each in _clocked(decoded, rate):
        if each.seconds + 1e-6 >= due:
            due = each.seconds + every_seconds
            yield each.shown()


def _clocked(decoded: Iterator[VideoFrame], rate: float) -> Iterator[_Clocked]:
    start: float | None = None
    seconds = 0.0
    for index, each in enumerate(decoded):
        at = (start or 0.0) + index / rate if each.pts is None else each.time
        start = at if start is None else start
        seconds = max(seconds, at - start)  # broken clocks may jump back: time never does
        yield _Clocked(index, seconds, each)


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
