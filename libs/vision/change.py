"""Which frames of a fixed camera are worth keeping: those in which something came, moved or went on."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.quality import Image, grey

_SIDE = 96
SingleArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """What counts as a change, and how often a frame may be kept.

    minimum_seconds: least time between two kept frames.
    idle_seconds: an unchanging scene is kept again after this time: the empty one is worth learning from, too.
    changed_share: share of the picture (0..1) that has to differ.
    grey_levels: by how much of 255 a pixel has to differ, the overall change of brightness taken off.
    settle_seconds: time constant with which the background follows the light while nothing is there.
    absorb_seconds: time constant with which something that stays (a moved chair) becomes background.
    """

    minimum_seconds: float = 2.0
    idle_seconds: float = 600.0
    changed_share: float = 0.02
    grey_levels: float = 20.0
    settle_seconds: float = 5.0
    absorb_seconds: float = 300.0


class ChangeSampler:
    """Feed it the frames of one camera in order; it says which to keep. No clock, no files: its memory is all it has.

    A frame is kept if it is the first; or if it differs both from the background (somebody is there) and from the last
    kept frame (something is new); or if nothing was kept for `idle_seconds`.
    """

    def __init__(self, rules: ChangeRules | None = None) -> None:
        self._rules = rules or ChangeRules()
        self._background: SingleArray | None = None
        self._kept: SingleArray | None = None
        self._kept_at = 0.0
        self._seen_at = 0.0

    def keep(self, image: Image, seconds: float) -> bool:
        """Whether to keep this frame; `image` uint8 BGR or grey, `seconds` never going back."""
        view = _view(image)
        if self._background is None or self._kept is None or view.shape != self._background.shape:
            self._background = view
            return self._remember(view, seconds)
        occupied = self._differs(view, self._background)
        self._learn(view, self._background, seconds, occupied=occupied)
        waited = seconds - self._kept_at
        news = occupied and waited >= self._rules.minimum_seconds and self._differs(view, self._kept)
        return self._remember(view, seconds) if news or waited >= self._rules.idle_seconds else False

    def _remember(self, view: SingleArray, seconds: float) -> bool:
        self._kept, self._kept_at, self._seen_at = view, seconds, seconds
        return True

    def _differs(self, view: SingleArray, other: SingleArray) -> bool:
        difference = view - other
        difference -= np.median(difference)  # lamps and automatic exposure change every pixel alike
        changed = np.abs(difference) > self._rules.grey_levels
        return float(changed.mean()) > self._rules.changed_share

    def _learn(self, view: SingleArray, background: SingleArray, seconds: float, *, occupied: bool) -> None:
        constant = self._rules.absorb_seconds if occupied else self._rules.settle_seconds
        share = 1 - np.exp(-max(0.0, seconds - self._seen_at) / constant)
        self._background = (background + np.float32(share) * (view - background)).astype(np.float32)
        self._seen_at = seconds


def _view(image: Image) -> SingleArray:
    """A small blurred grey copy: sensor noise and compression vanish, people stay."""
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(grey(image), size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32)
