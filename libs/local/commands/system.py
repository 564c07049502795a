"""`init`, `up`, `down`, `status`, `migrate`: the system as a whole."""

import asyncio
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import typer
from dotenv import dotenv_values
from pydantic import SecretStr
from rich.live import Live
from rich.table import Table
from rich.text import Text

from libs.common.postgres import migrate_all
from libs.local import background
from libs.local.client import read_endpoints
from libs.local.failures import StartFailed
from libs.local.locks import AlreadyRunning
from libs.local.output import Json, answer, fail, screen, table
from libs.local.plan import SERVICES, env_file, make_plan
from libs.local.settings import LocalSettings
from libs.local.state import StackState, read_state
from libs.local.supervisor import Supervisor

app = typer.Typer()
CONTAINER_SECRETS = ("POSTGRES_PASSWORD", "SEAWEEDFS_ACCESS_KEY", "SEAWEEDFS_SECRET_KEY", "GRAFANA_ADMIN_PASSWORD")
COLOURS = {"ready": "green", "failed": "red", "restarting": "yellow", "unready": "yellow"}

# With so little room no part can work; the state below may be old, since it could not be written either.
_FULL_DISK = 16 << 20


@app.command()
def init(
    containers: Annotated[
        bool, typer.Option("--containers", help="Also the secrets that docker-compose.yml asks for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a .env with generated secrets; what it has already stays."""
    created = ensure_secrets(*(CONTAINER_SECRETS if containers else ()))
    answer({"file": str(env_file()), "created": created}, as_json=as_json,
           text=f"{env_file()}: {'generated ' + ', '.join(created) if created else 'nothing to add'}")  # fmt: skip


def ensure_secrets(*more: str) -> list[str]:
    """Add the secrets that are missing; returns their names. No setting has a working default secret."""
    path = env_file()
    known = dotenv_values(path) if path.exists() else {}
    missing = [name for name in ("CAMLOOP_ADMIN_TOKEN", *more) if not known.get(name)]
    if not missing:
        return []
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    separator = "" if not text or text.endswith("\n") else "\n"
    path.touch(mode=0o600)
    lines = "".join(f"{name}={secrets.token_urlsafe(32)}\n" for name in missing)
    path.write_text(text + separator + lines, encoding="utf-8")
    return missing


def load_settings() -> tuple[LocalSettings, str]:
    """Settings and the admin token, generated at first use."""
    settings = LocalSettings()  # pyright: ignore[reportCallIssue]  # the environment fills it
    if settings.admin_token is None:
        ensure_secrets()
        settings = LocalSettings()  # pyright: ignore[reportCallIssue]
    token = settings.admin_token or SecretStr("")
    return settings, token.get_secret_value()


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all is ready; it goes on in the background.")
    ] = False,
    silent: Annotated[
        bool, typer.Option("--silent", help="Print no lines of what runs; they are in var/log/.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start Kafka, PostgreSQL, S3 (unless given) and every service."""
    settings, token = load_settings()
    try:
        if detach:
            state = start_in_background(settings, quiet=as_json)
            answer(describe(state), as_json=as_json, text=picture(state))
        else:
            _run_here(settings, token, silent=silent)
    except (StartFailed, AlreadyRunning) as error:
        fail(str(error), as_json=as_json)


def start_in_background(settings: LocalSettings, *, quiet: bool = False) -> StackState:
    """`camloop up` in a session of its own; returns when everything is ready. Raises StartFailed, AlreadyRunning."""
    # Its own log would hold every line a second time, without end.
    command = [sys.executable, "-m", "libs.local.cli", "up", "--silent"]
    if quiet or not screen.is_terminal:
        return background.detach(command, data_folder=settings.data_folder)
    with Live(console=screen, refresh_per_second=8, transient=True) as live:
        return background.detach(command, data_folder=settings.data_folder, on_change=_shown_on(live))


def _run_here(settings: LocalSettings, token: str, *, silent: bool) -> None:
    plan = make_plan(settings, admin_token=token)
    if silent or not screen.is_terminal:
        asyncio.run(Supervisor(settings.data_folder, plan, echo=None if silent else _echo).run())
        return
    with Live(console=screen, refresh_per_second=4) as live:
        asyncio.run(Supervisor(settings.data_folder, plan, on_change=_shown_on(live)).run())


def _shown_on(live: Live) -> Callable[[StackState], None]:
    def show(state: StackState) -> None:
        live.update(picture(state))

    return show


def _echo(name: str, line: str) -> None:
    # Whoever listened has gone, or the disk is full: no reason to stop what runs. The line is in the process's log.
    with suppress(OSError):
        sys.stdout.write(f"{name:<10} {line.rstrip()}\n")


@app.command()
def down(as_json: Json = False) -> None:
    """Stop everything of this data folder, also after a crash of the supervisor."""
    settings, _ = load_settings()
    stopped = background.down(settings.data_folder)
    answer({"stopped": stopped}, as_json=as_json, text="stopped" if stopped else "nothing was running")


@app.command()
def status(as_json: Json = False) -> None:
    """What runs, where, and since when."""
    settings, _ = load_settings()
    state = read_state(settings.data_folder)
    if state is None:
        fail("Nothing was started here yet: uv run camloop up", as_json=as_json, code=3)
    if (free := shutil.disk_usage(settings.data_folder).free) < _FULL_DISK:
        trouble = (
            f"the disk of {settings.data_folder} is full ({free} bytes left): make room, the rest goes on by itself"
        )
        state = replace(state, error=trouble)
    answer(describe(state), as_json=as_json, text=picture(state))
    if state.phase != "ready":
        raise typer.Exit(3)


def describe(state: StackState) -> dict[str, object]:
    """The state as plain values."""
    return {
        "phase": state.phase,
        "since": state.since,
        "supervisor_pid": state.supervisor_pid,
        "error": state.error,
        "processes": [vars(process) for process in state.processes],
    }


def picture(state: StackState) -> Table:
    """The state as people read it."""
    rows = [
        (
            p.name,
            Text(p.state, style=COLOURS.get(p.state, "")),
            p.port,
            p.pid,
            p.restarts or None,
            (p.last_error or "")[:80] if p.state != "ready" or p.restarts else None,
        )
        for p in state.processes
    ]
    title = f"camloop: {state.phase}" + (f" ({state.error})" if state.error else "")
    return table(("what", "state", "port", "pid", "restarts", "last trouble"), rows, title=title)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the schema of every service up to date (external PostgreSQL, or the running local one)."""
    settings, _ = load_settings()
    dsn = settings.database_url or read_endpoints(settings.data_folder).postgres_dsn
    applied = asyncio.run(migrate_all(dsn, SERVICES))
    lines = [f"{service}: {', '.join(names) if names else 'up to date'}" for service, names in applied.items()]
    answer(applied, as_json=as_json, text="\n".join(lines))
