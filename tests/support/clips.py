"""Small clips drawn at test time: a sink before a fixed camera, and hands that move in ways of their own."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from libs.vision.quality import Image

TICKS = 90_000
TICK = Fraction(1, TICKS)


def write_clip(
    path: Path,
    images: Iterable[Image],
    *,
    rate: float = 10.0,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    quality: int = 20,
    rotation: int | None = None,
) -> Path:
    """H.264 (or `codec`) at `rate` or at the given times in seconds; `rotation` is put into the display matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=round(rate), options={"crf": str(quality), "bf": "0"} if codec == "libx264" else {}
        )
        stream.pix_fmt, stream.gop_size = "yuv420p", 10
        if codec == "libx264":  # the others take no time base that fine, and keep the rate
            stream.codec_context.time_base = stream.time_base = TICK
        for at, image in enumerate(images):
            if at == 0:
                stream.height, stream.width = image.shape[:2]
                if rotation is not None:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round((times[at] if times else at / rate) * TICKS), TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sink(*, width: int = 160, height: int = 120) -> Image:
    """The wall and basin that every clip of this camera shows."""
    coarse = np.random.default_rng(7).integers(70, 190, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def noisy(image: Image, seed: int, *, sigma: float = 3.0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def wash(seed: int, *, noise: int = 0) -> Callable[[float], Image]:
    """The picture of one wash at each moment: two hands on paths that only this seed takes."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.4, 3.0, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))

    def at(seconds: float) -> Image:
        image = sink()
        for hand in range(2):
            waves = np.sin(speeds[hand] * seconds + phases[hand])
            x, y = 80 + 28 * waves[0] + 28 * waves[1], 60 + 18 * waves[2] + 18 * waves[3]
            cv2.circle(image, (round(x), round(y)), 20, (150, 180, 235) if hand else (90, 120, 190), cv2.FILLED)
        return noisy(image, noise + round(seconds * 1000))

    return at


def moments(seconds: float, rate: float = 10.0, *, start: float = 0.0) -> list[float]:
    return [start + at / rate for at in range(round(seconds * rate))]
