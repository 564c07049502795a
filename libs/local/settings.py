"""What the command line can be told: where data lies, and servers somebody else runs."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.local.endpoints import External


class LocalSettings(BaseSettings):
    """`.env` and environment. Servers that are named here are used instead of being started."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    data_folder: Path = Field(Path("var"), validation_alias="CAMLOOP_DATA_FOLDER")
    admin_token: SecretStr | None = Field(None, validation_alias="CAMLOOP_ADMIN_TOKEN", min_length=24)
    kafka_bootstrap_servers: str | None = Field(None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    s3_endpoint: str | None = Field(None, validation_alias="S3_ENDPOINT")
    s3_access_key: str | None = Field(None, validation_alias="S3_ACCESS_KEY")
    s3_secret_key: str | None = Field(None, validation_alias="S3_SECRET_KEY")
    s3_bucket: str = Field("camloop", validation_alias="S3_BUCKET")
    workflows_folder: Path = Field(Path("deploy/workflows"), validation_alias="WORKFLOWS_FOLDER")
    language: Literal["en", "zh"] = Field("en", validation_alias="CAMLOOP_LANGUAGE")

    def external(self) -> External:
        """Servers that are not ours to start."""
        return External(
            kafka_bootstrap_servers=self.kafka_bootstrap_servers,
            database_url=self.database_url,
            s3_endpoint=self.s3_endpoint,
            s3_access_key=self.s3_access_key,
            s3_secret_key=self.s3_secret_key,
        )
