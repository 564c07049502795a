"""Where the bars of a clip lie: one row of segments for the truth, one for the prediction, in units of the view box."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.evaluator.report.charts import PALETTE
from services.evaluator.report.temporal.content import ReportedSegment

WIDTH = 1000.0
NOTHING = "#dfe5ec"
TICK_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
MAXIMUM_TICKS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A segment as a rectangle: `x` and `width` of `WIDTH`."""

    label: str
    x: float
    width: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the line of time."""

    x: float
    text: str


def colours(labels: Sequence[str], background: str) -> dict[str, str]:
    """A colour for each label; where the palette ends it begins again, paler."""
    steps = [label for label in labels if label != background]
    return {background: NOTHING} | {label: _colour(number) for number, label in enumerate(steps)}


def _colour(number: int) -> str:
    colour, turn = PALETTE[number % len(PALETTE)], number // len(PALETTE)
    white = 1 - 0.5**turn
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + white * (255 - part)):02x}" for part in parts)


def bars(segments: Iterable[ReportedSegment], seconds: float, known: Mapping[str, str]) -> tuple[Bar, ...]:
    """The segments of known labels as far as they lie inside the clip."""
    placed = ((each, max(0.0, each.start_seconds), min(seconds, each.end_seconds)) for each in segments)
    return tuple(
        Bar(each.step, round(WIDTH * start / seconds, 1), round(WIDTH * (end - start) / seconds, 1), start, end)
        for each, start, end in placed
        if end > start and each.step in known
    )


def ticks(seconds: float) -> tuple[Tick, ...]:
    """Marks at whole seconds, at most `MAXIMUM_TICKS` of them."""
    step = next((each for each in TICK_SECONDS if seconds / each <= MAXIMUM_TICKS), TICK_SECONDS[-1])
    return tuple(Tick(round(WIDTH * at / seconds, 1), f"{at} s") for at in range(0, int(seconds) + 1, step) if seconds)
