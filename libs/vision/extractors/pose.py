"""Body points by a YOLOv8-Pose model, from an ONNX file in the folder of weights; camloop downloads none.

Layout of Ultralytics' pose export (`yolo export model=yolov8n-pose.pt format=onnx`): input float32 [1, 3, H, W], RGB,
0..1, letterboxed with 114/255; output float32 [1, 56, N], a column per candidate: centre x, centre y, width, height,
confidence, then x, y, visibility of the 17 COCO points, all in pixels of that input.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from libs.vision.boxes import Box, iou_matrix, letterbox_geometry
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.features import Features
from libs.vision.inference import letterbox
from libs.vision.keypoints import Track, fill_gaps, kinematics, kinematics_names, lengths_between, placed, point
from libs.vision.onnx_sessions import SignatureError, open_session
from libs.vision.quality import Image
from libs.vision.video import Frame

FloatArray = NDArray[np.float64]

COCO_POINTS = ("nose", "eye_l", "eye_r", "ear_l", "ear_r", "shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "wrist_l",
               "wrist_r", "hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r")  # fmt: skip
_ROWS = 5 + 3 * len(COCO_POINTS)
_SHOULDERS, _ARMS = (5, 6), tuple(range(5, 11))
_FRAMES_PER_SECOND = 10.0
_MINIMUM_CONFIDENCE = 0.25
_MINIMUM_VISIBILITY = 0.5
_FARTHEST = 100.0


class PoseExtractor:
    """Movements of one person's 17 points; `visible` is the share of the points of both arms in sight."""

    name = "pose"
    frames_per_second = _FRAMES_PER_SECOND

    def __init__(self, weights: Path | None = None) -> None:
        """Raises ExtractorUnavailable where there is no such file."""
        if weights is None or not weights.is_file():
            raise ExtractorUnavailable(
                f"The extractor 'pose' needs a YOLOv8-Pose model as ONNX, {_where(weights)}, and camloop downloads none: "
                "export one (yolo export model=yolov8n-pose.pt format=onnx), put it into the folder of weights and name "
                "the file (--weights FILE)"
            )
        self._data = weights.read_bytes()
        self._path = weights
        # Other weights give other numbers.
        self.version = f"1-{hashlib.sha256(self._data).hexdigest()[:12]}"

    def extract(self, moments: Iterable[Frame]) -> Features:
        """Features of frames at 10 a second. Raises ExtractorUnavailable where the file is no such model."""
        finder = _PersonFinder(self._data, self._path)
        people = [finder.person(frame.image) for frame in moments]
        found = np.array(people, dtype=np.float64).reshape(-1, len(COCO_POINTS), 3)
        track = fill_gaps(Track(found[..., :2], found[..., 2] >= _MINIMUM_VISIBILITY, _FRAMES_PER_SECOND))
        widths = lengths_between(track, *_SHOULDERS)
        width = max(float(np.median(widths)), 1e-6) if len(widths) else 1.0
        values, _ = kinematics(placed(track, point(track, _SHOULDERS), width), 1)
        return Features(
            values=np.clip(values, -_FARTHEST, _FARTHEST).astype(np.float32),
            visible=track.visible[:, _ARMS].mean(axis=1).astype(np.float32),
            frames_per_second=_FRAMES_PER_SECOND,
            extractor=self.name,
            extractor_version=self.version,
            names=kinematics_names([f"body.{each}" for each in COCO_POINTS]),
        )


class _PersonFinder:
    """One loaded model, and the box of the person it follows."""

    def __init__(self, data: bytes, path: Path) -> None:
        try:
            self._session = open_session(data, threads=1, providers=("CPUExecutionProvider",))
        except SignatureError as error:
            raise ExtractorUnavailable(f"The weights {path} can't be used: {error}") from error
        self._width, self._height = _input_size(self._session, path)
        self._input = self._session.get_inputs()[0].name
        self._last: Box | None = None

    def person(self, image: Image) -> FloatArray:
        """Points of one person, [17, 3]: x, y in pixels of the picture, visibility; NaN and 0 where there is none.

        Of several people it is the surest one, or the one that was followed so far.
        """
        (output,) = self._session.run(None, {self._input: letterbox(image, self._width, self._height)})
        candidates = cast("NDArray[np.float32]", output)[0].T.astype(np.float64)
        sure = candidates[np.isfinite(candidates).all(axis=1) & (candidates[:, 4] >= _MINIMUM_CONFIDENCE)]
        if len(sure) == 0:
            return np.array([[np.nan, np.nan, 0.0]] * len(COCO_POINTS))
        boxes = [_corners(row) for row in sure]
        followed = iou_matrix(boxes, [self._last])[:, 0] if self._last else np.zeros(len(boxes))
        best = int(np.argmax(sure[:, 4] + followed))
        self._last = boxes[best]
        return self._in_picture(sure[best, 5:].reshape(-1, 3), image)

    def _in_picture(self, points: FloatArray, image: Image) -> FloatArray:
        height, width = image.shape[:2]
        geometry = letterbox_geometry(width, height, self._width, self._height)
        shift = np.array([geometry.left, geometry.top])
        scale = np.array([geometry.width / width, geometry.height / height])
        return np.concatenate([(points[:, :2] - shift) / scale, points[:, 2:]], axis=1)


def _corners(row: FloatArray) -> Box:
    x, y, width, height = (float(each) for each in row[:4])
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _input_size(session: onnxruntime.InferenceSession, path: Path) -> tuple[int, int]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    taken, given = [each.shape for each in inputs], [each.shape for each in outputs]
    fits = len(taken) == 1 and len(given) == 1 and len(taken[0]) == 4 and len(given[0]) == 3 and given[0][1] == _ROWS
    if not (fits and isinstance(taken[0][2], int) and isinstance(taken[0][3], int)):
        raise ExtractorUnavailable(
            f"The weights {path} are no YOLOv8-Pose export of fixed size: it takes [1, 3, H, W] and gives [1, {_ROWS}, N], "
            f"this one takes {taken} and gives {given}"
        )
    return taken[0][3], taken[0][2]


def _where(weights: Path | None) -> str:
    return f"there is none at {weights}" if weights else "and none is named"
