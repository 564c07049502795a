"""What can be set on ingest: how large an upload may be, and how wrong a camera's clock."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.common.settings import CommonSettings


class Settings(CommonSettings):
    """Limits of an upload, and how long a link to upload with is good."""

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    maximum_image_bytes: int = Field(20 * 1024 * 1024, ge=1)
    maximum_clip_bytes: int = Field(500 * 1024 * 1024, ge=1)
    maximum_pixels: int = Field(50_000_000, ge=1)
    clock_tolerance_seconds: float = Field(300.0, ge=0)
    upload_link_seconds: float = Field(900.0, ge=1)
