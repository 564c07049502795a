"""What can be set on the cleaner. Rules about content are the workflow's, not settings."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Limits that protect the process from hostile pictures, and how often it measures its queue."""

    model_config = SettingsConfigDict(env_prefix="CLEANER_")

    maximum_image_bytes: int = Field(32 * 1024 * 1024, ge=1)
    maximum_pixels: int = Field(50_000_000, ge=1)
    decoder_memory_bytes: int = Field(2 * 1024**3, ge=256 * 1024**2)
    decoder_seconds: float = Field(20.0, gt=0)
    clip_seconds: float = Field(300.0, gt=0)
    job_lease_seconds: float = Field(60.0, gt=0)
    queue_measure_seconds: float = Field(10.0, gt=0)
