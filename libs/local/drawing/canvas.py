"""A canvas that knows whose each pixel is, and the few words about colour that drawing needs.

Lengths are shares of the canvas height on both axes, so that circles stay round; colours are BGR as in OpenCV.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]


class Canvas:
    """A picture and, for each of its pixels, the number of the owner who was drawn there last (0: nobody)."""

    def __init__(self, width: int, height: int) -> None:
        self.image: Image = np.zeros((height, width, 3), np.uint8)
        self.owner: npt.NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        self.scale = float(height)
        self.aspect = width / height

    def polygon(self, points: Sequence[Point] | npt.NDArray[np.float64], colour: Colour, owner: int = 0) -> None:
        corners = np.rint(np.asarray(points, np.float64) * self.scale).astype(np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA)
        cv2.fillPoly(self.owner, [corners], owner)

    def rectangle(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        self.polygon(((x1, y1), (x2, y1), (x2, y2), (x1, y2)), colour)

    def ellipse(self, centre: Point, radii: Point, colour: Colour, owner: int = 0, arc: Point = (0, 360)) -> None:
        angles = np.radians(np.linspace(arc[0], arc[1], 48))
        x, y = centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)
        self.polygon(np.column_stack((x, y)), colour, owner)

    def line(self, points: Sequence[Point], colour: Colour, width: float, owner: int = 0) -> None:
        corners = np.rint(np.asarray(points) * self.scale).astype(np.int32)
        thickness = max(1, round(width * self.scale))
        cv2.polylines(self.image, [corners], False, colour, thickness, cv2.LINE_AA)
        cv2.polylines(self.owner, [corners], False, owner, thickness)

    def drawn_by(self, owner: int) -> Image:
        """255 where this owner is seen, 0 elsewhere; uint8 [height, width]."""
        return cv2.inRange(self.owner, np.array((owner,)), np.array((owner,))).astype(np.uint8, copy=False)


def shade(colour: Colour, factor: float) -> Colour:
    """The same colour in more (> 1) or less (< 1) light."""
    blue, green, red = (int(min(255, max(0, channel * factor))) for channel in colour)
    return blue, green, red


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    blue, green, red = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return blue, green, red


def pick(rng: np.random.Generator, colours: Sequence[Colour], spread: float = 0.12) -> Colour:
    """One of the colours, a little lighter or darker."""
    return shade(colours[int(rng.integers(len(colours)))], float(rng.uniform(1 - spread, 1 + spread)))
