"""Pictures of a stranger's video, read by the demuxer its first bytes ask for (`libs.vision.clip_types`)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error

from libs.vision.clip_types import ClipType, UnreadableVideo, clip_type
from libs.vision.video import Picture, pictures, probe

MAXIMUM_PIXELS = 7680 * 4320


def clip_pictures(
    path: Path | str,
    *,
    on_damage: Callable[[str], None] | None = None,
    maximum_pixels: int = MAXIMUM_PIXELS,
    from_seconds: float = 0.0,
) -> Iterator[Picture]:
    """Pictures of a stranger's video as `libs.vision.video.pictures`, by the demuxer its bytes ask for.

    Raises UnreadableVideo in words that say what to do, also where no picture decodes (from `from_seconds` on).
    """
    kind, none_yet = clip_type(path), True
    found = pictures(
        path, on_damage=on_damage, demuxer=kind.demuxer, maximum_pixels=maximum_pixels, from_seconds=from_seconds
    )
    try:
        for picture in found:
            none_yet = False
            yield picture
    except UnreadableVideo as error:
        raise UnreadableVideo(_advice(str(error), kind)) from error
    if none_yet:
        raise UnreadableVideo(f"{path} holds no picture that decodes: it was cut off or damaged, send it again")


def _advice(words: str, kind: ClipType) -> str:
    if "no video stream" in words:
        return f"{words}, only sound or data: record it again with the picture"
    if "can't be opened" in words and kind.demuxer == "mov":
        return (
            f"{words}; an MP4 cut off before its index can't be read: wait until the recording ends, then send it again"
        )
    return f"{words}; send it again" if "can't be opened" in words else words


def packet_seconds(path: Path | str) -> float:
    """Length of a video by the times of its packets, in seconds: no decoding, and no word of the header.

    0 where packets carry no time. Raises UnreadableVideo.
    """
    kind = clip_type(path)
    starts, ends = list[float](), list[float]()
    try:
        with av.open(str(path), format=kind.demuxer, metadata_errors="replace") as container:
            if not container.streams.video:
                raise UnreadableVideo(_advice(f"{path} holds no video stream", kind))
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is not None:
                    starts = [min([*starts, float(packet.pts * packet.time_base)])]
                    ends = [max([*ends, float((packet.pts + (packet.duration or 0)) * packet.time_base)])]
    except (av.error.FFmpegError, OSError) as error:
        if not starts:
            raise UnreadableVideo(_advice(f"{path} can't be opened as a video: {error}", kind)) from error
    return ends[0] - starts[0] if starts else 0.0


def expected_rate(path: Path | str) -> float:
    """Pictures a second as the header says, held within 1 and 60, for an encoder that wants to know before. Raises UnreadableVideo."""
    return min(60.0, max(1.0, probe(path, demuxer=clip_type(path).demuxer).frames_per_second or 25.0))
