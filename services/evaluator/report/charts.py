"""What charts of all reports share: colours, and the cells of a heat map."""

from collections.abc import Sequence
from dataclasses import dataclass

# Told apart by the colour-blind (after Okabe and Ito).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8c6d31")


@dataclass(frozen=True, slots=True)
class Cell:
    """A count and its share of the row, 0..1."""

    count: int
    share: float
    right: bool


def heat_map(counts: Sequence[Sequence[int]]) -> tuple[tuple[Cell, ...], ...]:
    """Rows of cells; the diagonal is right, also for a detector's background, which has no count there."""
    return tuple(
        tuple(Cell(count, count / max(1, sum(row)), right=at == across) for across, count in enumerate(row))
        for at, row in enumerate(counts)
    )
