"""What happens to the plant: every process is killed in turn, and each part is away for a while."""

import asyncio
from dataclasses import dataclass

import structlog

from tests.soak.fleet import Fleet

log = structlog.get_logger()
PARTS = ("s3", "kafka", "postgres")


@dataclass(frozen=True)
class Fault:
    """A process killed (`seconds` 0) or a part stopped for a while."""

    target: str
    seconds: float = 0.0


def plan(fleet: Fleet, *, seconds: float) -> list[Fault]:
    """Faults that fit: every process once and every part once, and in a long soak again and again."""
    outage = 30.0 if seconds >= 600 else 10.0
    turn = [Fault(place) for place in fleet.places]
    for position, part in enumerate(PARTS):
        turn.insert(2 + position * 3, Fault(part, outage))
    rounds = max(1, int(seconds // (len(turn) * 15 + len(PARTS) * outage)))
    return turn * rounds


async def cause(fleet: Fleet, faults: list[Fault], *, seconds: float) -> None:
    """Spread them over the time."""
    quiet = max(0.5, (seconds - sum(fault.seconds for fault in faults)) / (len(faults) + 1))
    for fault in faults:
        await asyncio.sleep(quiet)
        log.info("soak_fault", target=fault.target, seconds=fault.seconds)
        if fault.seconds:
            await fleet.stack.kill(fault.target)  # type: ignore[arg-type]
            await asyncio.sleep(fault.seconds)
            await fleet.stack.start(fault.target)  # type: ignore[arg-type]
        else:
            await fleet.replicas[fault.target].kill()
    await asyncio.sleep(quiet)
