"""One line of the table: what, ours, the other side, their ratio, the goal, and whether it is met."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """`ratio` is what the goal speaks of; `met` is None where no goal is set."""

    what: str
    ours: str
    other: str
    ratio: float | None
    goal: str
    met: bool | None


def at_least(what: str, ours: str, other: str, ratio: float, goal: float) -> Row:
    """A ratio that must not be smaller than the goal."""
    return Row(what, ours, other, ratio, f">= {goal:g}", ratio >= goal)


def at_most(what: str, ours: str, other: str, ratio: float, goal: float) -> Row:
    """A ratio that must not be larger than the goal."""
    return Row(what, ours, other, ratio, f"<= {goal:g}", ratio <= goal)


def limit(what: str, value: float, unit: str, goal: float) -> Row:
    """A figure without another side, which must not be larger than the goal."""
    return Row(what, f"{value:.3g} {unit}", "", None, f"<= {goal:g} {unit}", value <= goal)


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(values: list[float]) -> float:
    """The median."""
    return median(values)
