"""A wash basin seen from above: how its camera looks at it, and what stands there whether or not anybody washes."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from libs.local.drawing.arms import Points, Projection
from libs.local.drawing.canvas import Colour, Image, pick, shade

# None of them may be taken for skin, in whatever light: neutral or bluish, green, never warm.
COUNTERS: tuple[Colour, ...] = ((178, 174, 168), (214, 210, 202), (92, 84, 76), (168, 138, 104), (152, 134, 122))
BASINS: tuple[Colour, ...] = ((196, 192, 184), (236, 232, 226), (150, 146, 138))
BOTTLES: tuple[Colour, ...] = ((206, 168, 70), (110, 150, 60), (232, 226, 214), (150, 90, 60))
WATER: Colour = (236, 226, 208)
TAP_END = (0.0, -0.13)
_SHIFT = 4


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a camera hangs over its basin, and what it sees there. `turn` is in degrees; lengths are shares of the height."""

    turn: float
    zoom: float
    dx: float
    dy: float
    counter: Colour
    basin: Colour
    bottle: Colour
    shape: Literal["round", "square"]
    tiled: bool


def outlook_of(rng: np.random.Generator) -> Outlook:
    """Any camera over any basin."""
    return Outlook(
        turn=float(rng.uniform(-13, 13)),
        zoom=float(rng.uniform(0.92, 1.12)),
        dx=float(rng.uniform(-0.06, 0.06)),
        dy=float(rng.uniform(-0.03, 0.05)),
        counter=pick(rng, COUNTERS, 0.08),
        basin=pick(rng, BASINS, 0.06),
        bottle=pick(rng, BOTTLES, 0.08),
        shape="round" if rng.random() < 0.5 else "square",
        tiled=bool(rng.random() < 0.6),
    )


def projection(outlook: Outlook, size: tuple[int, int], *, turn: float = 0.0, zoom: float = 1.0) -> Projection:
    """From lengths before the sink to the pixels of a picture of `size` (width, height), a little off by `turn` and `zoom`."""
    width, height = size
    scale, angle = height * outlook.zoom * zoom, np.radians(outlook.turn + turn)
    rotation = scale * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    middle = np.array((width / 2 + outlook.dx * height, height * (0.46 + outlook.dy)))
    return Projection(np.column_stack((rotation, middle)), scale)


def draw_sink(outlook: Outlook, size: tuple[int, int], project: Projection) -> Image:
    """The basin without anybody, uint8 BGR [H, W, 3]."""
    image = np.full((size[1], size[0], 3), outlook.counter, np.uint8)
    if outlook.tiled:
        _draw_joints(image, outlook, project)
    for grow, colour in ((1.06, shade(outlook.basin, 0.6)), (1.0, outlook.basin), (0.86, shade(outlook.basin, 0.9))):
        _polygon(image, project(_rim(outlook.shape) * grow + np.array((0.0, 0.02))), colour)
    _disc(image, project, (0.0, 0.06), 0.032, shade(outlook.basin, 0.45))
    _disc(image, project, (0.0, 0.06), 0.018, shade(outlook.basin, 0.75))
    _draw_bottle(image, outlook, project)
    return image


def draw_tap(image: Image, project: Projection) -> None:
    """The tap, which hangs over whatever hands do."""
    steel: Colour = (188, 182, 174)
    for points, colour in (
        (((-0.03, -0.62), (0.03, -0.62), (0.022, -0.16), (-0.022, -0.16)), steel),
        (((-0.008, -0.62), (0.008, -0.62), (0.006, -0.17), (-0.006, -0.17)), shade(steel, 1.25)),
    ):
        _polygon(image, project(np.array(points)), colour)
    _disc(image, project, (0.0, -0.16), 0.026, shade(steel, 0.7))


def draw_water(image: Image, project: Projection, rng: np.random.Generator) -> None:
    """Water that falls from the tap and splashes."""
    x, y = (np.array(TAP_END) + rng.uniform(-0.006, 0.006, 2)).tolist()
    _polygon(
        image, project(np.array(((-0.012, -0.14), (0.012, -0.14), (x + 0.014, y + 0.11), (x - 0.014, y + 0.11)))), WATER
    )
    for drop in rng.normal((x, y + 0.11), 0.045, (6, 2)).tolist():
        _disc(image, project, drop, 0.007, WATER)


def covered_lens(rng: np.random.Generator, size: tuple[int, int]) -> Image:
    """What a camera sees that somebody hung a cloth over: folds of nearly one colour, uint8 BGR [H, W, 3]."""
    colour = pick(rng, ((70, 64, 60), (44, 42, 40), (110, 98, 84)), 0.2)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(1, 4)
    across = np.linspace(0, 1, size[0])[None, :] * np.cos(angle) + np.linspace(0, 1, size[1])[:, None] * np.sin(angle)
    folds = 1 + 0.18 * np.sin(2 * np.pi * waves * across)
    return np.clip(folds[:, :, None] * np.array(colour), 0, 255).astype(np.uint8)


def _rim(shape: Literal["round", "square"]) -> Points:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = np.cos(angles), np.sin(angles)
    if shape == "square":
        x, y = np.sign(x) * np.abs(x) ** 0.35, np.sign(y) * np.abs(y) ** 0.35
    return np.column_stack((0.45 * x, 0.33 * y))


def _draw_joints(image: Image, outlook: Outlook, project: Projection) -> None:
    colour, marks = shade(outlook.counter, 0.88), np.arange(-1.05, 1.1, 0.15)
    for mark in marks:
        for line in (((mark, -1.0), (mark, 1.0)), ((-1.0, mark), (1.0, mark))):
            cv2.polylines(image, [_pixels(project(np.array(line)))], False, colour, 1, cv2.LINE_AA, _SHIFT)


def _draw_bottle(image: Image, outlook: Outlook, project: Projection) -> None:
    """The dispenser on the right."""
    _disc(image, project, (0.37, -0.2), 0.062, shade(outlook.bottle, 0.6))
    _disc(image, project, (0.37, -0.2), 0.054, outlook.bottle)
    _polygon(image, project(np.array(((0.355, -0.2), (0.385, -0.2), (0.33, -0.09), (0.31, -0.1)))), (90, 84, 78))


def _disc(image: Image, project: Projection, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    x, y = _pixels(project(np.array(centre))).tolist()
    cv2.circle(image, (x, y), round(radius * project.scale * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)


def _polygon(image: Image, corners: Points, colour: Colour) -> None:
    cv2.fillPoly(image, [_pixels(corners)], colour, cv2.LINE_AA, _SHIFT)


def _pixels(points: Points) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
