"""How two hands are held before a basin, seen from above, and all that lies between one way and another.

Lengths are shares of the picture's height before the camera's zoom, x to the right and y towards the washer, from the
middle of the basin. Angles are degrees clockwise; a hand at angle 0 points away from the washer.
"""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Hand:
    """How one hand is held: the middle of its palm, where it points, and its fingers.

    `width` is 1 for a flat hand and small for one seen from its edge, `palm` 1 when the palm is up. `reach` is 1 for
    straight fingers and small for a fist; `spread` lies between two fingers, `thumb` between the thumb and the hand;
    `bunch` 1 puts all fingertips together.
    """

    x: float
    y: float
    angle: float = 0.0
    width: float = 1.0
    palm: float = 0.0
    reach: float = 1.0
    spread: float = 4.0
    bunch: float = 0.0
    thumb: float = 35.0
    thumb_reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Hands:
    """Both hands. `right_on_top` and `meshed` (fingers between fingers) are true above 0.5; `water` runs above 0.5."""

    left: Hand
    right: Hand
    right_on_top: float = 1.0
    meshed: float = 0.0
    water: float = 0.0


def mirrored(hand: Hand) -> Hand:
    """The same for the other hand."""
    return replace(hand, x=-hand.x, angle=-hand.angle)


def swapped(hands: Hands) -> Hands:
    """What left did right does, and the other way round."""
    return replace(
        hands, left=mirrored(hands.right), right=mirrored(hands.left), right_on_top=1 - hands.right_on_top
    )  # fmt: skip


def between(first: Hands, second: Hands, share: float) -> Hands:
    """`share` of the way from the first to the second."""
    return Hands(
        _hand_between(first.left, second.left, share),
        _hand_between(first.right, second.right, share),
        *(
            (1 - share) * a + share * b
            for a, b in (
                (first.right_on_top, second.right_on_top),
                (first.meshed, second.meshed),
                (first.water, second.water),
            )
        ),
    )


def _hand_between(first: Hand, second: Hand, share: float) -> Hand:
    values = ((1 - share) * getattr(first, f.name) + share * getattr(second, f.name) for f in fields(Hand))
    return Hand(*values)
