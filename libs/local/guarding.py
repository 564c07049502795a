"""Having a guardian: see `guardian.py`, which stays without asyncio to cost little."""

import asyncio
import sys
from pathlib import Path


async def start_guardian(data_folder: Path) -> asyncio.subprocess.Process:
    """Start the guardian of a data folder; it has taken its lock when this returns."""
    guardian = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "libs.local.guardian",
        str(data_folder),
        cwd=Path(__file__).resolve().parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert guardian.stdout is not None
    await guardian.stdout.readline()
    return guardian


async def dismiss_guardian(guardian: asyncio.subprocess.Process) -> None:
    """Close its pipe and wait: it looks for leftovers a last time."""
    assert guardian.stdin is not None
    guardian.stdin.close()
    await guardian.wait()
