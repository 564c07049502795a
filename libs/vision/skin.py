"""Where bare hands may be: skin by its colour, told from wood and tiles by its movement.

Colour after Chai and Ngan ("Face segmentation using skin-color map in videophone applications", IEEE Transactions on Circuits
and Systems for Video Technology 9, 1999), in YCrCb. Gloves of another colour are not seen.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from libs.vision.quality import Image

BoolArray = NDArray[np.bool_]

LONG_SIDE = 160
"""Pixels, of the pictures looked at: hands are large on the cameras over a sink."""
_LOW, _HIGH = (30, 133, 77), (255, 173, 127)  # Y, Cr, Cb
_SMALLEST_SHARE = 0.004  # of the picture: a region of fewer pixels is a speck
_MOVED_LEVELS = 12  # of 255: grey levels a pixel changes by before it moved
_MOVED_SHARE = 0.02  # of a region that must have moved


def shrunk(image: Image, *, smallest: int = 1) -> Image:
    """BGR [H, W, 3] with a long side of 160 pixels and a short one of `smallest` or more."""
    ratio = LONG_SIDE / max(image.shape[:2])
    size = (max(smallest, round(image.shape[1] * ratio)), max(smallest, round(image.shape[0] * ratio)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def skin_pixels(small: Image) -> NDArray[np.uint8]:
    """1 where the colour is that of skin, without specks and holes."""
    mask = cv2.inRange(cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb), np.array(_LOW), np.array(_HIGH))
    kernel = np.ones((3, 3), np.uint8)
    closed = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    return (closed > 0).astype(np.uint8)


def moved_pixels(before: Image, grey: Image) -> BoolArray:
    """[H, W]: where a grey picture differs from the one before by more than noise."""
    changed = cv2.absdiff(cv2.blur(before, (3, 3)), cv2.blur(grey, (3, 3))) > _MOVED_LEVELS
    return changed.astype(np.bool_)


def living_parts(mask: NDArray[np.uint8], moved: BoolArray) -> tuple[BoolArray, int]:
    """The two largest connected parts of a mask in which something moved, as one mask, and how many there are."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    moving = np.bincount(labels[moved], minlength=count)
    areas = stats[:, cv2.CC_STAT_AREA]
    alive = [
        label
        for label in range(1, count)
        if areas[label] >= _SMALLEST_SHARE * mask.size and moving[label] >= _MOVED_SHARE * areas[label]
    ]
    largest = sorted(alive, key=lambda label: (-int(areas[label]), label))[:2]
    return np.isin(labels, largest), len(largest)
