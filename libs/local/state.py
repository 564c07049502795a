"""What `camloop status` shows: one file, rewritten in one step whenever something changes."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from libs.local.files import write_atomically
from libs.local.locks import holder

Phase = Literal["starting", "preparing", "ready", "stopping", "stopped", "failed"]
Condition = Literal["waiting", "starting", "ready", "unready", "restarting", "stopping", "stopped", "failed"]


@dataclass(frozen=True)
class ProcessState:
    """One part or service; `since` is when `state` began (RFC 3339), `last_error` the last line that told of trouble."""

    name: str
    kind: Literal["part", "service"]
    state: Condition
    since: str
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    last_error: str | None = None


@dataclass(frozen=True)
class StackState:
    """The whole stack; `supervisor_pid` is None when no supervisor runs: the rest is then the last known."""

    phase: Phase
    since: str
    supervisor_pid: int | None
    processes: tuple[ProcessState, ...]
    error: str | None = None


def supervisor_lock(data_folder: Path) -> Path:
    """The lock a supervisor holds as long as it lives."""
    return data_folder / "run" / "supervisor.lock"


def state_path(data_folder: Path) -> Path:
    """The file itself."""
    return data_folder / "state.json"


def read_state(data_folder: Path) -> StackState | None:
    """The state of a data folder, None when nothing was ever started; after a crash its phase is `stopped`."""
    path = state_path(data_folder)
    if not path.exists():
        return None
    raw = cast("dict[str, object]", json.loads(path.read_text()))
    rows = cast("list[dict[str, object]]", raw.pop("processes"))
    processes = tuple(ProcessState(**cast("dict[str, str]", row)) for row in rows)  # pyright: ignore[reportArgumentType]
    state = StackState(**cast("dict[str, str]", raw), processes=processes)  # pyright: ignore[reportArgumentType]
    pid = holder(supervisor_lock(data_folder))
    return state if pid is not None else _without_supervisor(state)


def _without_supervisor(state: StackState) -> StackState:
    """A state file left by a killed supervisor says what was, not what is."""
    phase: Phase = "failed" if state.phase == "failed" else "stopped"
    processes = tuple(replace(process, state="stopped", pid=None) for process in state.processes)
    return replace(state, phase=phase, supervisor_pid=None, processes=processes)


class StateBoard:
    """The writer of the file; `on_change` hears every new state too."""

    def __init__(self, data_folder: Path, pid: int, on_change: Callable[[StackState], None] | None = None) -> None:
        self._path = state_path(data_folder)
        self._on_change = on_change
        self._state = StackState(phase="starting", since=now(), supervisor_pid=pid, processes=())
        self._written = False

    @property
    def state(self) -> StackState:
        """The newest state."""
        return self._state

    def show_phase(self, phase: Phase, *, error: str | None = None) -> None:
        """The stack entered a phase."""
        self._publish(replace(self._state, phase=phase, since=now(), error=error))

    def show(self, process: ProcessState) -> None:
        """Something changed about one process; `since` is kept while its state is the same."""
        known = {old.name: old for old in self._state.processes}
        old = known.get(process.name)
        since = old.since if old is not None and old.state == process.state else process.since
        known[process.name] = replace(process, since=since)
        if known[process.name] != old or not self._written:
            self._publish(replace(self._state, processes=tuple(known.values())))

    def _publish(self, state: StackState) -> None:
        self._state = state
        # A full disk must not end the supervisor, which everything needs to come back: the next look writes it again.
        self._written = False
        with contextlib.suppress(OSError):
            write_atomically(self._path, json.dumps(asdict(state), indent=1))
            self._written = True
        if self._on_change is not None:
            self._on_change(state)


def now() -> str:
    """This instant as RFC 3339, UTC, whole milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
