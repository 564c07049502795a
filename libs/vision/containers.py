"""The parts a picture's file is made of, walked without decoding: JPEG segments and PNG chunks.

Walks are bounded: a file of a million empty segments must not hold up whoever only asks for its size.
"""

import struct
from collections.abc import Iterator

# ICC profiles, extended XMP and thumbnails take some hundred segments of 64 KiB at most.
_MAXIMUM_SEGMENTS = 4096
_MAXIMUM_FILL = 1024
# Encoders cut pixel data into chunks of 8 KiB and more.
_MAXIMUM_CHUNKS = 65_536


class UndecodableImage(ValueError):
    """Bytes that are not one whole JPEG, PNG, WebP or BMP within the limits; the text says why."""

    @property
    def reason(self) -> str:
        """Why, in words for a person."""
        return str(self)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and offset of the payload of each segment up to the first scan. May raise IndexError or struct.error."""
    at = 2
    for _ in range(_MAXIMUM_SEGMENTS):
        at = _past_fill(data, at)
        marker = data[at]
        yield marker, at + 3
        if marker in (0xDA, 0xD9):
            return
        at += 1 + struct.unpack_from(">H", data, at + 1)[0]
        if data[at] != 0xFF:
            raise UndecodableImage(f"The JPEG header is damaged at byte {at}")
    raise UndecodableImage(f"The JPEG header is damaged: it has more than {_MAXIMUM_SEGMENTS} segments")


def _past_fill(data: bytes, at: int) -> int:
    start = at
    while data[at] == 0xFF:
        at += 1
        if at - start > _MAXIMUM_FILL:
            raise UndecodableImage(f"The JPEG header is damaged: nothing but fill from byte {start}")
    return at


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, offset of the content and its size, of each chunk that has begun."""
    at = 8
    for _ in range(_MAXIMUM_CHUNKS):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, size
        at += 12 + size
    raise UndecodableImage(f"The PNG file is damaged: it has more than {_MAXIMUM_CHUNKS} chunks")
