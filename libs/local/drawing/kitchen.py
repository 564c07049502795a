"""A plant kitchen as one fixed camera sees it: the room that never moves, and the goods that do."""

import numpy as np

from libs.local.drawing.canvas import Canvas, Colour, Point, pick, shade

CRATES: tuple[Colour, ...] = ((60, 110, 40), (40, 60, 190), (170, 110, 40), (50, 170, 210), (90, 90, 96))
STEEL: Colour = (176, 174, 168)


def draw_kitchen(canvas: Canvas, rng: np.random.Generator) -> None:
    """What never moves before this camera: tiled wall, floor, shelf with pots, steel bench, lamp."""
    floor = float(rng.uniform(0.5, 0.64))
    wall = pick(rng, ((166, 172, 168), (172, 158, 136), (140, 168, 152), (150, 164, 180)))
    canvas.rectangle(0, 0, canvas.aspect, 1, wall)
    _draw_tiles(canvas, floor, tile=float(rng.uniform(0.07, 0.13)), colour=shade(wall, 0.88))
    _draw_floor(canvas, floor, pick(rng, ((104, 110, 116), (96, 112, 130), (120, 112, 98))))
    _draw_shelf(canvas, rng, y=float(rng.uniform(0.2, 0.3)))
    _draw_bench(canvas, rng, top=floor - float(rng.uniform(0.02, 0.08)))
    lamp = float(rng.uniform(0.2, canvas.aspect - 0.5))
    canvas.rectangle(lamp, 0, lamp + 0.36, 0.035, (250, 250, 246))


def _draw_tiles(canvas: Canvas, floor: float, *, tile: float, colour: Colour) -> None:
    for x in np.arange(tile, canvas.aspect, tile):
        canvas.line(((float(x), 0), (float(x), floor)), colour, 0.004)
    for y in np.arange(tile, floor, tile):
        canvas.line(((0, float(y)), (canvas.aspect, float(y))), colour, 0.004)


def _draw_floor(canvas: Canvas, floor: float, colour: Colour) -> None:
    canvas.rectangle(0, floor, canvas.aspect, 1, colour)
    vanishing = (canvas.aspect / 2, floor - 0.5)
    for x in np.linspace(-1.5, canvas.aspect + 1.5, 22):
        share = (floor - vanishing[1]) / (1 - vanishing[1])
        start = (vanishing[0] + (float(x) - vanishing[0]) * share, floor)
        canvas.line((start, (float(x), 1)), shade(colour, 0.82), 0.005)
    for y in floor + (1 - floor) * np.array((0.12, 0.3, 0.55, 0.85)):
        canvas.line(((0, float(y)), (canvas.aspect, float(y))), shade(colour, 0.82), 0.005)


def _draw_shelf(canvas: Canvas, rng: np.random.Generator, *, y: float) -> None:
    start, end = float(rng.uniform(0, 0.4)), float(rng.uniform(0.8, canvas.aspect))
    canvas.rectangle(start, y, end, y + 0.018, shade(STEEL, 0.8))
    for x in np.arange(start + 0.06, end - 0.05, float(rng.uniform(0.12, 0.2))):
        _draw_pot(canvas, (float(x), y), float(rng.uniform(0.03, 0.05)), shade(STEEL, float(rng.uniform(0.6, 1.1))))


def _draw_pot(canvas: Canvas, foot: Point, size: float, colour: Colour) -> None:
    (x, y), top = foot, foot[1] - size * 1.5
    canvas.rectangle(x - size, top, x + size, y, colour)
    canvas.rectangle(x - size * 0.7, top, x - size * 0.3, y, shade(colour, 1.25))
    canvas.ellipse((x, top), (size, size * 0.3), shade(colour, 0.55))
    canvas.line(((x + size, top + size * 0.4), (x + size * 1.5, top + size * 0.3)), shade(colour, 0.5), 0.01)


def _draw_bench(canvas: Canvas, rng: np.random.Generator, *, top: float) -> None:
    start = float(rng.uniform(-0.2, 0.3))
    end = start + float(rng.uniform(0.7, 1.1))
    canvas.rectangle(start, top, end, top + 0.22, shade(STEEL, 0.66))
    canvas.rectangle(start, top, end, top + 0.035, shade(STEEL, 1.2))
    for x in np.arange(start + 0.1, end, 0.22):
        canvas.line(((float(x), top + 0.05), (float(x), top + 0.2)), shade(STEEL, 0.45), 0.006)


def draw_goods(canvas: Canvas, rng: np.random.Generator) -> None:
    """What moves from snapshot to snapshot: a rack trolley, stacked crates, pots, an open door's light."""
    if rng.random() < 0.75:
        _draw_trolley(canvas, rng, x=float(rng.uniform(-0.1, canvas.aspect - 0.15)))
    for _ in range(int(rng.integers(1, 4))):
        _draw_crates(canvas, rng, x=float(rng.uniform(0, canvas.aspect - 0.15)))
    for _ in range(int(rng.integers(0, 3))):
        foot = (float(rng.uniform(0.05, canvas.aspect - 0.05)), float(rng.uniform(0.55, 0.7)))
        _draw_pot(canvas, foot, float(rng.uniform(0.04, 0.075)), shade(STEEL, float(rng.uniform(0.5, 1.1))))


def _draw_trolley(canvas: Canvas, rng: np.random.Generator, *, x: float) -> None:
    top, foot, width = float(rng.uniform(0.15, 0.4)), float(rng.uniform(0.75, 0.95)), float(rng.uniform(0.2, 0.34))
    frame = shade(STEEL, float(rng.uniform(0.35, 0.8)))
    canvas.rectangle(x, top, x + width, foot, shade(frame, float(rng.uniform(0.4, 0.8))))
    for y in np.arange(top + 0.04, foot - 0.03, 0.075):
        canvas.rectangle(x + 0.015, float(y), x + width - 0.015, float(y) + 0.022, shade(STEEL, 1.05))
        canvas.rectangle(
            x + 0.03, float(y) - 0.018, x + width - 0.03, float(y), pick(rng, ((70, 120, 180), (60, 84, 130)))
        )
    for side in (x, x + width):
        canvas.line(((side, top), (side, foot)), frame, 0.014)
        canvas.ellipse((side, foot + 0.015), (0.018, 0.018), (30, 30, 32))


def _draw_crates(canvas: Canvas, rng: np.random.Generator, *, x: float) -> None:
    foot, width, height = float(rng.uniform(0.72, 1.0)), float(rng.uniform(0.14, 0.22)), 0.085
    for level in range(int(rng.integers(1, 5))):
        colour, bottom = pick(rng, CRATES), foot - level * height
        canvas.rectangle(x, bottom - height, x + width, bottom, colour)
        canvas.rectangle(x, bottom - height, x + width, bottom - height + 0.014, shade(colour, 1.35))
        canvas.rectangle(x + width * 0.38, bottom - 0.055, x + width * 0.62, bottom - 0.035, shade(colour, 0.4))
