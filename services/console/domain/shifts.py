"""Which shift of which day a moment belongs to, by the clock on the plant's wall."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from libs.common.workflows import Title


@dataclass(frozen=True)
class Shift:
    """From `begins` until the next shift does."""

    title: Title
    begins: time


THREE_SHIFTS = (
    Shift(Title(en="early", zh="早班"), time(6)),
    Shift(Title(en="late", zh="中班"), time(14)),
    Shift(Title(en="night", zh="夜班"), time(22)),
)


def zone_called(name: str) -> ZoneInfo:
    """The time zone with this name. Raises ValueError with an example if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone: use a name like Asia/Shanghai or Europe/Berlin") from error


@dataclass(frozen=True)
class ShiftPlan:
    """The shifts of every day, in the order of their begins. Raises ValueError for none, or an order that is none."""

    zone: ZoneInfo
    shifts: tuple[Shift, ...] = THREE_SHIFTS

    def __post_init__(self) -> None:
        if not self.shifts:
            raise ValueError("a shift plan needs a shift")
        if any(shift.begins.tzinfo is not None for shift in self.shifts):
            raise ValueError("shifts begin by the plant's clock: give times without a zone, like 06:00")
        for earlier, later in pairwise(self.shifts):
            if not earlier.begins < later.begins:
                raise ValueError(f"shift {later.title.en} must begin after {earlier.title.en}: put them in order")

    def begin_of(self, day: date) -> datetime:
        """When the day's first shift begins. Raises OverflowError for a day at the end of all calendars."""
        return datetime.combine(day, self.shifts[0].begins, self.zone).astimezone(UTC)

    def place(self, moment: datetime) -> tuple[date, int]:
        """Day and index of the shift. What is before the day's first shift belongs to the last one of the day before."""
        local = moment.astimezone(self.zone)
        begun = [at for at, shift in enumerate(self.shifts) if shift.begins <= local.time()]
        if begun:
            return local.date(), begun[-1]
        return local.date() - timedelta(days=1), len(self.shifts) - 1
