"""One soak from its start to its books."""

import asyncio
import time
from collections import Counter
from pathlib import Path

from libs.common.objects import connect
from tests.soak.accounts import Books, balance, request_build, settle
from tests.soak.cameras import CAMERAS, Plant, camera, reviewer
from tests.soak.faults import cause, plan
from tests.soak.fleet import fleet


async def soak(folder: Path, *, seconds: float) -> Books:
    """Send for `seconds` while faults happen, let everything settle, balance the books."""
    async with fleet(folder) as running:
        plant = Plant(running, connect(running.settings()))
        await _workflow_known(plant)
        faults = plan(running, seconds=seconds)
        began = time.monotonic()
        cameras = [asyncio.ensure_future(camera(plant, number)) for number in range(CAMERAS)]
        helpers = [asyncio.ensure_future(plant.count_decided()), asyncio.ensure_future(reviewer(plant))]
        await cause(running, faults, seconds=seconds)
        plant.stop.set()
        await asyncio.gather(*cameras)
        lasted = time.monotonic() - began
        await running.ready()
        await settle(plant, seconds=180)
        await request_build(plant)
        await settle(plant, seconds=60)
        books = await balance(plant)
        books.wrong += [f"a helper of the soak ended: {each.exception()!r}" for each in helpers if each.done()]
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        books.figures |= {
            "seconds": round(lasted, 1),
            "snapshots per second, outages included": round(len(plant.sent) / lasted, 1),
            "sent by kind": dict(plant.by_kind),
            "answers to cameras": dict(plant.answers),
            "processes killed": dict(Counter(fault.target for fault in faults if not fault.seconds)),
            "parts stopped": [f"{fault.target} for {fault.seconds:.0f} s" for fault in faults if fault.seconds],
            "restarts": dict(running.restarts),
        }
        return books


async def _workflow_known(plant: Plant) -> None:
    for service in ("ingest", "cleaner", "dataset"):
        while not await plant.fleet.value(f"select count(*) from {service}.workflow where name = 'soak'"):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
