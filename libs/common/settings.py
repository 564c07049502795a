"""Settings every service shares; configuration enters here, is checked at start and travels as arguments."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommonSettings(BaseSettings):
    """Names without a prefix are shared by all services; a service adds its own with its prefix."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    kafka_bootstrap_servers: str = Field(validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_security_protocol: str = Field("PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL")
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", validation_alias="KAFKA_SASL_MECHANISM")
    kafka_username: str | None = Field(None, validation_alias="KAFKA_USERNAME")
    kafka_password: SecretStr | None = Field(None, validation_alias="KAFKA_PASSWORD")
    kafka_ca_file: Path | None = Field(None, validation_alias="KAFKA_CA_FILE")
    kafka_replication_factor: int = Field(1, validation_alias="KAFKA_REPLICATION_FACTOR")
    database_url: str = Field(validation_alias="DATABASE_URL")
    s3_endpoint: str = Field(validation_alias="S3_ENDPOINT")
    s3_public_endpoint: str | None = Field(None, validation_alias="S3_PUBLIC_ENDPOINT")
    s3_access_key: str = Field(validation_alias="S3_ACCESS_KEY")
    s3_secret_key: SecretStr = Field(validation_alias="S3_SECRET_KEY")
    s3_bucket: str = Field("camloop", validation_alias="S3_BUCKET")
    s3_region: str = Field("us-east-1", validation_alias="S3_REGION")
    admin_token: SecretStr = Field(validation_alias="CAMLOOP_ADMIN_TOKEN", min_length=24)
    workflows_folder: Path = Field(Path("deploy/workflows"), validation_alias="WORKFLOWS_FOLDER")
    log_level: str = Field("INFO", validation_alias="LOG_LEVEL")
    log_format: str = Field("json", validation_alias="LOG_FORMAT")
    outbox_notify: bool = Field(True, validation_alias="OUTBOX_NOTIFY")
    retry_base_seconds: float = Field(5.0, gt=0, validation_alias="RETRY_BASE_SECONDS")
    retry_attempts: int = Field(5, ge=1, validation_alias="RETRY_ATTEMPTS")
    job_lease_seconds: float = Field(60.0, gt=0, validation_alias="JOB_LEASE_SECONDS")
    http_host: str = Field("127.0.0.1", validation_alias="HTTP_HOST")
    http_port: int = Field(0, ge=0, le=65535)
