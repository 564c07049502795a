"""What a file says it is, from its first bytes: content type and size without decoding a pixel.

A name or a declared content type is never trusted. Sizes come from the header, so that a small file which claims a
huge picture (a decompression bomb) is refused before any memory is taken. All of it is plain Python: services that only
look at headers load no decoder. Sources: ITU-T T.81 (JPEG), RFC 9649 (WebP), the PNG specification with its chunk acTL,
and the BITMAPINFOHEADER layout.
"""

import struct
from dataclasses import dataclass

from libs.vision.containers import UndecodableImage, jpeg_segments, png_chunks
from libs.vision.orientation import lies_on_its_side

__all__ = ["MAXIMUM_SIDE", "ImageHeader", "UndecodableImage", "sniff", "upright_size"]

# Of a line camera, not more: work on a picture one pixel high grows with its width, whatever its area.
MAXIMUM_SIDE = 20_000

_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers carry the size; C4, C8 and CC lie in the same range but are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WEBP_ANIMATED = 0x02
_REFUSED = (
    (b"GIF8", "a GIF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Content type and size in pixels as stored, before any EXIF rotation."""

    content_type: str
    width: int
    height: int


def sniff(data: bytes) -> ImageHeader:
    """Read the header of a JPEG, PNG, WebP or BMP. Raises UndecodableImage for anything else, or for a cut header."""
    if not data:
        raise UndecodableImage("The file is empty (0 bytes)")
    try:
        header = _read_header(data)
    except (struct.error, IndexError) as error:
        raise UndecodableImage(f"The file ends inside its header ({len(data)} bytes)") from error
    if header.width <= 0 or header.height <= 0:
        raise UndecodableImage(f"The header gives the size {header.width}x{header.height}")
    if max(header.width, header.height) > MAXIMUM_SIDE:
        raise UndecodableImage(
            f"The header claims {header.width}x{header.height} pixels, no side may be longer than {MAXIMUM_SIDE}"
        )
    return header


def _read_header(data: bytes) -> ImageHeader:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"BM"):
        return _bmp(data)
    raise UndecodableImage(f"The content is {_kind(data)}, not a JPEG, PNG, WebP or BMP image")


def _kind(data: bytes) -> str:
    for start, name in _REFUSED:
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return "an MP4, HEIC or AVIF container"
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    return "text or markup" if text.startswith((b"<", b"{")) else "of an unknown kind"


def _jpeg(data: bytes) -> ImageHeader:
    for marker, payload in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, payload + 1)
            return ImageHeader("image/jpeg", width, height)
    raise UndecodableImage("The JPEG header names no size")


def _png(data: bytes) -> ImageHeader:
    header = ImageHeader("image/png", *struct.unpack_from(">II", data, 16))
    for kind, _, _ in png_chunks(data):
        if kind == b"acTL":
            raise UndecodableImage("The PNG file is animated: send one still picture")
        if kind == b"IDAT":
            break
    return header


def _webp(data: bytes) -> ImageHeader:
    kind = data[12:16]
    if kind == b"VP8X":
        if data[20] & _WEBP_ANIMATED:
            raise UndecodableImage("The WebP file is animated: send one still picture")
        low, high = data[24:27], data[27:30]
        width, height = int.from_bytes(low, "little") + 1, int.from_bytes(high, "little") + 1
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
    else:
        raise UndecodableImage(f"The WebP file starts with an unknown chunk {kind!r}")
    if len(data) < 30:
        raise UndecodableImage(f"The file ends inside its header ({len(data)} bytes)")
    return ImageHeader("image/webp", width, height)


def _bmp(data: bytes) -> ImageHeader:
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == 12:  # OS/2 1.x
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader("image/bmp", width, abs(height))  # a negative height means top-down rows


def upright_size(data: bytes, *, max_pixels: int = 50_000_000) -> tuple[int, int]:
    """Width and height after EXIF rotation, from the header alone. Raises UndecodableImage as `sniff`, or if too large."""
    header = sniff(data)
    if header.width * header.height > max_pixels:
        raise UndecodableImage(f"The header claims {header.width}x{header.height} pixels, more than {max_pixels}")
    turned = lies_on_its_side(data, header.content_type)
    return (header.height, header.width) if turned else (header.width, header.height)
