"""What can be set for the registry."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Prefix `REGISTRY_`. A presigned link to an artifact is good for `link_minutes`."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_")

    link_minutes: float = Field(10.0, gt=0, le=7 * 24 * 60)
    gauge_seconds: float = Field(15.0, gt=0)
