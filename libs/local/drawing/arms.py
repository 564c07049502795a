"""Whose hands they are, and how they and their forearms are drawn. Lengths as in `libs.local.drawing.hands`."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from libs.local.drawing.canvas import Colour, Image, mix, pick, shade
from libs.local.drawing.hands import Hand, Hands
from libs.local.drawing.people import SKINS

Points = npt.NDArray[np.float64]

# None of them may be taken for skin, in whatever light: neutral or bluish, green, never warm.
SLEEVES: tuple[Colour, ...] = ((232, 228, 222), (206, 190, 160), (150, 120, 70), (120, 150, 110), (84, 76, 68))
_ELBOW = (0.36, 0.8)
_SHIFT = 4
# Index to little finger: along the hand and across it (towards the thumb) where each begins, and how long it is.
_KNUCKLES = np.array(((0.070, 0.047), (0.080, 0.016), (0.077, -0.016), (0.064, -0.046)))
_LENGTHS = np.array((0.112, 0.128, 0.118, 0.092))
_SPREAD = np.array((1.5, 0.5, -0.5, -1.5))
_PALM = np.array(((-0.09, 0.036), (-0.03, 0.06), (0.06, 0.064), (0.085, 0.03),
                  (0.085, -0.02), (0.06, -0.062), (-0.03, -0.055), (-0.09, -0.036)))  # fmt: skip
_CREASES = np.array(((0.03, 0.05), (0.045, -0.02), (0.02, 0.05), (-0.06, 0.0), (0.015, -0.05), (0.035, 0.01)))


@dataclass(frozen=True, slots=True)
class Washer:
    """Whose hands they are: colours, build and habits. `tempo` is in rubs a second, `bare` the share of forearm without sleeve."""

    skin: Colour
    sleeve: Colour
    size: float
    breadth: float
    bare: float
    tempo: float
    turn: float


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From lengths before the sink to pixels: `matrix` is float [2, 3], `scale` the pixels of one unit."""

    matrix: Points
    scale: float

    def __call__(self, points: Points) -> Points:
        """Pixels of points [..., 2]."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]


def washer_of(rng: np.random.Generator) -> Washer:
    """Anybody."""
    return Washer(
        skin=pick(rng, SKINS, 0.06),
        sleeve=pick(rng, SLEEVES, 0.08),
        size=float(rng.uniform(0.92, 1.1)),
        breadth=float(rng.uniform(0.9, 1.12)),
        bare=float(rng.uniform(0.16, 0.34)),
        tempo=float(rng.uniform(1.0, 1.6)),
        turn=float(rng.uniform(-9, 9)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """A hand in pixels: `palm` [8, 2], `creases` [6, 2], `fingers` [5, 3, 2] from thumb to little finger, `arm` [2, 2]."""

    palm: Points
    creases: Points
    fingers: Points
    arm: Points
    skin: Colour
    finger_width: float
    arm_width: float


def draw_hands(image: Image, hands: Hands, washer: Washer, project: Projection) -> None:
    """Draws both arms, the upper one last."""
    left = _shape(hands.left, -1, washer, project)
    right = _shape(hands.right, 1, washer, project)
    lower, upper = (left, right) if hands.right_on_top > 0.5 else (right, left)
    for shape in (lower, upper):
        _draw_arm(image, shape, washer)
        _draw_palm(image, shape)
        if hands.meshed <= 0.5:
            _draw_fingers(image, shape, range(4, -1, -1))
    if hands.meshed > 0.5:
        for number in range(4, -1, -1):
            _draw_fingers(image, lower, (number,))
            _draw_fingers(image, upper, (number,))


def draw_one_arm(image: Image, hand: Hand, washer: Washer, project: Projection, *, elbow: tuple[float, float]) -> None:
    """Draws a right arm that comes from `elbow`."""
    shape = _shape(hand, 1, washer, project, elbow=elbow)
    _draw_arm(image, shape, washer)
    _draw_palm(image, shape)
    _draw_fingers(image, shape, range(4, -1, -1))


def on_hand(hand: Hand, side: int, points: Points) -> Points:
    """Where points given along and across a hand lie before the sink; `side` is 1 for the right hand, -1 for the left."""
    angle = np.radians(hand.angle)
    along = np.array((np.sin(angle), -np.cos(angle)))
    across = np.array((-np.cos(angle), -np.sin(angle))) * side * _breadth(hand)
    return points[..., :1] * along + points[..., 1:] * across + np.array((hand.x, hand.y))


def _breadth(hand: Hand) -> float:
    """What a hand's width shrinks to when seen from its edge; negative where the palm is up: then the thumb is on the other side."""
    facing = 1 - 2 * hand.palm
    return hand.width * (max(facing, 0.35) if facing >= 0 else min(facing, -0.35))


def _shape(
    hand: Hand, side: int, washer: Washer, project: Projection, *, elbow: tuple[float, float] | None = None
) -> _Shape:
    wrist = on_hand(hand, side, np.array(((-0.085, 0.0),)))
    end = elbow or (side * _ELBOW[0], _ELBOW[1])
    return _Shape(
        palm=project(on_hand(hand, side, _PALM)),
        creases=project(on_hand(hand, side, _CREASES)),
        fingers=project(on_hand(hand, side, np.concatenate((_thumb(hand), _fingers(hand))))),
        arm=project(np.concatenate((wrist, np.array((end,))))),
        skin=mix(washer.skin, (190, 200, 240), 0.28) if hand.palm > 0.5 else washer.skin,
        finger_width=0.031 * washer.breadth * project.scale * (0.8 + 0.2 * min(1.0, abs(_breadth(hand)))),
        arm_width=0.068 * washer.breadth * project.scale,
    )


def _fingers(hand: Hand) -> Points:
    """[4, 3, 2]: knuckle, joint and tip of each finger, along and across the hand."""
    directions = np.radians(_SPREAD * hand.spread)
    straight = np.column_stack((np.cos(directions), np.sin(directions))) * (_LENGTHS * hand.reach)[:, None]
    tips = _KNUCKLES + straight
    together = np.array((_KNUCKLES[:, 0].mean() + _LENGTHS.mean() * hand.reach, 0.0))
    tips = (1 - hand.bunch) * tips + hand.bunch * (0.82 * together + 0.18 * tips)
    joints = (_KNUCKLES + tips) / 2 + np.array((0.0, 0.006)) * np.sign(_SPREAD)[:, None]
    return np.stack((_KNUCKLES, joints, tips), axis=1)


def _thumb(hand: Hand) -> Points:
    """[1, 3, 2]: the same of the thumb."""
    angle = np.radians(hand.thumb)
    base, length = np.array((-0.035, 0.042)), 0.115 * hand.thumb_reach
    joint = base + length * 0.55 * np.array((np.cos(angle), np.sin(angle)))
    bent = angle * 0.75
    tip = joint + length * 0.5 * np.array((np.cos(bent), np.sin(bent)))
    return np.stack((base, joint, tip))[None]


def _draw_arm(image: Image, shape: _Shape, washer: Washer) -> None:
    wrist, elbow = shape.arm
    cuff = wrist + (elbow - wrist) * washer.bare
    bare = _band(wrist, cuff, shape.arm_width, shape.arm_width * 1.25)
    _fill(image, bare, washer.skin, shade(washer.skin, 0.62))
    sleeve = _band(cuff, elbow, shape.arm_width * 1.7, shape.arm_width * 2.2)
    _fill(image, sleeve, washer.sleeve, shade(washer.sleeve, 0.6))
    cuff_end = cuff + (elbow - wrist) * 0.04
    _fill(
        image, _band(cuff, cuff_end, shape.arm_width * 1.75, shape.arm_width * 1.75), shade(washer.sleeve, 0.82), None
    )


def _draw_palm(image: Image, shape: _Shape) -> None:
    _fill(image, shape.palm, shape.skin, shade(shape.skin, 0.58))
    inner = shape.palm.mean(axis=0) + (shape.palm - shape.palm.mean(axis=0)) * 0.7
    _fill(image, inner, shade(shape.skin, 1.05), None)
    _lines(image, shape.creases.reshape(3, 2, 2), shade(shape.skin, 0.8))


def _draw_fingers(image: Image, shape: _Shape, numbers: "range | tuple[int, ...]") -> None:
    width = max(2, round(shape.finger_width))
    dark, light = shade(shape.skin, 0.58), shade(shape.skin, 1.08)
    corners = _pixels(shape.fingers)
    for number in numbers:
        knuckle, joint, tip = (tuple(point) for point in corners[number].tolist())
        for colour, thickness in ((dark, width + 2), (shape.skin, width)):
            cv2.line(image, knuckle, joint, colour, thickness, cv2.LINE_AA, _SHIFT)
            cv2.line(image, joint, tip, colour, thickness, cv2.LINE_AA, _SHIFT)
        cv2.line(image, tip, tip, light, max(1, width // 2), cv2.LINE_AA, _SHIFT)


def _band(start: Points, end: Points, first: float, last: float) -> Points:
    """A strip from start to end, `first` wide at its beginning and `last` at its end."""
    direction = (end - start) / max(1e-6, float(np.hypot(*(end - start))))
    normal = np.array((-direction[1], direction[0]))
    return np.stack((start + normal * first / 2, end + normal * last / 2,
                     end - normal * last / 2, start - normal * first / 2))  # fmt: skip


def _fill(image: Image, points: Points, colour: Colour, edge: Colour | None) -> None:
    corners = _pixels(points)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, _SHIFT)
    if edge is not None:
        cv2.polylines(image, [corners], True, edge, 1, cv2.LINE_AA, _SHIFT)


def _lines(image: Image, lines: Points, colour: Colour) -> None:
    cv2.polylines(image, list(_pixels(lines)), False, colour, 1, cv2.LINE_AA, _SHIFT)


def _pixels(points: Points) -> npt.NDArray[np.int32]:
    """Fixed-point coordinates, so that hands move smoothly and not by whole pixels."""
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
