"""What runs on one machine: every service, and what has to stand before the first of them starts."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from libs.common import kafka, objects
from libs.common.postgres import migrate_all
from libs.common.settings import CommonSettings
from libs.local.endpoints import Endpoints
from libs.local.service import ServiceSpec
from libs.local.settings import LocalSettings
from libs.local.supervisor import Plan

HTTP_PORTS = {
    "ingest": 8401,
    "cleaner": 8402,
    "dataset": 8403,
    "trainer": 8404,
    "evaluator": 8405,
    "registry": 8406,
    "console": 8400,
}
SERVICES = tuple(HTTP_PORTS)


def make_plan(settings: LocalSettings, *, admin_token: str) -> Plan:
    """The plan of `camloop up`. Ports are wishes: a taken one is replaced."""
    environment = {
        "CAMLOOP_ADMIN_TOKEN": admin_token,
        "WORKFLOWS_FOLDER": str(settings.workflows_folder.resolve()),
        "TRAINER_WORK_FOLDER": str((settings.data_folder / "trainer").resolve()),
        "TRAINER_WEIGHTS_FOLDER": str((settings.data_folder / "weights").resolve()),
        "EVALUATOR_CACHE_FOLDER": str((settings.data_folder / "evaluator").resolve()),
    }
    return Plan(
        services=[ServiceSpec(name, f"services.{name}", http_port=port) for name, port in HTTP_PORTS.items()],
        prepare=preparation(admin_token),
        admin_token=admin_token,
        external=settings.external(),
        environment=environment,
        bucket=settings.s3_bucket,
    )


def preparation(admin_token: str) -> Callable[[Endpoints], Awaitable[None]]:
    """Migrations, topics and the bucket, once the servers answer."""

    async def prepare(endpoints: Endpoints) -> None:
        settings = common_settings(endpoints, admin_token)
        await migrate_all(endpoints.database_url, SERVICES)
        await kafka.provision(settings, kafka.event_topics())
        await objects.connect(settings).ensure_bucket()

    return prepare


def common_settings(endpoints: Endpoints, admin_token: str) -> CommonSettings:
    """The shared settings, from addresses instead of the environment."""
    values = endpoints.environment() | {"CAMLOOP_ADMIN_TOKEN": admin_token}
    return CommonSettings.model_validate(values)


def env_file() -> Path:
    """Where `camloop init` keeps generated secrets."""
    return Path(".env")
