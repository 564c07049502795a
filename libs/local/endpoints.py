"""Where Kafka, PostgreSQL and S3 are: as the services read it, and as `var/endpoints.json` tells outside programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.local.files import write_atomically


@dataclass(frozen=True)
class External:
    """Servers that somebody else runs; what is None is started here."""

    kafka_bootstrap_servers: str | None = None
    database_url: str | None = None
    s3_endpoint: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = None


@dataclass(frozen=True)
class Endpoints:
    """The three servers, ours or external."""

    kafka_bootstrap_servers: str
    database_url: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    s3_bucket: str

    def environment(self) -> dict[str, str]:
        """The variables every service reads them from."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "DATABASE_URL": self.database_url,
            "S3_ENDPOINT": self.s3_endpoint,
            "S3_ACCESS_KEY": self.s3_access_key,
            "S3_SECRET_KEY": self.s3_secret_key,
            "S3_BUCKET": self.s3_bucket,
        }


def endpoints_path(data_folder: Path) -> Path:
    """Where `write_endpoints` of a supervisor puts them."""
    return data_folder / "endpoints.json"


def write_endpoints(path: Path, endpoints: Endpoints, *, http: Mapping[str, str], admin_token: str) -> None:
    """Write what an outside program needs to drive the system, readable for the owner only (contract: endpoints.json)."""
    content = {
        "kafka": {"bootstrap_servers": endpoints.kafka_bootstrap_servers},
        "postgres": {"dsn": endpoints.database_url},
        "s3": {
            "endpoint": endpoints.s3_endpoint,
            "access_key": endpoints.s3_access_key,
            "secret_key": endpoints.s3_secret_key,
            "bucket": endpoints.s3_bucket,
        },
        "http": dict(http),
        "tokens": {"admin": admin_token},
    }
    write_atomically(path, json.dumps(content, indent=1), mode=0o600)
