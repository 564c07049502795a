"""Settings of a service that works on a stack of the benchmark's own."""

from libs.common.settings import CommonSettings
from libs.local.stack import LocalStack


def settings_of(stack: LocalStack) -> CommonSettings:
    """As `camloop up` would set them."""
    return CommonSettings.model_validate(
        {
            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap,
            "DATABASE_URL": stack.postgres_dsn,
            "S3_ENDPOINT": stack.s3_endpoint,
            "S3_ACCESS_KEY": stack.s3_access_key,
            "S3_SECRET_KEY": stack.s3_secret_key,
            "CAMLOOP_ADMIN_TOKEN": "benchmark-0123456789-0123456789",
        }
    )
