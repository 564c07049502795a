"""PostgreSQL: a pool that sees one schema, and numbered migrations of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from json import dumps, loads
from typing import TYPE_CHECKING, Any

import asyncpg

from libs.common.errors import CamloopError

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = Pool = Any

MIGRATION_LOCK = "camloop-migrate"
# What a loop outlives: the server is away, cut the connection, or ended it in the middle of an answer.
DATABASE_TROUBLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class MigrationError(CamloopError):
    """A schema and the migrations in this code do not fit together."""


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file. Its name is `<owner>/<number>_<what>`."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def migrations_of(service: str) -> list[Migration]:
    """The plumbing's migrations, then the service's own, in order."""
    return [
        *_read("common", files("libs.common") / "migrations"),
        *_read(service, files(f"services.{service}") / "migrations"),
    ]


def _read(owner: str, folder: Traversable) -> list[Migration]:
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [Migration(f"{owner}/{name.removesuffix('.sql')}", (folder / name).read_text()) for name in names]


def role_of(service: str) -> str:
    """The role a service works as: it can use its own schema and no other."""
    return f"camloop_{service}"


async def migrate(dsn: str, service: str) -> list[str]:
    """Bring the schema of `service` up to date and return what was applied. Safe to run from several places at once."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '60s'")
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", MIGRATION_LOCK)
            await _ensure_schema(connection, service)
            done = await _applied(connection)
            pending = _pending(service, done)
            for migration in pending:
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into schema_migrations (version, checksum) values ($1, $2)",
                    migration.name,
                    migration.checksum,
                )
            await connection.execute(
                f"grant select, insert, update, delete on all tables in schema {service} to {role_of(service)}"
            )
            await connection.execute(f"grant usage on all sequences in schema {service} to {role_of(service)}")
            return [migration.name for migration in pending]
    finally:
        await connection.close()


async def _ensure_schema(connection: Connection, service: str) -> None:
    role = role_of(service)
    exists = await connection.fetchval("select 1 from pg_roles where rolname = $1", role)
    if not exists:
        await connection.execute(f"create role {role} nologin")
        await connection.execute(f"grant {role} to current_user")
    await connection.execute(f"create schema if not exists {service}")
    await connection.execute(f"grant usage on schema {service} to {role}")
    await connection.execute(f"set local search_path = {service}")
    await connection.execute(
        "create table if not exists schema_migrations"
        " (version text primary key, checksum text not null, applied_at timestamptz not null default now())"
    )


async def _applied(connection: Connection) -> dict[str, str]:
    rows = await connection.fetch("select version, checksum from schema_migrations")
    return {row["version"]: row["checksum"] for row in rows}


def _pending(service: str, done: dict[str, str]) -> list[Migration]:
    known = migrations_of(service)
    for migration in known:
        if done.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"Migration {migration.name} was applied with other content. Never edit a migration that ran: add a new one."
            )
    return [migration for migration in known if migration.name not in done]


async def open_pool(dsn: str, service: str, *, minimum: int = 1, maximum: int = 8, notify: bool = True) -> Pool:
    """A pool whose connections act as the service's role in the service's schema.

    Raises `MigrationError` unless all migrations were applied. Without `notify`, outbox rows wake nobody.
    """
    server_settings = {
        "search_path": service,
        "role": role_of(service),
        "application_name": f"camloop-{service}",
        # An open write transaction holds every relay of the server back.
        "idle_in_transaction_session_timeout": "60s",
        "camloop.outbox_notify": "on" if notify else "off",
    }
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=minimum,
            max_size=maximum,
            init=_use_json,
            reset=_nothing_to_reset,
            command_timeout=60,
            server_settings=server_settings,
        )
    except asyncpg.InvalidParameterValueError as error:
        if role_of(service) not in str(error):
            raise
        raise _not_migrated(service, ["everything"]) from error
    try:
        await _check_schema(pool, service)
    except BaseException:
        await pool.close()
        raise
    return pool


async def _use_json(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=dumps, decoder=loads)


async def _nothing_to_reset(_: Connection) -> None:
    """Open transactions are rolled back by asyncpg. Its question besides, a round trip for every use, undoes session state:
    nobody gives back a connection with any (whoever takes a session lock releases it, or ends the connection)."""


async def _check_schema(pool: Pool, service: str) -> None:
    async with pool.acquire() as connection:
        try:
            missing = _pending(service, await _applied(connection))
        except asyncpg.UndefinedTableError as error:
            raise _not_migrated(service, ["everything"]) from error
    if missing:
        raise _not_migrated(service, [migration.name for migration in missing])


def _not_migrated(service: str, missing: Sequence[str]) -> MigrationError:
    return MigrationError(f"Schema {service} lacks {', '.join(missing)}. Run: uv run camloop migrate")


async def migrate_all(dsn: str, services: Sequence[str]) -> dict[str, list[str]]:
    """Migrate every service's schema in turn."""
    return {service: await migrate(dsn, service) for service in services}
