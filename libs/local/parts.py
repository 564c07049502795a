"""What Kafka, PostgreSQL, S3 and the services have in common for whoever starts them."""

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
