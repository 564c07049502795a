"""The supervisor: starts the parts, then what prepares them, then the services; keeps all running; ends all in order.

A data folder has one supervisor. Logs are under `log/`, the state in `state.json`, the addresses in `endpoints.json`.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from libs.local import endpoints as addresses
from libs.local.endpoints import Endpoints, External
from libs.local.failures import PartFailed, StartFailed
from libs.local.guardian import lock_path
from libs.local.guarding import dismiss_guardian, start_guardian
from libs.local.kafka import LocalKafka
from libs.local.keeper import Keeper
from libs.local.locks import AlreadyRunning, holding, wait_until_free
from libs.local.parts import Part
from libs.local.ports import PortBook
from libs.local.postgres import LocalPostgres
from libs.local.records import end_recorded
from libs.local.s3 import LocalS3
from libs.local.service import LocalService, ServiceSpec
from libs.local.state import StackState, StateBoard, supervisor_lock

START_SECONDS = 120.0
_GUARDIAN_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """What to run. `prepare` gets the addresses when the parts answer and before any service starts.

    `environment` goes to every service; `kafka_port` is taken when free. Secrets belong into `environment`: it is
    never written anywhere nor shown on a command line.
    """

    services: Sequence[ServiceSpec]
    prepare: Callable[[Endpoints], Awaitable[None]]
    admin_token: str
    external: External = field(default_factory=External)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    bucket: str = "camloop"
    kafka_port: int | None = 9092
    durable: bool = True


class Supervisor:
    """`await run()` blocks until `stop()`, SIGTERM, SIGINT or SIGHUP, and leaves no process and no open port.

    `on_change` hears every state, `echo(name, line)` every line a process prints.
    """

    def __init__(
        self,
        data_folder: Path,
        plan: Plan,
        *,
        on_change: Callable[[StackState], None] | None = None,
        echo: Callable[[str, str], None] | None = None,
    ) -> None:
        self.data_folder = data_folder.resolve()
        self._plan = plan
        self._echo = echo
        self._ports = PortBook(self.data_folder / "ports.json")
        self._board = StateBoard(self.data_folder, os.getpid(), on_change)
        self._stop = asyncio.Event()
        self._parts: list[Keeper] = []
        self._services: list[Keeper] = []
        self._failure: StartFailed | None = None

    def stop(self) -> None:
        """Begin the orderly end; `run` returns when it is done."""
        self._stop.set()

    async def run(self) -> None:
        """Start everything and keep it running; AlreadyRunning or StartFailed when that cannot be."""
        async with self._sole_owner(), _stopped_by_signals(self.stop), asyncio.TaskGroup() as group:
            starting = group.create_task(self._start(group))
            try:
                await self._stop.wait()
            finally:
                starting.cancel()
                await self._end_everything()
        if self._failure is not None:
            raise self._failure

    @contextlib.asynccontextmanager
    async def _sole_owner(self) -> AsyncIterator[None]:
        """Hold the data folder, clear what a killed predecessor left, and have a guardian in case we are killed."""
        with holding(supervisor_lock(self.data_folder)):
            await asyncio.to_thread(_clear_leftovers, self.data_folder)
            self._board.show_phase("starting")
            guardian = await start_guardian(self.data_folder)
            try:
                yield
            finally:
                await dismiss_guardian(guardian)
                addresses.endpoints_path(self.data_folder).unlink(missing_ok=True)

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """Bring everything up; what fails is kept for `run` to raise once all is ended."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._start_in_order(group)
        except (PartFailed, StartFailed) as error:
            self._fail(str(error))
        except TimeoutError:
            self._fail(self._slowest())

    async def _start_in_order(self, group: asyncio.TaskGroup) -> None:
        endpoints = await self._start_parts(group)
        self._board.show_phase("preparing")
        await self._prepare(endpoints)
        self._board.show_phase("starting")
        environment = {**endpoints.environment(), **self._plan.environment}
        services = [LocalService(spec, ports=self._ports, environment=environment) for spec in self._plan.services]
        self._services = [self._keeper(service, "service") for service in services]
        await _start_all(self._services, group)
        self._write_endpoints(endpoints, services)
        self._board.show_phase("ready")

    async def _start_parts(self, group: asyncio.TaskGroup) -> Endpoints:
        external = self._plan.external
        kafka = LocalKafka(self.data_folder, self._ports, preferred_port=self._plan.kafka_port)
        postgres = LocalPostgres(self.data_folder, durable=self._plan.durable)
        s3 = LocalS3(self.data_folder, self._ports)
        given = (external.kafka_bootstrap_servers, external.database_url, external.s3_endpoint)
        ours: list[Part] = [part for part, address in zip((kafka, postgres, s3), given, strict=True) if address is None]
        self._parts = [self._keeper(part, "part") for part in ours]
        await _start_all(self._parts, group)
        return Endpoints(
            kafka_bootstrap_servers=external.kafka_bootstrap_servers or kafka.bootstrap_servers,
            database_url=external.database_url or postgres.dsn,
            s3_endpoint=external.s3_endpoint or s3.endpoint,
            s3_access_key=external.s3_access_key or s3.access_key,
            s3_secret_key=external.s3_secret_key or s3.secret_key,
            s3_bucket=self._plan.bucket,
        )

    async def _prepare(self, endpoints: Endpoints) -> None:
        try:
            await self._plan.prepare(endpoints)
        except Exception as error:
            raise StartFailed(
                f"Preparing migrations, topics and buckets failed: {type(error).__name__}: {error}"
            ) from error

    def _keeper(self, part: Part, kind: Literal["part", "service"]) -> Keeper:
        return Keeper(part, kind=kind, data_folder=self.data_folder, board=self._board, echo=self._echo)

    def _write_endpoints(self, endpoints: Endpoints, services: Iterable[LocalService]) -> None:
        path = addresses.endpoints_path(self.data_folder)
        http = {service.name: service.url for service in services}
        addresses.write_endpoints(path, endpoints, http=http, admin_token=self._plan.admin_token)

    def _fail(self, text: str) -> None:
        self._failure = StartFailed(text)
        self._stop.set()

    def _slowest(self) -> str:
        waiting = [keeper for keeper in (*self._parts, *self._services) if not keeper.first_ready.done()]
        what = f"did not answer within {START_SECONDS:.0f} s"
        return str(waiting[0].death_notice(what)) if waiting else f"Preparing {what}"

    async def _end_everything(self) -> None:
        """Services first: they still need the parts to give back their jobs and close their transactions."""
        self._board.show_phase("stopping")
        for keepers in (self._services, self._parts):
            await asyncio.gather(*(keeper.stop() for keeper in keepers))
        for keeper in self._parts:
            if isinstance(keeper.part, LocalPostgres):
                keeper.part.forget_socket()
        error = None if self._failure is None else str(self._failure)
        self._board.show_phase("stopped" if error is None else "failed", error=error)


async def _start_all(keepers: Sequence[Keeper], group: asyncio.TaskGroup) -> None:
    for keeper in keepers:
        keeper.begin(group)
    if keepers:
        done, _ = await asyncio.wait([k.first_ready for k in keepers], return_when=asyncio.FIRST_EXCEPTION)
        for future in done:
            future.result()


@contextlib.asynccontextmanager
async def _stopped_by_signals(stop: Callable[[], None]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _clear_leftovers(data_folder: Path) -> None:
    """End what a killed predecessor left: its guardian first, which may be at it just now."""
    if not wait_until_free(lock_path(data_folder), seconds=_GUARDIAN_SECONDS):
        raise AlreadyRunning(f"The guardian of an earlier run is still ending processes of {data_folder}: try again")
    end_recorded(data_folder)
