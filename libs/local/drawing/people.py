"""The people at work in the kitchen: what they wear, how they stand, and how they are drawn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from libs.local.drawing.canvas import Canvas, Colour, Point, mix, pick, shade

Facing = Literal["front", "left", "right", "back"]

SKINS: tuple[Colour, ...] = ((178, 205, 240), (140, 175, 222), (110, 148, 200), (80, 112, 165), (52, 76, 118))
HAIRS: tuple[Colour, ...] = ((22, 20, 24), (30, 42, 62), (38, 60, 98), (36, 52, 118), (70, 124, 164), (92, 94, 98))
NETS: tuple[Colour, ...] = ((255, 254, 250), (255, 236, 186), (255, 216, 140))
COATS: tuple[Colour, ...] = ((232, 232, 228), (206, 190, 160), (150, 120, 70), (120, 150, 110), (74, 70, 66))
APRONS: tuple[Colour, ...] = ((60, 58, 150), (140, 80, 30), (54, 120, 60), (40, 40, 44))
TROUSERS: tuple[Colour, ...] = ((70, 60, 54), (100, 84, 70), (44, 44, 48))


@dataclass(frozen=True)
class Person:
    """Somebody at work. `x`, `y` and `size` are the centre and half the height of the head."""

    x: float
    y: float
    size: float
    facing: Facing
    skin: Colour
    hair: Colour
    hair_style: Literal["short", "long", "bun"]
    coat: Colour
    trousers: Colour
    hairnet: Colour | None
    apron: Colour | None
    mask: bool
    gloves: bool
    reach: tuple[float, float]


def somebody(rng: np.random.Generator, aspect: float, *, from_behind: bool) -> Person:
    """Anybody, anywhere in a picture of this width by height, turned any way; `from_behind`: away from the camera too."""
    size = float(rng.uniform(0.066, 0.12))
    facings: tuple[Facing, ...] = ("front", "front", "left", "right", "back")
    return Person(
        x=float(rng.uniform(0.12, aspect - 0.12)),
        y=float(rng.uniform(0.16 + size, 0.5)),
        size=size,
        facing=facings[int(rng.integers(5 if from_behind else 4))],
        skin=pick(rng, SKINS),
        hair=pick(rng, HAIRS),
        hair_style=("short", "long", "bun")[int(rng.integers(3))],
        coat=pick(rng, COATS),
        trousers=pick(rng, TROUSERS),
        hairnet=pick(rng, NETS, 0.04) if rng.random() < 0.5 else None,
        apron=pick(rng, APRONS) if rng.random() < 0.4 else None,
        mask=bool(rng.random() < 0.4),
        gloves=bool(rng.random() < 0.4),
        reach=(float(rng.uniform(0, 1)), float(rng.uniform(0, 1))),
    )


def draw_person(canvas: Canvas, person: Person, *, head: int, torso: int, rest: int) -> None:
    """Draws one person over what is there; `head`, `torso` (the apron, or else the coat) and `rest` own its pixels."""
    _draw_body(canvas, person, rest, coat=rest if person.apron else torso)
    if person.apron is not None:
        _draw_apron(canvas, person, person.apron, torso)
    _draw_arms(canvas, person, rest)
    _draw_head(canvas, person, head)


def _draw_body(canvas: Canvas, person: Person, owner: int, *, coat: int) -> None:
    x, y, s = person.x, person.y, person.size
    for side in (-1, 1):
        legs = ((x + side * 0.1 * s, y + 5 * s), (x + side * 1.3 * s, y + 5 * s))
        canvas.polygon(
            (*legs, (x + side * 1.15 * s, y + 9.5 * s), (x + side * 0.3 * s, y + 9.5 * s)), person.trousers, owner
        )
    canvas.rectangle(x - 0.35 * s, y + 0.6 * s, x + 0.35 * s, y + 1.4 * s, shade(person.skin, 0.8))
    canvas.polygon(
        (
            (x - 1.2 * s, y + 1.45 * s),
            (x - 0.4 * s, y + 1.05 * s),
            (x + 0.4 * s, y + 1.05 * s),
            (x + 1.2 * s, y + 1.45 * s),
            (x + 1.45 * s, y + 6 * s),
            (x - 1.45 * s, y + 6 * s),
        ),
        person.coat,
        coat,
    )
    canvas.line(((x, y + 1.2 * s), (x, y + 6 * s)), shade(person.coat, 0.8), 0.05 * s, coat)


def _draw_apron(canvas: Canvas, person: Person, colour: Colour, owner: int) -> None:
    x, y, s = person.x, person.y, person.size
    bib = ((x - 0.6 * s, y + 1.8 * s), (x + 0.6 * s, y + 1.8 * s))
    canvas.polygon(
        (
            *bib,
            (x + 1.2 * s, y + 3.2 * s),
            (x + 1.3 * s, y + 6.6 * s),
            (x - 1.3 * s, y + 6.6 * s),
            (x - 1.2 * s, y + 3.2 * s),
        ),
        colour,
        owner,
    )
    canvas.line(((x - 1.25 * s, y + 3.3 * s), (x + 1.25 * s, y + 3.3 * s)), shade(colour, 0.65), 0.12 * s, owner)


def _draw_arms(canvas: Canvas, person: Person, owner: int) -> None:
    x, y, s = person.x, person.y, person.size
    hand = (196, 130, 60) if person.gloves else person.skin
    for side, reach in zip((-1, 1), person.reach, strict=True):
        elbow = (x + side * 1.65 * s, y + 3.3 * s)
        wrist = (elbow[0] - side * 0.9 * s * reach, elbow[1] + (1.2 - 1.6 * abs(reach)) * s)
        canvas.line(((x + side * 1.15 * s, y + 1.8 * s), elbow, wrist), shade(person.coat, 0.9), 0.62 * s, owner)
        canvas.ellipse(wrist, (0.36 * s, 0.36 * s), hand, owner)


def _draw_head(canvas: Canvas, person: Person, owner: int) -> None:
    x, y, s = person.x, person.y, person.size
    turn = {"front": 0.0, "left": -0.24, "right": 0.24, "back": 0.0}[person.facing]
    if person.hair_style == "long" and person.hairnet is None:
        canvas.ellipse((x - 0.6 * turn * s, y + 0.45 * s), (0.95 * s, 1.25 * s), shade(person.hair, 0.85), owner)
    if person.hair_style == "bun" and person.hairnet is None:
        canvas.ellipse((x - turn * s, y - 1.05 * s), (0.4 * s, 0.36 * s), shade(person.hair, 0.9), owner)
    canvas.ellipse((x, y), (0.84 * s, s), person.hair, owner)
    canvas.ellipse((x - 0.2 * s, y - 0.62 * s), (0.36 * s, 0.16 * s), shade(person.hair, 1.5), owner)
    if person.facing != "back":
        _draw_face(canvas, person, owner, centre=(x + turn * s, y + 0.22 * s), turn=turn)
    if person.hairnet is not None:
        _draw_hairnet(canvas, person, person.hairnet, owner)


def _draw_face(canvas: Canvas, person: Person, owner: int, *, centre: Point, turn: float) -> None:
    (x, y), s = centre, person.size
    canvas.ellipse(centre, (0.64 * s, 0.76 * s), person.skin, owner)
    for side in (-1, 1):
        canvas.ellipse((x + (side * 0.27 + turn) * s, y - 0.14 * s), (0.09 * s, 0.07 * s), (24, 24, 30), owner)
    if person.mask:
        canvas.ellipse((x + turn * 0.4 * s, y + 0.36 * s), (0.6 * s, 0.42 * s), (232, 206, 150), owner)
        canvas.line(((x - 0.55 * s, y + 0.3 * s), (x + 0.55 * s, y + 0.3 * s)), (206, 176, 118), 0.06 * s, owner)
        return
    canvas.line(
        ((x + turn * s, y - 0.05 * s), (x + turn * 1.4 * s, y + 0.2 * s)), shade(person.skin, 0.78), 0.1 * s, owner
    )
    canvas.ellipse((x + turn * s, y + 0.42 * s), (0.22 * s, 0.06 * s), (80, 70, 160), owner)


def _draw_hairnet(canvas: Canvas, person: Person, colour: Colour, owner: int) -> None:
    """A light cap drawn tight above the forehead (over the whole head from behind), the hair shining through."""
    x, y, s = person.x, person.y, person.size
    low, cap = (0.55, 1.0) if person.facing == "back" else (-0.22, 0.95)
    net = mix(colour, person.hair, 0.08)
    canvas.ellipse((x, y + low * s * 0.5 - 0.12 * s), (0.95 * s, cap * s), net, owner, arc=(176, 364))
    canvas.ellipse(
        (x, y + low * s * 0.5 - 0.12 * s), (0.95 * s, 0.3 * s + max(low, 0) * 0.7 * s), net, owner, arc=(0, 180)
    )
    middle = y + low * s * 0.5 - 0.12 * s
    for share in (-0.66, -0.33, 0.0, 0.33, 0.66):
        canvas.line(
            ((x + share * s, middle), (x + share * 0.6 * s, middle - 0.85 * cap * s)),
            shade(net, 0.88),
            0.045 * s,
            owner,
        )
    for rise in (0.3, 0.6):
        half = 0.9 * float(np.sqrt(1 - rise**2))
        canvas.line(
            ((x - half * s, middle - rise * cap * s), (x + half * s, middle - rise * cap * s)),
            shade(net, 0.88),
            0.045 * s,
            owner,
        )
    canvas.line(((x - 0.9 * s, middle + 0.02 * s), (x + 0.9 * s, middle + 0.02 * s)), shade(net, 0.72), 0.1 * s, owner)
