"""The steps of a hand wash as hands do them: for each how both hands are held and how they move.

The steps are those of the World Health Organization ("WHO Guidelines on Hand Hygiene in Health Care", 2009, figure II.2).
A side in a label is that of the hand that is washed: at `thumb_left` the right hand turns about the left thumb.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import Literal, get_args

from libs.local.drawing.hands import Hand, Hands, between, mirrored, swapped

Step = Literal[
    "palm_to_palm",
    "palm_over_dorsum_left",
    "palm_over_dorsum_right",
    "fingers_interlaced",
    "backs_of_fingers",
    "thumb_left",
    "thumb_right",
    "fingertips",
]
Interlude = Literal["arrive", "wet", "soap", "apart", "rinse", "shake", "leave", "away", "covered"]
Action = Step | Interlude

STEPS: tuple[Step, ...] = get_args(Step)
UNSEEN: frozenset[Action] = frozenset({"away", "covered"})
"""Actions in which no hand is in the picture."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a step is done this time. `amplitude` and `rate` (a second) scale its motion; `dx`, `dy` and `tilt` shift and
    turn both hands; `other_side` is for actions that either hand may do."""

    amplitude: float = 1.0
    rate: float = 1.2
    phase: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    tilt: float = 0.0
    other_side: bool = False


def pose(action: Action, manner: Manner, seconds: float, share: float) -> Hands:
    """Both hands `seconds` after the action began, when `share` (0..1) of it is over."""
    turn = 2 * pi * (manner.rate * seconds + manner.phase)
    hands = _POSES[action](turn, manner.amplitude, share)
    if manner.other_side and action in _EITHER_SIDE:
        hands = swapped(hands)
    return replace(hands, left=_moved(hands.left, manner), right=_moved(hands.right, manner))


def _moved(hand: Hand, manner: Manner) -> Hand:
    angle = manner.tilt * pi / 180
    x, y = cos(angle) * hand.x - sin(angle) * hand.y, sin(angle) * hand.x + cos(angle) * hand.y
    return replace(hand, x=x + manner.dx, y=y + manner.dy, angle=hand.angle + manner.tilt)


def _palm_to_palm(turn: float, size: float, _: float) -> Hands:
    slide = 0.045 * size * sin(turn)
    right = Hand(0.03, 0.03 + slide, -4, width=0.42, spread=0.5, thumb=14)
    return Hands(mirrored(replace(right, y=0.03 - slide)), right, right_on_top=0.0)


def _palm_over_dorsum_left(turn: float, size: float, _: float) -> Hands:
    slide = 0.05 * size * sin(turn)
    left = Hand(-0.05, 0.03, 32, spread=7, thumb=48)
    right = Hand(0.05 + slide * 0.55, 0.0 - slide * 0.85, -38, spread=8, thumb=42)
    return Hands(left, right)


def _fingers_interlaced(turn: float, size: float, _: float) -> Hands:
    right = Hand(0.145 + 0.03 * size * sin(turn), 0.01, -76, width=0.85, spread=9, thumb=30, thumb_reach=0.9)
    return Hands(mirrored(replace(right, y=0.03)), right, meshed=1.0)


def _backs_of_fingers(turn: float, size: float, _: float) -> Hands:
    rub = 0.035 * size * sin(turn)
    right = Hand(0.085, -0.01 + rub, -84, width=0.9, reach=0.5, spread=1, thumb=62, thumb_reach=0.8)
    left = Hand(-0.085, 0.02 - rub, 84, width=0.9, palm=1.0, reach=0.5, spread=1, thumb=70, thumb_reach=0.9)
    return Hands(left, right)


def _thumb_left(turn: float, size: float, _: float) -> Hands:
    left = Hand(-0.085, 0.035, 6, spread=3, thumb=68, thumb_reach=1.25)
    right = Hand(
        0.052, -0.005, -62 + 34 * size * sin(turn), width=0.85, reach=0.42, spread=0, thumb=22, thumb_reach=0.7
    )
    return Hands(left, right)


def _fingertips(turn: float, size: float, _: float) -> Hands:
    left = Hand(-0.06, 0.04, 48, palm=1.0, spread=5, thumb=50)
    x, y = 0.09 + 0.026 * size * cos(turn), -0.035 + 0.026 * size * sin(turn)
    return Hands(left, Hand(x, y, -112, width=0.7, reach=0.72, bunch=1.0, thumb=14, thumb_reach=0.8))


def _apart(turn: float, size: float, _: float) -> Hands:
    right = Hand(0.19 + 0.012 * size * sin(turn / 2), 0.09, -6, spread=6)
    return Hands(replace(mirrored(right), y=0.09 + 0.012 * size * cos(turn / 2)), right)


def _wet(turn: float, size: float, _: float) -> Hands:
    right = Hand(0.085, -0.02 + 0.018 * size * sin(turn / 2), -14, palm=1.0, spread=3)
    return Hands(mirrored(right), right, water=1.0)


def _rinse(turn: float, size: float, _: float) -> Hands:
    """Hands turn over and over under the water, together."""
    over = 0.5 + 0.5 * sin(turn / 2)
    right = Hand(0.08, -0.03 + 0.03 * size * sin(turn), -18, palm=over, spread=6)
    return Hands(replace(mirrored(right), palm=1 - over), right, water=1.0)


def _soap(turn: float, _: float, share: float) -> Hands:
    """The left hand is held below the dispenser on the right, the right one presses it."""
    press = 0.015 * sin(turn)
    left = Hand(0.14, 0.06, 40, palm=1.0, spread=2, reach=0.8)
    right = Hand(0.3, -0.04 + press, -20, reach=0.55, bunch=0.4)
    return between(_apart(turn, 1, 0), Hands(left, right), min(1.0, 4 * min(share, 1 - share)))


def _shake(turn: float, size: float, _: float) -> Hands:
    shaken = 0.03 * size * sin(2 * turn)
    right = Hand(0.15, 0.04 + shaken, -8, reach=0.85, spread=10)
    return Hands(mirrored(right), right)


def _away(*_: float) -> Hands:
    right = Hand(0.28, 0.86, -4, spread=5)
    return Hands(mirrored(right), right)


def _arrive(turn: float, size: float, share: float) -> Hands:
    return between(_away(), _apart(turn, size, 0), min(1.0, 0.3 + 0.9 * share))


def _leave(turn: float, size: float, share: float) -> Hands:
    return between(_apart(turn, size, 0), _away(), 0.7 * share)


_POSES: Mapping[Action, Callable[[float, float, float], Hands]] = {
    "palm_to_palm": _palm_to_palm,
    "palm_over_dorsum_left": _palm_over_dorsum_left,
    "palm_over_dorsum_right": lambda turn, size, share: swapped(_palm_over_dorsum_left(turn, size, share)),
    "fingers_interlaced": _fingers_interlaced,
    "backs_of_fingers": _backs_of_fingers,
    "thumb_left": _thumb_left,
    "thumb_right": lambda turn, size, share: swapped(_thumb_left(turn, size, share)),
    "fingertips": _fingertips,
    "arrive": _arrive,
    "wet": _wet,
    "soap": _soap,
    "apart": _apart,
    "rinse": _rinse,
    "shake": _shake,
    "leave": _leave,
    "away": _away,
    "covered": _away,
}
_EITHER_SIDE: frozenset[Action] = frozenset({"fingertips", "backs_of_fingers"})
