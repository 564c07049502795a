"""A decoder without a process of its own, for tests that are about something else."""

from collections.abc import Callable
from typing import Any


class InProcess:
    """Calls what a `WarmChild` would."""

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The function's result, or its error."""
        return function(*args)
