"""What can be set for the console."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Prefix `CONSOLE_`. With `rebuild_on_start` the read tables are made anew from the topics once it runs."""

    model_config = SettingsConfigDict(env_prefix="CONSOLE_")

    workflow_poll_seconds: float = Field(3.0, gt=0)
    stream_poll_seconds: float = Field(0.3, gt=0)
    link_minutes: float = Field(10.0, gt=0, le=7 * 24 * 60)
    rebuild_on_start: bool = False
    lag_measure_seconds: float = Field(15.0, gt=0)
