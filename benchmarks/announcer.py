"""The smallest service: each event it hears is announced by a fact of its own, through inbox and outbox.

`python -m benchmarks.announcer` runs it with the settings of any service.
"""

import asyncio
import signal
from collections.abc import Callable
from typing import Annotated
from uuid import UUID, uuid4

from libs.common import inbox, outbox
from libs.common.envelope import Envelope
from libs.common.events import SampleRejected, SnapshotCaptured
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.postgres import Pool
from libs.common.service import Runtime, Service
from libs.common.settings import CommonSettings


def announcing(said: Callable[[UUID], None] = lambda _: None) -> Subscriptions:
    """The subscription; `said` hears the sample id of every fact as it is put into the outbox."""
    subscriptions = Subscriptions("cleaner")

    @subscriptions.hears(SnapshotCaptured)
    async def announce(
        event: SnapshotCaptured, envelope: Annotated[Envelope, Given()], pool: Annotated[Pool, Given()]
    ) -> None:
        fact = SampleRejected(sample_id=uuid4(), workflow="hairnet", reason="dark", snapshot_id=event.snapshot_id)
        async with inbox.transaction(pool, "cleaner", envelope) as connection:
            said(fact.sample_id)
            await outbox.add(connection, fact, cause=envelope)

    return subscriptions


def service(name: str, settings: CommonSettings, heard: Subscriptions) -> Service:
    """A service that only hears."""

    async def wire(_: Runtime) -> None:
        return None

    return Service(name, settings, heard, wire)


async def main() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = CommonSettings()  # pyright: ignore[reportCallIssue]  # the environment fills it
    await service("cleaner", settings, announcing()).serve(stop)


if __name__ == "__main__":
    asyncio.run(main())
