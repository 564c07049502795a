"""What a video file really is, from its first bytes, and the one demuxer that may read it. Decodes nothing.

A playlist (HLS, concat, SDP) names other files and addresses: none is ever opened for a stranger, whatever its name says.
Sources: ISO/IEC 14496-12 (MP4), the QuickTime file format, RFC 8794 (EBML), ISO/IEC 13818-1 (MPEG-2 streams), the AVI, ASF,
FLV and GIF headers.
"""

from dataclasses import dataclass
from pathlib import Path

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


class UnreadableVideo(ValueError):
    """A file that can't be opened as a video, or that holds none; the text says why."""


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
