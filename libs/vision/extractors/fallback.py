"""Plan A or plan B: hand points where hands can be seen often enough, the picture's own measures where they can't."""

from typing import Literal

MINIMUM_VISIBLE_SHARE = 0.6


def choose(visible_share: float, minimum: float = MINIMUM_VISIBLE_SHARE) -> Literal["hands", "classic"]:
    """The extractor for clips in which hand points are in sight for this share of the time; once per dataset."""
    return "hands" if visible_share >= minimum else "classic"


def reason(visible_share: float, minimum: float = MINIMUM_VISIBLE_SHARE) -> str:
    """The choice in words, for the log."""
    if choose(visible_share, minimum) == "hands":
        return f"Hand points are in sight {visible_share:.0%} of the time (at least {minimum:.0%}): they are used"
    return (
        f"Hand points are in sight only {visible_share:.0%} of the time (less than {minimum:.0%}): "
        "regions of skin, gradients and flow are used instead"
    )
