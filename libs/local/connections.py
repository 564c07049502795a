"""Which services a command talks to: their clients, and the object store, of the system that runs in this data folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.common import objects
from libs.common.objects import S3Objects
from libs.local.client import Client, client, read_endpoints
from libs.local.endpoints import Endpoints
from libs.local.plan import common_settings
from libs.local.settings import LocalSettings


def local_settings() -> LocalSettings:
    """The settings of this command line."""
    return LocalSettings()  # pyright: ignore[reportCallIssue]  # the environment fills it


def data_folder() -> Path:
    """Where the data of the system on this machine lies."""
    return local_settings().data_folder


@contextmanager
def console() -> Iterator[Client]:
    """The console: it knows everything that happened and takes requests."""
    with client(data_folder(), "console") as talking:
        yield talking


@contextmanager
def ingest() -> Iterator[Client]:
    """Ingest: it takes snapshots and knows cameras and tokens."""
    with client(data_folder(), "ingest") as talking:
        yield talking


@contextmanager
def registry() -> Iterator[Client]:
    """The registry: it knows model versions and moves aliases."""
    with client(data_folder(), "registry") as talking:
        yield talking


def object_store() -> S3Objects:
    """The object store the running system uses. Raises `NotRunning`."""
    known = read_endpoints(data_folder())
    endpoints = Endpoints(
        kafka_bootstrap_servers=known.kafka_bootstrap_servers,
        database_url=known.postgres_dsn,
        s3_endpoint=known.s3["endpoint"],
        s3_access_key=known.s3["access_key"],
        s3_secret_key=known.s3["secret_key"],
        s3_bucket=known.s3["bucket"],
    )
    return objects.connect(common_settings(endpoints, known.admin_token))
