"""One process of one service: broker, relay, HTTP, loops, health. The same for all; a service brings what differs."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from faststream.kafka import KafkaBroker
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common import kafka, objects, telemetry
from libs.common.asyncapi import asyncapi
from libs.common.configuration import Configuration
from libs.common.http import ProblemApi, speak_problems
from libs.common.kafka import Subscriptions
from libs.common.needed import Needed, Probe
from libs.common.objects import S3Objects
from libs.common.outbox import Relay
from libs.common.postgres import Pool, open_pool
from libs.common.retry import Parking
from libs.common.settings import CommonSettings

log = structlog.get_logger()
HANDLER_DEADLINE_SECONDS = 280.0
FETCH_DEADLINE_SECONDS = 60.0
Loop = Callable[[], Awaitable[None]]


@dataclass
class Runtime:
    """What a service is wired from, once its connections are open."""

    pool: Pool
    objects: S3Objects
    configuration: Configuration
    broker: KafkaBroker
    app: FastAPI
    loops: list[Loop] = field(default_factory=list[Loop])

    def provide(self, **dependencies: object) -> None:
        """Offer dependencies to handlers (`Annotated[Store, Given()]`) and routes (`request.app.state.store`)."""
        for name, value in dependencies.items():
            self.broker.context.set_global(name, value)
            setattr(self.app.state, name, value)


Wire = Callable[[Runtime], Awaitable[None]]


@dataclass
class Service:
    """A service ready to run. `wire` builds its stores and loops; `routes` are its HTTP paths."""

    name: str
    settings: CommonSettings
    subscriptions: Subscriptions
    wire: Wire
    routes: APIRouter | None = None
    pool_size: int = 8

    def http_app(self) -> FastAPI:
        """The HTTP side without any connection: enough for its OpenAPI document."""
        app = ProblemApi(
            title=f"camloop {self.name}", version="1", docs_url="/docs" if self.routes else None, redoc_url=None
        )
        speak_problems(app)
        if self.routes is not None:
            app.include_router(self.routes)
        app.state.admin_token = self.settings.admin_token
        return app

    def asyncapi(self) -> dict[str, Any]:
        """What the service hears, for whoever wants to say it."""
        return asyncapi(self.name, self.settings, self.subscriptions.heard)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        telemetry.configure_logging(service=self.name, level=self.settings.log_level, format_=self.settings.log_format)
        asyncio.run(self.serve())

    async def serve(self, stop: asyncio.Event | None = None) -> None:
        """Open connections, work until `stop` is set, close in order: intake first, outbox last."""
        stop = stop or _stop_on_signals()
        async with AsyncExitStack() as stack:
            pool = await open_pool(
                self.settings.database_url, self.name, maximum=self.pool_size, notify=self.settings.outbox_notify
            )
            stack.push_async_callback(_close_pool, pool)
            parking = Parking(self.name, pool, self.settings.retry_base_seconds, self.settings.retry_attempts)
            broker = kafka.make_broker(self.settings, parking)
            broker.include_router(self.subscriptions.router)
            runtime = Runtime(pool, objects.connect(self.settings), Configuration(pool), broker, self.http_app())
            runtime.provide(
                pool=pool, objects=runtime.objects, configuration=runtime.configuration, settings=self.settings
            )
            await runtime.objects.ensure_bucket()
            await kafka.provision(self.settings, self.subscriptions.topics())
            producer = kafka.make_producer(self.settings)
            await producer.start()
            stack.push_async_callback(producer.stop)
            relay = Relay(self.settings.database_url, self.name, producer, notify=self.settings.outbox_notify)
            needed = Needed(self.name, _probes(pool, broker, runtime.objects))
            parking.needed = needed
            await self.wire(runtime)
            self._born_at_zero()
            add_health(runtime.app, Health(needed, self.subscriptions, parking, relay), self.asyncapi)
            await self._work(runtime, relay, needed, stop)

    async def _work(self, runtime: Runtime, relay: Relay, needed: Needed, stop: asyncio.Event) -> None:
        server = _server(runtime.app, self.settings)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(relay.run()), group.create_task(_serve(server, stop))]
            tasks += [group.create_task(_as_coroutine(loop)) for loop in runtime.loops]
            await runtime.broker.start()
            tasks.append(group.create_task(needed.run()))  # the probe of Kafka is the broker's
            log.info("service_started", service=self.name)
            try:
                await stop.wait()
            finally:
                log.info("service_stopping", service=self.name)
                await runtime.broker.stop()
                server.should_exit = True
                for task in tasks[2:]:
                    task.cancel()
                await asyncio.wait(tasks[1:], timeout=15)
                tasks[0].cancel()

    def _born_at_zero(self) -> None:
        # A counter that is born at 1 never fires increase().
        telemetry.inbox_events.labels(self.name)
        telemetry.inbox_duplicates.labels(self.name)
        telemetry.breaker_open.labels(self.name)
        for topic in self.subscriptions.heard:
            telemetry.dead_lettered.labels(self.name, topic)
            telemetry.retried.labels(self.name, topic)


@dataclass
class Health:
    """Alive: every consume loop makes progress. Ready: it can also reach what it needs."""

    needed: Needed
    subscriptions: Subscriptions
    parking: Parking
    relay: Relay

    def troubles(self) -> list[str]:
        """Why this process should be restarted; empty if it is alive."""
        now = time.monotonic()
        slow = [
            f"a handler has run for {now - since:.0f} s"
            for since in self.parking.busy_since.values()
            if now - since > HANDLER_DEADLINE_SECONDS
        ]
        dead = [
            f"the consume loop of {drain.topic} has ended" for drain in self.subscriptions.drains if not drain.alive
        ]
        stuck = [
            f"nothing was fetched from {drain.topic} for {drain.idle_seconds:.0f} s"
            for drain in self.subscriptions.drains
            if drain.idle_seconds > FETCH_DEADLINE_SECONDS and not self.parking.busy_since
        ]
        return slow + dead + stuck

    async def obstacles(self) -> list[str]:
        """Why this process should get no work now; empty if it is ready."""
        waiting = [
            f"{drain.topic}: no partitions assigned yet"
            for drain in self.subscriptions.drains
            if drain.assigned is None
        ]
        if self.parking.breaker.any_open:
            waiting.append("dead-lettering is stopped: too many failures in a row (see camloop dlq list)")
        if not self.relay.connected:
            waiting.append("the outbox relay is not connected")
        await self.needed.is_down("postgresql")  # nothing works without it: asked at once
        return waiting + [f"{part}: {reason}" for part, reason in self.needed.down.items()]


def add_health(app: FastAPI, health: Health, asyncapi: Callable[[], dict[str, Any]]) -> None:
    """`/healthz`, `/readyz`, `/metrics`, `/asyncapi.json`."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> JSONResponse:
        troubles = health.troubles()
        return JSONResponse({"alive": not troubles, "troubles": troubles}, 503 if troubles else 200)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        obstacles = [*health.troubles(), *await health.obstacles()]
        return JSONResponse({"ready": not obstacles, "obstacles": obstacles}, 503 if obstacles else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(telemetry.REGISTRY), media_type=CONTENT_TYPE_LATEST)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def document() -> JSONResponse:
        return JSONResponse(asyncapi())  # made when asked for: a start must not wait for it


def _server(app: FastAPI, settings: CommonSettings) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)


async def _serve(server: uvicorn.Server, stop: asyncio.Event) -> None:
    try:
        # serve() would take the signals, and they are ours
        await server._serve()  # pyright: ignore[reportPrivateUsage]
    finally:
        stop.set()


async def _as_coroutine(loop: Loop) -> None:
    await loop()


def _probes(pool: Pool, broker: KafkaBroker, store: S3Objects) -> dict[str, Probe]:
    async def kafka_answers() -> None:
        # The broker's own ping tries on and on without a word of why. Of no topic: the answer about all is long to read.
        await broker.config.admin_client.describe_topics([])

    async def postgresql_answers() -> None:
        await pool.fetchval("select 1", timeout=2)

    return {"kafka": kafka_answers, "postgresql": postgresql_answers, "s3": store.probe}


async def _close_pool(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
