"""Features of clips: a video file to its features, next to the bare extractor on frames that were decoded before.

Plan A needs real hands (`../shared/data/sign-clips`) and the extra `temporal`; where either is absent its row is left out.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np
from skimage.feature import hog

from benchmarks.rows import Row, at_least, middle
from libs.vision.extractors.extracting import extract
from libs.vision.quality import Image
from libs.vision.sampling import frames_at

ROUNDS = 3
CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "sign-clips"
DRAWN_SECONDS, DRAWN_RATE = 10, 30
HANDS_RATE, BODY_EVERY, CLASSIC_RATE = 15.0, 3, 10.0


def rows() -> list[Row]:
    """Every measurement of this file."""
    with TemporaryDirectory() as folder:
        found = _classic(_drawn_clip(Path(folder) / "drawn.mp4"))
    clips = sorted(CLIPS.glob("*.mkv"))
    return [*found, _hands(clips)] if clips and find_spec("mediapipe") else found


def _classic(clip: Path) -> list[Row]:
    """By the processor's time, so that it is of one core however many there are."""
    small = [cv2.resize(each.image, (160, 120), interpolation=cv2.INTER_AREA) for each in frames_at(clip, CLASSIC_RATE)]
    greys = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in small]
    ours, bare = _interleaved(lambda: extract(clip, "classic"), lambda: _bare_classic(greys), time.process_time)
    speed, alone = DRAWN_SECONDS / ours, DRAWN_SECONDS / bare
    what = f"features B: decode, regions, gradients, flow, {DRAWN_SECONDS} s of 640x480 on one core"
    return [
        at_least(f"{what} / real time", f"{speed:.1f} x real time", "1 x", speed, 15.0),
        Row(f"{what} / hog and flow alone", f"{speed:.1f} x real time", f"{alone:.1f} x", speed / alone, "", None),
    ]


def _hands(clips: list[Path]) -> Row:
    """By the clock; the other side has the same pictures, as many of them for hands and body, and nothing else to do."""
    pictures = [[_rgb(each.image) for each in frames_at(clip, HANDS_RATE)] for clip in clips]
    seconds = sum(len(each) for each in pictures) / HANDS_RATE
    ours, bare = _interleaved(
        lambda: [extract(clip, "hands") for clip in clips],
        lambda: [_bare_mediapipe(each) for each in pictures],
        time.perf_counter,
    )
    what = f"features A: decode, hands, body, tracks, {len(clips)} clips of {seconds:.1f} s / mediapipe alone"
    return at_least(what, f"{seconds / ours:.2f} x real time", f"{seconds / bare:.2f} x", bare / ours, 0.8)


def _interleaved(
    ours: Callable[[], object], other: Callable[[], object], clock: Callable[[], float]
) -> tuple[float, float]:
    """The medians of both, run in turn."""
    pairs = [(_taken(ours, clock), _taken(other, clock)) for _ in range(ROUNDS)]
    return middle([a for a, _ in pairs]), middle([b for _, b in pairs])


def _taken(work: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    work()
    return clock() - began


def _bare_classic(greys: list[Any]) -> None:
    for before, grey in zip([greys[0], *greys], greys, strict=False):
        halves = [cv2.resize(each, (80, 60), interpolation=cv2.INTER_AREA) for each in (before, grey)]
        cv2.calcOpticalFlowFarneback(halves[0], halves[1], np.zeros((60, 80, 2), np.float32), 0.5, 2, 9, 2, 5, 1.1, 0)
        patch = cv2.resize(grey[20:100, 30:130], (32, 32), interpolation=cv2.INTER_AREA)
        hog(patch, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(4, 4), block_norm="L2-Hys")


def _bare_mediapipe(pictures: list[Any]) -> None:
    hands_module: Any = import_module("mediapipe.python.solutions.hands")
    pose_module: Any = import_module("mediapipe.python.solutions.pose")
    with _silence(), hands_module.Hands(max_num_hands=2) as hands, pose_module.Pose(smooth_landmarks=False) as body:
        for moment, picture in enumerate(pictures):
            hands.process(picture)
            if moment % BODY_EVERY == 0:
                body.process(picture)


@contextmanager
def _silence() -> Iterator[None]:
    """Its native code warns on file descriptor 2, whatever it is told."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _rgb(image: Image) -> Any:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _drawn_clip(path: Path) -> Path:
    """Two skin-coloured hands that rub over a noisy sink, 640x480 at 30 frames/s."""
    dice = np.random.default_rng(0)
    sink = cv2.resize(dice.integers(120, 170, (48, 64, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=DRAWN_RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for at in range(DRAWN_SECONDS * DRAWN_RATE):
            picture, swing = sink.copy(), round(36 * np.sin(2 * np.pi * 2 * at / DRAWN_RATE))
            for centre in ((260 + swing, 220), (390 - swing, 250)):
                cv2.ellipse(picture, centre, (68, 40), 20, 0, 360, (120, 150, 210), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path
