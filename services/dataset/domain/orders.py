"""A build as it waits in the job table: what to build, who asked, and because of which event."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

KIND = "build"


@dataclass(frozen=True)
class BuildOrder:
    """`requested_by` is None when the policy decided. `cause_id`, `correlation_id`: the event behind it."""

    build_id: UUID
    workflow: str
    reason: str
    cause_id: UUID
    correlation_id: str
    requested_by: str | None = None
    traceparent: str | None = None

    def spec(self) -> dict[str, Any]:
        """As stored."""
        return asdict(self) | {"build_id": str(self.build_id), "cause_id": str(self.cause_id)}

    @classmethod
    def read(cls, spec: dict[str, Any]) -> "BuildOrder":
        """The order behind a stored spec."""
        ids: dict[str, Any] = {name: UUID(spec[name]) for name in ("build_id", "cause_id")}
        return cls(**(spec | ids))
