"""`python -m tests.support.unprotected cleaner`: a real service, watched, slowed down or with protections taken away.

Switches come by the environment (`Switches`). Watched, every handler's transaction leaves a row in `public.gate_start`
(when it begins, unless `starts` is off) and one in `public.gate_effect` (if it commits): a doubled effect is a doubled row.
"""

import asyncio
import os
import runpy
import signal
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import asyncpg
from faststream.kafka import KafkaBroker, KafkaRouter
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common import inbox, kafka, outbox
from libs.common.envelope import Envelope
from libs.common.postgres import Connection
from tests.support.protections import DEATHS, take_away

TABLES = """
    create table if not exists public.gate_start (consumer text, topic text, event_id uuid, pid int);
    create table if not exists public.gate_effect (consumer text, topic text, event_id uuid, pid int);
    grant all on public.gate_start, public.gate_effect to public
"""


class Switches(BaseSettings):
    """What a gate asks of a service. `hold` is a file: the service connects to the bus once it exists. Handlers of the
    topic `fail` always fail, in the middle of their transaction. On SIGUSR1 the clock of this process
    steps by `clock_step` seconds, as a machine's does that finds its time server again."""

    model_config = SettingsConfigDict(env_prefix="GATE_", env_ignore_empty=True)

    without: list[str] = Field(default_factory=list)
    die: str | None = None
    watch: bool = False
    starts: bool = True
    seconds: float = 0.0
    fail: str = ""
    session_seconds: int = 6
    frozen_seconds: int = 5
    hold: Path | None = None
    group: str = ""
    clock_step: float = 0.0
    database_url: str = Field(default="", validation_alias="DATABASE_URL")


def watch(switches: Switches) -> None:
    """Make every handler slow and countable."""
    claim = inbox.claim

    async def watched(connection: Connection, consumer: str, envelope: Envelope) -> None:
        note = (consumer, envelope.topic, envelope.event_id, os.getpid())
        if switches.starts:
            outside = await asyncpg.connect(switches.database_url)
            await outside.execute("insert into public.gate_start values ($1, $2, $3, $4)", *note)
            await outside.close()
        await asyncio.sleep(switches.seconds)
        await claim(connection, consumer, envelope)
        if envelope.topic == switches.fail:
            raise RuntimeError("this handler always fails")
        await connection.execute("insert into public.gate_effect values ($1, $2, $3, $4)", *note)

    inbox.claim = watched


def hold(until: Path) -> None:
    """Join the bus later, at once and fully loaded."""
    start = KafkaBroker.start

    async def held(self: Any) -> None:
        until.with_suffix(f".{os.getpid()}").touch()
        while not until.exists():  # noqa: ASYNC110 another process touches it
            await asyncio.sleep(0.02)
        await start(self)

    KafkaBroker.start = held  # type: ignore[method-assign]


def join_as(prefix: str) -> None:
    """Be another consumer: one that has read nothing yet."""
    subscriber = KafkaRouter.subscriber

    def of_another_group(self: Any, *topics: str, group_id: str, **options: Any) -> Any:
        return subscriber(self, *topics, group_id=prefix + group_id, **options)

    KafkaRouter.subscriber = of_another_group  # type: ignore[method-assign,assignment]


def step_clock(seconds: float) -> None:
    """From now on `datetime.now` and `time.time` of our modules are off; what is monotonic goes on."""

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=seconds)

    ours = [module for name, module in sys.modules.items() if name.startswith(("libs.", "services."))]
    for module in ours:
        if getattr(module, "datetime", None) is datetime:
            setattr(module, "datetime", Stepped)  # noqa: B010 a module's own name
    clock = time.time
    time.time = lambda: clock() + seconds


def main() -> None:
    """Run the service named on the command line until it is stopped or killed."""
    switches = Switches()
    kafka.SESSION_SECONDS = switches.session_seconds  # a killed member is missed soon
    outbox.FROZEN_SECONDS = switches.frozen_seconds  # and a frozen one
    take_away(switches.without)
    if switches.watch:
        watch(switches)
    if switches.die:
        DEATHS[switches.die](setattr)
    if switches.hold:
        hold(switches.hold)
    if switches.group:
        join_as(switches.group)
    if switches.clock_step:
        signal.signal(signal.SIGUSR1, lambda *_: step_clock(switches.clock_step))
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
