"""Settings of the dataset service, prefix `DATASET_`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Common settings and how often the policies are looked at."""

    model_config = SettingsConfigDict(env_prefix="DATASET_")

    poll_seconds: float = Field(0.5, gt=0)
