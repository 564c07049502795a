"""Writing H.264 in MP4 that every browser plays: yuv420p, main profile, the index before the pictures, no sound."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.packet import Packet

from libs.vision.quality import Image

TICKS = 90_000
_CODEC = "libx264"


class NoEncoder(RuntimeError):
    """This build of PyAV has no H.264 encoder; its wheels from PyPI have one."""


class Mp4Writer:
    """Write upright pictures of one size at their own times. A file that is not finished is removed.

    `size` is (width, height), both even (`even_size`); `frames_per_second` is what the encoder expects, times may differ;
    `quality` is x264's constant rate factor: 18 is close to the original, 28 small.
    """

    def __init__(
        self, path: Path | str, *, size: tuple[int, int], frames_per_second: float = 25.0, quality: int = 23
    ) -> None:
        if _CODEC not in av.codecs_available:
            raise NoEncoder(f"PyAV {av.__version__} has no {_CODEC}: install the wheel from PyPI (pip install av)")
        self._path = Path(path)
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(frames_per_second).limit_denominator(1001)
        # No B-frames: what is decoded first is shown first, so that players need no edit list to start at 0.
        options = {"preset": "veryfast", "profile": "main", "crf": str(quality), "bf": "0"}
        self._stream = self._container.add_stream(_CODEC, rate=rate, options=options)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = max(1, round(2 * frames_per_second))
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        self._stream.time_base = Fraction(1, TICKS)
        self._lasts: dict[int, int] = {}
        self._last = -1
        self._usual = round(TICKS / frames_per_second)

    def __enter__(self) -> Self:
        return self

    def write(self, image: Image, seconds: float, *, lasts: float | None = None) -> None:
        """Add a picture, uint8 BGR [H, W, 3], `seconds` after the start, shown until the next or (the last) for `lasts`."""
        # OpenCV's conversion rounds; that of swscale, as PyAV calls it, darkens by two levels each time.
        planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._last = max(round(seconds * TICKS), self._last + 1)
        frame.time_base = Fraction(1, TICKS)
        self._lasts[frame.pts] = self._usual if lasts is None else max(1, round(lasts * TICKS))
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            packet.duration = self._lasts.pop(packet.pts or 0, self._usual)
            self._container.mux(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._last >= 0:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()
            if kind is not None or self._last < 0:
                self._path.unlink(missing_ok=True)


def even_size(size: tuple[int, int], *, height: int | None = None) -> tuple[int, int]:
    """(width, height) of the same shape, both even and at least 2, as H.264's halved colours need; `height` scales."""
    wide, high = size
    scale = 1.0 if height is None else height / high
    return max(2, 2 * round(wide * scale / 2)), max(2, 2 * round(high * scale / 2))
