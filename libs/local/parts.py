"""What Kafka, PostgreSQL, S3 and the services have in common for whoever starts them."""

import asyncio
from typing import Protocol

from libs.local.failures import PartFailed
from libs.local.processes import Child, Command


class Part(Protocol):
    """One server of the stack. `prepare` is called again after the process died: ports and data stay the same."""

    @property
    def name(self) -> str:
        """How people, logs and records call it."""
        ...

    @property
    def port(self) -> int | None:
        """The loopback port it listens on; None before `prepare` chose it, or when it has none."""
        ...

    async def prepare(self) -> Command:
        """Make the data folder ready, choose ports, and say what to start; PartFailed when that is not possible."""
        ...

    async def answers(self) -> bool:
        """Whether it does its work: a real round trip in its own protocol."""
        ...

    async def stuck(self) -> bool:
        """Whether the process lives but says itself that it makes no progress."""
        ...


def obituary(part: Part, what: str, child: Child) -> PartFailed:
    """The error that says what happened to a part, where its log is, and how it ends."""
    tail = "\n".join(child.log.tail())
    return PartFailed(f"{part.name} {what}; its log {child.log.path} ends with:\n{tail}")


async def wait_until_it_answers(part: Part, child: Child, *, seconds: float) -> None:
    """Return once the part answers; PartFailed when it exits before or takes longer."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await part.answers():
        if not child.is_running:
            raise obituary(part, f"ended with exit code {child.exited.result()}", child)
        if asyncio.get_running_loop().time() > deadline:
            raise obituary(part, f"did not answer within {seconds:.0f} s", child)
        await asyncio.sleep(0.05)
