"""What a video file really is, from its first bytes, and its pictures read by that demuxer alone.

A playlist (HLS, concat, SDP) names other files and addresses: none is ever opened for a stranger, whatever its name says.
Sources: ISO/IEC 14496-12 (MP4), the QuickTime file format, RFC 8794 (EBML), ISO/IEC 13818-1 (MPEG-2 streams), the AVI, ASF,
FLV and GIF headers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from libs.vision.video import Picture, UnreadableVideo, pictures, probe

MAXIMUM_PIXELS = 7680 * 4320
_HEAD_BYTES = 4096
_TRANSPORT_PACKET = 188
# The first box of an MP4 is ftyp; recordings of old cameras begin with another one.
_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
_STARTS = (
    (b"FLV\x01", "video/x-flv", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf", "asf"),
    (b"\x00\x00\x01\xba", "video/mpeg", "mpeg"),
    (b"GIF87a", "image/gif", "gif"),
    (b"GIF89a", "image/gif", "gif"),
)
_WANTED = "send MP4, MOV, MKV, WebM, AVI or MPEG-TS"


@dataclass(frozen=True, slots=True)
class ClipType:
    """Content type, and the name of the one demuxer that may read it."""

    content_type: str
    demuxer: str


def clip_type(path: Path | str) -> ClipType:
    """Sniff a video file. Raises UnreadableVideo for what is none, in words that say what to send instead."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise UnreadableVideo(f"{path} can't be read: {error.strerror}") from error
    if not head:
        raise UnreadableVideo(f"{path} is empty (0 bytes): send the file again")
    found = _type_of(head)
    if found is None:
        raise UnreadableVideo(f"{path} is {_kind(head)}, not a video file: {_WANTED}")
    return found


def _type_of(head: bytes) -> ClipType | None:
    if head[4:8] == b"ftyp":
        quicktime = head[8:12] == b"qt  "
        return ClipType("video/quicktime" if quicktime else "video/mp4", "mov")
    if head[4:8] in _QUICKTIME_BOXES:
        return ClipType("video/quicktime", "mov")
    if head.startswith(b"\x1aE\xdf\xa3"):
        webm = b"webm" in head[:64]
        return ClipType("video/webm" if webm else "video/x-matroska", "matroska")
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return ClipType("video/x-msvideo", "avi")
    if len(head) > 2 * _TRANSPORT_PACKET and all(head[at * _TRANSPORT_PACKET] == 0x47 for at in range(3)):
        return ClipType("video/mp2t", "mpegts")
    return next((ClipType(kind, demuxer) for start, kind, demuxer in _STARTS if head.startswith(start)), None)


def _kind(head: bytes) -> str:
    if head.startswith(b"#EXTM3U"):
        return "a playlist"
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        return "a picture"
    if head.startswith((b"ID3", b"\xff\xfb", b"OggS", b"fLaC")) or head[8:12] == b"WAVE":
        return "a sound file"
    return "text" if head.lstrip()[:1] in (b"<", b"{", b"[", b"#") else "of an unknown kind"


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
