"""What Kafka, PostgreSQL and S3 have in common for whoever starts them."""

from typing import Protocol

from libs.local.processes import Command


class Part(Protocol):
    """One server of the stack. `prepare` may be called again after the process died: ports and data stay the same."""

    @property
    def name(self) -> str:
        """How people, logs and records call it."""
        ...

    async def prepare(self) -> Command:
        """Make the data folder ready, choose ports, and say what to start."""
        ...

    async def answers(self) -> bool:
        """Whether it does its work: a real round trip in its own protocol."""
        ...


class PartFailed(RuntimeError):
    """A part cannot be prepared or does not come up; the text names it, with the end of its log."""
