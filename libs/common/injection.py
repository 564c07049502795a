"""How a handler gets what its service gave to the broker: `store: Annotated[CleanerStore, Given()]`."""

from typing import Any

from fast_depends.library import CustomField

_MISSING = object()


class Given(CustomField):
    """The value of the parameter's name, or of another one: of this message (`envelope`), or of the service (`pool`, `store`).

    FastStream's own `Context()` looks a name up in another thread, for every parameter of every message. A coroutine is called
    where it stands.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(cast=False)
        self._name = name

    async def use(self, /, **kwargs: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Add the value; without one the call fails as with a missing argument."""
        assert self.param_name is not None
        value = kwargs["context__"].get(self._name or self.param_name, _MISSING)
        return kwargs if value is _MISSING else kwargs | {self.param_name: value}
