"""What every service needs from outside: Kafka, PostgreSQL, the object store. Watched, so that people and probes know.

A part that is down turns readiness red, is a series (`camloop_part_up`) and a log line, and recovers without a hand.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from libs.common import telemetry

log = structlog.get_logger()
EVERY_SECONDS = 5.0
PATIENCE_SECONDS = 4.0
Probe = Callable[[], Awaitable[object]]


@dataclass
class Needed:
    """Probes by the name of the part; a probe raises when its part cannot be used."""

    service: str
    probes: Mapping[str, Probe]
    every_seconds: float = EVERY_SECONDS
    down: dict[str, str] = field(default_factory=dict[str, str])
    _looked_at: dict[str, float] = field(default_factory=dict[str, float])

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.gather(*(self.look(part) for part in self.probes))
            await asyncio.sleep(self.every_seconds)

    async def is_down(self, part: str, *, seconds: float = 1.0) -> bool:
        """As of at most `seconds` ago."""
        if time.monotonic() - self._looked_at.get(part, -seconds) >= seconds:
            await self.look(part)
        return part in self.down

    async def look(self, part: str) -> None:
        """Probe one part now."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.probes[part]()
        except Exception as error:  # noqa: BLE001 whatever keeps it from answering
            self._went_down(part, str(error) or f"no answer within {PATIENCE_SECONDS:.0f} s")
        else:
            self._came_up(part)
        self._looked_at[part] = time.monotonic()

    def _went_down(self, part: str, reason: str) -> None:
        if part not in self.down:
            log.error("part_down", part=part, error=reason)
        self.down[part] = reason
        telemetry.part_up.labels(self.service, part).set(0)

    def _came_up(self, part: str) -> None:
        if self.down.pop(part, None) is not None:
            log.info("part_up", part=part)
        telemetry.part_up.labels(self.service, part).set(1)
