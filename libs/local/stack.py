"""Kafka, PostgreSQL and S3 for a test run: `async with LocalStack() as stack: ...`; parts can be stopped and killed."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Literal

from libs.local.endpoints import Endpoints
from libs.local.failures import PartFailed
from libs.local.guarding import dismiss_guardian, start_guardian
from libs.local.kafka import LocalKafka
from libs.local.logs import ProcessLog
from libs.local.parts import Part, wait_until_it_answers
from libs.local.ports import PortBook
from libs.local.postgres import LocalPostgres
from libs.local.processes import Child
from libs.local.s3 import LocalS3

PartName = Literal["kafka", "postgres", "s3"]
START_SECONDS = 60.0


class LocalStack:
    """Three real servers on free loopback ports, in a temporary folder unless one is given (which is then kept).

    Endpoints stay the same over `stop` and `start` of a part. Everything ends with the context, and also when this
    process is killed. `durable=False` spares PostgreSQL its fsync.
    """

    def __init__(self, folder: Path | None = None, *, durable: bool = False) -> None:
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="camloop-"))).resolve()
        ports = PortBook(self.folder / "ports.json")
        self.kafka = LocalKafka(self.folder, ports)
        self.postgres = LocalPostgres(self.folder, durable=durable)
        self.s3 = LocalS3(self.folder, ports)
        self._children: dict[str, Child] = {}
        self._guardian: asyncio.subprocess.Process | None = None

    @property
    def kafka_bootstrap(self) -> str:
        """`host:port` of the broker."""
        return self.kafka.bootstrap_servers

    @property
    def postgres_dsn(self) -> str:
        """DSN of an empty database."""
        return self.postgres.dsn

    @property
    def s3_endpoint(self) -> str:
        """Base URL of the object store."""
        return self.s3.endpoint

    @property
    def s3_access_key(self) -> str:
        """Access key of the object store."""
        return self.s3.access_key

    @property
    def s3_secret_key(self) -> str:
        """Secret key of the object store."""
        return self.s3.secret_key

    def environment(self) -> dict[str, str]:
        """The variables every service reads these addresses from."""
        return Endpoints(
            self.kafka_bootstrap, self.postgres_dsn, self.s3_endpoint, self.s3_access_key, self.s3_secret_key, "camloop"
        ).environment()

    async def __aenter__(self) -> "LocalStack":
        self._guardian = await start_guardian(self.folder)
        try:
            async with asyncio.TaskGroup() as group:
                for name in ("kafka", "postgres", "s3"):
                    group.create_task(self.start(name))
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        if self._guardian is not None:
            await dismiss_guardian(self._guardian)
        self.postgres.forget_socket()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def start(self, name: PartName) -> None:
        """Start a part and wait until it answers; PartFailed with its log's end when it does not.

        The first attempt after a kill may fail: PostgreSQL refuses to start while backends of the killed one still end.
        """
        for attempts_left in (2, 1, 0):
            try:
                return await self._start_once(name)
            except PartFailed:
                if attempts_left == 0:
                    raise
                await asyncio.sleep(0.5)

    async def stop(self, name: PartName) -> None:
        """Stop a part in good order."""
        await self._children[name].stop()

    async def kill(self, name: PartName) -> None:
        """End a part with SIGKILL."""
        await self._children[name].kill()

    async def _start_once(self, name: PartName) -> None:
        log = ProcessLog(self.folder / "log" / f"{name}.log")
        command = await self._part(name).prepare()
        self._children[name] = await Child.start(command, data_folder=self.folder, log=log)
        await wait_until_it_answers(self._part(name), self._children[name], seconds=START_SECONDS)

    def _part(self, name: str) -> Part:
        parts: dict[str, Part] = {"kafka": self.kafka, "postgres": self.postgres, "s3": self.s3}
        return parts[name]
