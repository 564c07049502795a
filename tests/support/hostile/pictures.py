"""Pictures nobody should send, and odd ones that are good: one row each. Add yours with `row(...)`.

`ingest`: words of its refusal, or None where the header is good and ingest takes it. `cleaner`: words of the detail of
its rejection as `undecodable`, or None where it is a picture, of `size` (upright). `kind` is what the content is.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

WIDTH, HEIGHT = 96, 72
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureRow:
    """A picture and its fate."""

    name: str
    make: Callable[[], bytes]
    ingest: str | None
    cleaner: str | None
    size: tuple[int, int] = (WIDTH, HEIGHT)
    kind: str = "image/jpeg"

    @property
    def good(self) -> bool:
        """A picture after all."""
        return self.ingest is None and self.cleaner is None


def scene(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Sharp blocks: uint8 [height, width, 3], a picture no rule of the cleaner dislikes."""
    coarse = np.random.default_rng(7).uniform(30, 220, (6, 8, 3)).clip(0, 255).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


@cache
def jpeg() -> bytes:
    """The scene as JPEG."""
    return cv2.imencode(".jpg", scene(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


@cache
def png() -> bytes:
    """The scene as PNG."""
    return cv2.imencode(".png", scene())[1].tobytes()


def by_pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """The scene in another colour model, or with more than one frame."""
    file = io.BytesIO()
    PillowImage.fromarray(scene()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    """Two different frames."""
    return by_pillow(kind, save_all=True, append_images=[PillowImage.fromarray(255 - scene())], duration=100)


def turned(kind: str, orientation: int = 6) -> bytes:
    """Lying on its side, with an EXIF orientation that says so."""
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return by_pillow(kind, exif=exif)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *more: bytes, pixels: bytes = b"") -> bytes:
    """A PNG that claims a size, with chunks before its (few) pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(pixels or bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + data + chunk(b"IEND", b"")


def with_segments(marker: int, bodies: list[bytes]) -> bytes:
    """The JPEG with more segments in front."""
    parts = [bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for body in bodies]
    return jpeg()[:2] + b"".join(parts) + jpeg()[2:]


def with_chunks(*more: bytes) -> bytes:
    """The PNG with more chunks behind its header."""
    return png()[:33] + b"".join(more) + png()[33:]


def zipped() -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("run.sh", "echo hello")
    return file.getvalue()


def damaged_png() -> bytes:
    """Whole to look at, wrong inside."""
    data = bytearray(png())
    data[60:90] = bytes(30)
    return bytes(data)


def scan_bomb(*, scans: int = 4000, side: int = 3000) -> bytes:
    """A progressive JPEG that repeats one of its scans: few bytes, and each takes a pass over the whole picture."""
    file = io.BytesIO()
    PillowImage.new("L", (side, side), 90).save(file, "JPEG", progressive=True, quality=30)
    data = file.getvalue()
    begin = data.rfind(b"\xff\xda")
    last = data[begin : data.rfind(b"\xff\xd9")]
    return data[:begin] + last * scans + b"\xff\xd9"


def odd_webp() -> bytes:
    """The canvas claims another size than the frame in it."""
    data = bytearray(by_pillow("WEBP", "RGBA", exif=b"Exif\x00\x00"))
    data[24] ^= 0x10
    return bytes(data)


ICC = [b"ICC_PROFILE\x00" + bytes((number + 1, 64)) + bytes(65_000) for number in range(64)]
HTML = b"<html><script>alert(1)</script></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
NO_PICTURE = "not a JPEG, PNG, WebP or BMP"


def bad(name: str, make: Callable[[], bytes] | bytes, told: str) -> PictureRow:
    """Refused by its header: ingest and cleaner say the same."""
    return PictureRow(name, make if callable(make) else lambda: make, told, told)


def found_out(name: str, make: Callable[[], bytes], told: str) -> PictureRow:
    """A good header, and what follows is found out when it is decoded."""
    return PictureRow(name, make, None, told)


def good(name: str, make: Callable[[], bytes], kind: str = "image/jpeg", *, lying: bool = False) -> PictureRow:
    """Odd, but a picture."""
    return PictureRow(name, make, None, None, (HEIGHT, WIDTH) if lying else (WIDTH, HEIGHT), kind)


PICTURES = [
    bad("zero bytes", b"", "empty"),
    bad("random bytes", np.random.default_rng(1).bytes(5000), NO_PICTURE),
    bad("a zip with a .jpg name", zipped, "a ZIP archive"),
    bad("svg", SVG, "an SVG drawing"),
    bad("html", HTML, "text or markup"),
    bad("pdf", b"%PDF-1.7\n" + bytes(100), "a PDF document"),
    bad("tiff", lambda: by_pillow("TIFF"), "a TIFF image"),
    bad("heic", b"\x00\x00\x00\x18ftypheic" + bytes(100), "HEIC"),
    bad("mp4", b"\x00\x00\x00\x18ftypisom" + bytes(100), "MP4"),
    bad("animated gif", lambda: animated("GIF"), "a GIF"),
    bad("still gif", lambda: by_pillow("GIF"), "a GIF"),
    bad("animated webp", lambda: animated("WEBP"), "animated: send one still picture"),
    bad("animated png", lambda: animated("PNG"), "animated: send one still picture"),
    bad("html before a jpeg", lambda: HTML + jpeg(), "text or markup"),
    bad("zip before a jpeg", lambda: zipped() + jpeg(), "a ZIP archive"),
    bad("decompression bomb", lambda: png_of(9000, 9000), "9000x9000 pixels, more than"),
    bad("largest png there is", lambda: png_of(2**31 - 1, 2**31 - 1), "no side may be longer than 20000"),
    bad("a line of a million pixels", lambda: png_of(1_000_000, 1), "no side may be longer than 20000"),
    bad("no height", lambda: png_of(96, 0), "gives the size 96x0"),
    bad("bmp of negative width", b"BM" + bytes(12) + struct.pack("<Iii", 40, -5, 5) + bytes(40), "gives the size"),
    bad("jpeg cut in its header", lambda: jpeg()[:15], "ends inside its header"),
    bad("png cut in its header", lambda: png()[:20], "ends inside its header"),
    bad("jpeg of endless fill", lambda: b"\xff\xd8" + b"\xff" * 200_000, "nothing but fill"),
    bad("jpeg of endless segments", lambda: with_segments(0xE5, [b""] * 50_000), "more than 4096 segments"),
    bad("png of endless chunks", lambda: with_chunks(*[chunk(b"tEXt", b"")] * 70_000), "more than 65536 chunks"),
    bad("jpeg without a frame", b"\xff\xd8\xff\xd9", "names no size|ends inside"),
    found_out("jpeg cut off", lambda: jpeg()[: len(jpeg()) * 7 // 10], "cut off"),
    found_out("png cut off", lambda: png()[: len(png()) // 2], "cut off"),
    found_out("webp cut off", lambda: by_pillow("WEBP")[:-200], "cut off"),
    found_out("bmp cut off", lambda: cv2.imencode(".bmp", scene())[1].tobytes()[:-500], "damaged|decoded"),
    found_out("png damaged inside", damaged_png, "damaged|decoded"),
    found_out("png without pixels", lambda: png_of(96, 72, pixels=b"\x00"), "damaged|decoded"),
    found_out("webp of two sizes", odd_webp, "damaged|decoded|The header says"),
    good("cmyk jpeg", lambda: by_pillow("JPEG", "CMYK")),
    good("grey jpeg", lambda: by_pillow("JPEG", "L")),
    good("progressive jpeg", lambda: by_pillow("JPEG", progressive=True)),
    good("16-bit png", lambda: cv2.imencode(".png", scene().astype(np.uint16) * 257)[1].tobytes(), "image/png"),
    good("transparent png", lambda: by_pillow("PNG", "RGBA"), "image/png"),
    good("palette png", lambda: by_pillow("PNG", "P"), "image/png"),
    good("jpeg rotated by exif", lambda: turned("JPEG"), lying=True),
    good("png rotated by exif", lambda: turned("PNG"), "image/png", lying=True),
    good("webp rotated by exif", lambda: turned("WEBP"), "image/webp", lying=True),
    good("jpeg upside down by exif", lambda: turned("JPEG", 3)),
    good("jpeg of an impossible orientation", lambda: turned("JPEG", 77)),
    good("jpeg with broken exif", lambda: with_segments(0xE1, [b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"])),
    good("jpeg and zip in one", lambda: jpeg() + zipped()),
    good("jpeg and html in one", lambda: with_segments(0xFE, [HTML])),
    good("png with a huge text", lambda: with_chunks(chunk(b"tEXt", b"a\x00" + b"x" * 4_000_000)), "image/png"),
    good(
        "png with a text that unpacks to 200 MB",
        lambda: with_chunks(chunk(b"zTXt", b"a\x00\x00" + zlib.compress(bytes(200_000_000), 9))),
        "image/png",
    ),
    good("jpeg with a huge icc profile", lambda: with_segments(0xE2, ICC)),
]
