"""What can be set for the console."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings
from services.console.domain.shifts import THREE_SHIFTS, Shift, ShiftPlan, zone_called


class Settings(CommonSettings):
    """Prefix `CONSOLE_`. With `rebuild_on_start` the read tables are made anew from the topics once it runs.

    `time_zone` and `shifts` are the plant's, for reports: `[{"title": {"en": "day", "zh": "白班"}, "begins": "06:00"}, ...]`.
    """

    model_config = SettingsConfigDict(env_prefix="CONSOLE_")

    workflow_poll_seconds: float = Field(3.0, gt=0)
    stream_poll_seconds: float = Field(0.3, gt=0)
    link_minutes: float = Field(10.0, gt=0, le=7 * 24 * 60)
    rebuild_on_start: bool = False
    lag_measure_seconds: float = Field(15.0, gt=0)
    time_zone: str = "UTC"
    shifts: tuple[Shift, ...] = THREE_SHIFTS

    @model_validator(mode="after")
    def _plan_is_one(self) -> Self:
        _ = self.shift_plan
        return self

    @property
    def shift_plan(self) -> ShiftPlan:
        """The plant's shifts by the plant's clock."""
        return ShiftPlan(zone_called(self.time_zone), self.shifts)
