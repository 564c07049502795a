"""The supervisor in the background: start it and wait until it is ready, stop it from any other process."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from libs.local.failures import StartFailed
from libs.local.guardian import lock_path
from libs.local.locks import AlreadyRunning, holder, wait_until_free
from libs.local.records import end_recorded
from libs.local.state import StackState, read_state, supervisor_lock
from libs.local.supervisor import START_SECONDS

_STOP_SECONDS = 20.0
_GUARDIAN_SECONDS = 20.0


def running_pid(data_folder: Path) -> int | None:
    """The pid of the supervisor of a data folder, None when none runs."""
    return holder(supervisor_lock(data_folder.resolve()))


def detach(
    command: Sequence[str], *, data_folder: Path, on_change: Callable[[StackState], None] | None = None
) -> StackState:
    """Run `command`, which runs the supervisor of this data folder, in a session of its own; return once all is ready.

    Its output goes to `log/supervisor.log`. AlreadyRunning when the data folder has a supervisor; StartFailed, with the
    failing part and the end of its log, when it does not come up (everything is ended then, as after Ctrl-C here).
    """
    data_folder = data_folder.resolve()
    if (pid := running_pid(data_folder)) is not None:
        raise AlreadyRunning(f"Already running as process {pid} ({data_folder}): `camloop down` stops it")
    log = data_folder / "log" / "supervisor.log"
    process = _start_session(command, log)
    try:
        state = _wait_until_ready(process, data_folder, log, on_change)
    except BaseException:
        _end(process)
        down(data_folder)
        raise
    # It is our child as long as we live: somebody has to take its exit code, or it stays as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return state


def down(data_folder: Path) -> bool:
    """End the stack of a data folder, also one whose supervisor was killed; returns whether anything was running."""
    data_folder = data_folder.resolve()
    lock = supervisor_lock(data_folder)
    pid = holder(lock)
    if pid is not None:
        _send(pid, signal.SIGTERM)
        if not wait_until_free(lock, seconds=_STOP_SECONDS):
            _send(pid, signal.SIGKILL)
    wait_until_free(lock_path(data_folder), seconds=_GUARDIAN_SECONDS)
    return bool(end_recorded(data_folder)) or pid is not None


def _start_session(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait_until_ready(
    process: subprocess.Popen[bytes], data_folder: Path, log: Path, on_change: Callable[[StackState], None] | None
) -> StackState:
    deadline = time.monotonic() + START_SECONDS + 30
    seen: StackState | None = None
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        state = _state_of(process, data_folder)
        if state is not None and state != seen and on_change is not None:
            on_change(state)
        seen = state or seen
        if ended:
            raise StartFailed(_why_it_ended(read_state(data_folder), log))
        if state is not None and state.phase == "ready":
            return state
        time.sleep(0.1)
    raise StartFailed(f"The supervisor did not get ready in time; see {log}")


def _state_of(process: subprocess.Popen[bytes], data_folder: Path) -> StackState | None:
    """The state this very supervisor wrote, None before it wrote one."""
    state = read_state(data_folder)
    return state if state is not None and state.supervisor_pid == process.pid else None


def _why_it_ended(state: StackState | None, log: Path) -> str:
    if state is not None and state.phase == "failed" and state.error is not None:
        return state.error
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    return f"The supervisor ended before it was ready; {log} ends with:\n{tail}"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
