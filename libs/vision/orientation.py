"""Which way up a picture was taken: the EXIF orientation, read in plain Python, so that no native parser meets it.

Source: CIPA DC-008 (EXIF), the TIFF 6.0 header and image file directory, the PNG chunk eXIf, and RFC 9649 (WebP). What
is damaged counts as upright, as in OpenCV, which turns the pixels when the cleaner decodes them.
"""

import struct
from collections.abc import Iterator

from libs.vision.containers import jpeg_segments, png_chunks

_APP1, _EXIF, _ORIENTATION = 0xE1, b"Exif\x00\x00", 0x0112
_ENTRY_BYTES, _MAXIMUM_ENTRIES = 12, 512


def orientation(data: bytes, content_type: str) -> int:
    """1 to 8; 1 (upright) where the file says nothing, or nothing that can be read."""
    try:
        exif = next(_exif_parts(data, content_type), b"")
        found = _of_directory(exif.removeprefix(_EXIF)) if exif else 1
    except (ValueError, struct.error, IndexError):
        return 1
    return found if 1 <= found <= 8 else 1


def lies_on_its_side(data: bytes, content_type: str) -> bool:
    """Whether width and height change places once the picture is upright."""
    return orientation(data, content_type) >= 5


def _exif_parts(data: bytes, content_type: str) -> Iterator[bytes]:
    if content_type == "image/jpeg":
        for marker, at in jpeg_segments(data):
            if marker == _APP1 and data.startswith(_EXIF, at):
                yield data[at : at - 2 + struct.unpack_from(">H", data, at - 2)[0]]
    elif content_type == "image/png":
        yield from (data[at : at + size] for kind, at, size in png_chunks(data) if kind == b"eXIf")
    elif content_type == "image/webp":
        yield from (data[at : at + size] for kind, at, size in _webp_chunks(data) if kind == b"EXIF")


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _of_directory(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for number in range(min(count, _MAXIMUM_ENTRIES)):
        entry = start + 2 + number * _ENTRY_BYTES
        (tag,) = struct.unpack_from(f"{order}H", tiff, entry)
        if tag == _ORIENTATION:
            return int(struct.unpack_from(f"{order}H", tiff, entry + 8)[0])
    return 1
