"""A supervisor as the command line runs one: `python -m tests.integration.local.run_stack DATA_FOLDER [crash] [external]`."""

import asyncio
import sys
from pathlib import Path

from libs.local.endpoints import Endpoints, External
from libs.local.failures import StartFailed
from libs.local.service import ServiceSpec
from libs.local.supervisor import Plan, Supervisor


async def prepare(endpoints: Endpoints) -> None:
    sys.stdout.write(f"preparing {endpoints.kafka_bootstrap_servers}\n")


EXTERNAL = External(
    kafka_bootstrap_servers="kafka.plant:9092",
    database_url="postgresql://camloop@db.plant/camloop",
    s3_endpoint="http://s3.plant:8333",
    s3_access_key="plant-key",
    s3_secret_key="plant-secret",
)


def plan(data_folder: Path, *words: str) -> Plan:
    env = {"FAKE_REPORT": str(data_folder / "report.json"), **({"FAKE_CRASH": "1"} if "crash" in words else {})}
    fake = ServiceSpec(name="fake", module="tests.integration.local.fake_service", env=env)
    external = EXTERNAL if "external" in words else External()
    return Plan(services=[fake], prepare=prepare, admin_token="t" * 30, external=external, durable=False)


def main() -> None:
    data_folder = Path(sys.argv[1])
    try:
        asyncio.run(Supervisor(data_folder, plan(data_folder, *sys.argv[2:])).run())
    except StartFailed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
