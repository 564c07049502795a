"""Plan A: 21 points of each hand and 33 of the body, by the models inside mediapipe's wheel; nothing is downloaded.

The extra `hands` (`uv sync --extra temporal`) brings the package. Frames are looked at in order by a graph of their own
per clip, in step, so a clip gives the same bits each time.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.features import Features
from libs.vision.hand_measures import BODY_POINTS, HAND_POINTS, measures
from libs.vision.hand_tracks import HANDS, track_hands
from libs.vision.keypoints import Track
from libs.vision.quality import Image
from libs.vision.video import Frame

FloatArray = NDArray[np.float64]

_FRAMES_PER_SECOND = 15.0  # at 10 the hand of a walking person is lost between two frames
_BODY_EVERY = 3  # arms are slower than fingers: five times a second, with lines between
_MINIMUM_CONFIDENCE = 0.5


class HandExtractor:
    """Movements of two hands, of the one to the other, and of the arms; `visible` is the share of hand points in sight."""

    name = "hands"
    version = "1"
    frames_per_second = _FRAMES_PER_SECOND

    def __init__(self, weights: Path | None = None) -> None:
        """There are no weights to give: they are in the wheel."""

    def extract(self, moments: Iterable[Frame]) -> Features:
        """Features of frames at 15 a second. Raises ExtractorUnavailable without mediapipe."""
        seen = _Seen()
        with _models() as (hands, body):
            for moment, frame in enumerate(moments):
                seen.add(*_points_in(frame.image, hands, body if moment % _BODY_EVERY == 0 else None))
        found = measures(seen.hands(_FRAMES_PER_SECOND), seen.body(_FRAMES_PER_SECOND))
        return Features(
            values=found.values.astype(np.float32),
            visible=found.visible.astype(np.float32),
            frames_per_second=_FRAMES_PER_SECOND,
            extractor=self.name,
            extractor_version=self.version,
            names=found.names,
        )


@dataclass(slots=True)
class _Seen:
    """The points of a clip so far, in pixels: of any hands [n, 21, 2], and of the body [33, 3] with its confidence."""

    hands_found: list[FloatArray] = field(default_factory=list[FloatArray])
    bodies: list[FloatArray] = field(default_factory=list[FloatArray])
    sizes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add(self, hands: FloatArray, body: FloatArray, size: tuple[int, int]) -> None:
        self.hands_found.append(hands)
        self.bodies.append(body)
        self.sizes.append(size)

    def hands(self, rate: float) -> Track:
        tracks = track_hands(self.hands_found, rate)
        points = tracks.points.reshape(len(self.hands_found), HANDS * HAND_POINTS, 2)
        return Track(points, self._inside(points), rate)

    def body(self, rate: float) -> Track:
        points = np.array(self.bodies, dtype=np.float64).reshape(-1, BODY_POINTS, 3)
        seen = self._inside(points[..., :2]) & (points[..., 2] >= _MINIMUM_CONFIDENCE)
        return Track(points[..., :2], seen, rate)

    def _inside(self, points: FloatArray) -> NDArray[np.bool_]:
        """Points in the picture: models guess on beyond its border. NaN is nowhere."""
        sizes = np.array(self.sizes, dtype=np.float64).reshape(-1, 1, 2)
        return np.all((points >= 0) & (points < sizes), axis=2)


def _points_in(image: Image, hands: Any, body: Any | None) -> tuple[FloatArray, FloatArray, tuple[int, int]]:
    size = (image.shape[1], image.shape[0])
    picture = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    found_hands = hands.process(picture).multi_hand_landmarks or []
    found_body = body.process(picture).pose_landmarks if body is not None else None
    places = [[(p.x, p.y) for p in hand.landmark] for hand in found_hands]
    hand_points = np.array(places, dtype=np.float64).reshape(-1, HAND_POINTS, 2) * size
    if found_body is None:
        return hand_points, np.full((BODY_POINTS, 3), np.nan), size
    body_points = np.array([(p.x, p.y, p.visibility) for p in found_body.landmark], dtype=np.float64)
    return hand_points, body_points * (*size, 1), size


@contextmanager
def _models() -> Iterator[tuple[Any, Any]]:
    """A fresh pair of graphs for one clip: they follow what they saw in the frame before."""
    hands_module, pose_module = _solution("hands"), _solution("pose")
    with _native_silence():  # to the end of the clip: their threads warn when they please
        hands = hands_module.Hands(max_num_hands=HANDS, model_complexity=1)
        # Its own smoothing takes every frame for a thirtieth of a second.
        body = pose_module.Pose(model_complexity=1, smooth_landmarks=False)
        try:
            yield hands, body
        finally:
            hands.close()
            body.close()


def _solution(name: str) -> Any:
    try:
        return import_module(f"mediapipe.python.solutions.{name}")
    except ModuleNotFoundError as error:
        raise ExtractorUnavailable(
            f"The extractor 'hands' needs mediapipe ({error}): uv sync --extra temporal (Python 3.11 or 3.12)"
        ) from error


@contextmanager
def _native_silence() -> Iterator[None]:
    """Without what native code writes to file descriptor 2: its warnings obey no setting, and there are some per clip."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        with suppress(OSError):
            os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
