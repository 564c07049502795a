"""The disk of a plant's machine runs full: cameras are told, nothing is lost, and with room again all goes on by itself."""

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaError

from libs.common import objects
from libs.common.events import SnapshotCaptured
from libs.common.postgres import DATABASE_TROUBLE
from libs.common.settings import CommonSettings
from libs.common.testing import snapshot
from tests.soak.cameras import publish_once
from tests.support.gates import picture
from tests.support.system import REPOSITORY, System, running_system

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(420)]
QUOTA = "512m"
FULL_SECONDS = 25


@pytest.fixture
def quota(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of its own that is soon full."""
    folder = tmp_path / "quota"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={QUOTA}", "camloop-quota", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a folder with a quota needs the right to mount (run as root): {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(quota: Path) -> Iterator[System]:
    """A camloop whose whole data folder has the quota."""
    with running_system(quota, REPOSITORY / "deploy" / "workflows") as running:
        yield running


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            assert shutil.disk_usage(folder).free < 1 << 16
    return ballast


def send(system: System, name: str, seed: int) -> int | str:
    """A camera's attempt: the status of the answer, or what there was instead of one."""
    known = system.endpoints
    try:
        answer = httpx.post(
            f"{known['http']['ingest']}/v1/snapshots",
            headers={"Authorization": f"Bearer {known['tokens']['admin']}"},
            files={"image": picture(seed)},
            data={"metadata": json.dumps({"snapshot_id": name, "camera_id": "line-1", "workflow": "hairnet"})},
            timeout=70,
        )
    except httpx.TransportError as error:
        return type(error).__name__
    if answer.status_code not in (202, 503):
        return answer.text
    return answer.status_code


def fates(system: System) -> Counter[str]:
    """Decided samples by snapshot; none while the database is away."""
    return asyncio.run(_fates(system.endpoints["postgres"]["dsn"]))


async def _fates(dsn: str) -> Counter[str]:
    with suppress(*DATABASE_TROUBLE):
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return Counter(
                row["snapshot_id"] for row in await connection.fetch("select snapshot_id from cleaner.sample")
            )
        finally:
            await connection.close()
    return Counter()


def settings_of(system: System) -> CommonSettings:
    """For clients of the same parts."""
    known = system.endpoints
    return CommonSettings(
        _env_file=None,  # type: ignore[call-arg]
        KAFKA_BOOTSTRAP_SERVERS=known["kafka"]["bootstrap_servers"],
        DATABASE_URL=known["postgres"]["dsn"],
        S3_ENDPOINT=known["s3"]["endpoint"],
        S3_ACCESS_KEY=known["s3"]["access_key"],
        S3_SECRET_KEY=known["s3"]["secret_key"],
        S3_BUCKET=known["s3"]["bucket"],
        CAMLOOP_ADMIN_TOKEN=known["tokens"]["admin"],
    )


class OwnCamera(threading.Thread):
    """A camera that puts its pictures and publishes by itself; it holds on to an event until the broker has it."""

    def __init__(self, system: System, names: list[str]) -> None:
        super().__init__()
        self._system = system
        store = objects.connect(settings_of(system))
        self._events = [
            snapshot(
                snapshot_id=name,
                image=asyncio.run(store.put(f"snapshots/direct/{name}.jpg", picture(1000 + number), "image/jpeg")),
            )
            for number, name in enumerate(names)
        ]
        self.refused = 0

    def run(self) -> None:
        """Publish one event after the other."""
        for event in self._events:
            while not asyncio.run(self._taken(event)):
                self.refused += 1
                time.sleep(1)

    async def _taken(self, event: SnapshotCaptured) -> bool:
        bootstrap = self._system.endpoints["kafka"]["bootstrap_servers"]
        try:
            await publish_once(bootstrap, event)
        except (KafkaError, OSError, TimeoutError):
            return False
        return True


def test_a_full_disk_loses_nothing_and_needs_no_hand(cramped: System, quota: Path) -> None:
    posted, own = ([f"{kind}-{number}" for number in range(12)] for kind in ("posted", "own"))
    cramped.until("ingest to know the workflow", lambda: send(cramped, posted[0], 0) == 202, 30)
    cramped.until("the first sample", lambda: fates(cramped)[posted[0]] == 1, 30)
    camera = OwnCamera(cramped, own)

    ballast = fill(quota)
    camera.start()
    answers = Counter(send(cramped, name, number) for number, name in enumerate(posted[1:], start=1))
    assert set(answers) == {503}, "told to come back, every time"
    time.sleep(FULL_SECONDS)
    assert "is full" in cramped.camloop("status", code=None)["error"], "and people are told"
    assert camera.refused > 0, "the broker had no room either"
    ballast.unlink()

    for number, name in enumerate(posted):
        cramped.until(f"{name} to be taken", lambda: send(cramped, name, number) == 202, 120)  # noqa: B023 used at once
    camera.join(120)
    cramped.until("every snapshot to be decided", lambda: fates(cramped) == Counter(posted + own), 120)
