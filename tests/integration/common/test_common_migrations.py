"""Migrations and roles on a real PostgreSQL."""

import asyncio
from typing import Any

import asyncpg
import pytest

from libs.common import postgres
from libs.common.postgres import Migration, MigrationError, migrate, migrate_all, migrations_of, open_pool

pytestmark = pytest.mark.connected


async def test_five_runners_at_once_apply_everything_once(database: Any) -> None:
    applied = await asyncio.gather(*(migrate(database.dsn, "cleaner") for _ in range(5)))
    everything = [migration.name for migration in migrations_of("cleaner")]
    assert sorted(map(len, applied)) == [0, 0, 0, 0, len(everything)]
    connection = await asyncpg.connect(database.dsn)
    rows = await connection.fetch("select version from cleaner.schema_migrations order by applied_at, version")
    await connection.close()
    assert sorted(row["version"] for row in rows) == sorted(everything)


async def test_the_plumbing_comes_before_the_service_s_own() -> None:
    names = [migration.name for migration in migrations_of("cleaner")]
    assert names[0] == "common/0001_plumbing"
    assert names == sorted(names, key=lambda name: (not name.startswith("common/"), name))


async def test_services_side_by_side(database: Any) -> None:
    applied = await migrate_all(database.dsn, ["cleaner", "trainer"])
    assert all(applied.values())
    assert await migrate_all(database.dsn, ["cleaner", "trainer"]) == {"cleaner": [], "trainer": []}


async def test_an_edited_migration_is_refused(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await database.migrate("cleaner")
    edited = [Migration(m.name, m.sql + "-- edited") for m in migrations_of("cleaner")]
    monkeypatch.setattr(postgres, "migrations_of", lambda service: edited)
    with pytest.raises(MigrationError, match=r"common/0001_plumbing was applied with other content"):
        await migrate(database.dsn, "cleaner")
    with pytest.raises(MigrationError, match="other content"):
        await open_pool(database.dsn, "cleaner")


async def test_a_migration_that_fails_leaves_nothing(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [Migration("cleaner/0001_a", "create table a (id int)"), Migration("cleaner/0002_b", "create tabel b ()")]
    monkeypatch.setattr(postgres, "migrations_of", lambda service: broken)
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await migrate(database.dsn, "cleaner")
    connection = await asyncpg.connect(database.dsn)
    assert await connection.fetchval("select to_regclass('cleaner.a')") is None
    await connection.close()


async def test_a_service_nobody_migrated_says_what_to_type(database: Any) -> None:
    with pytest.raises(MigrationError, match=r"Schema nowhere lacks everything\. Run: uv run camloop migrate"):
        await open_pool(database.dsn, "nowhere")


async def test_a_schema_that_is_gone_says_what_to_type(database: Any) -> None:
    await database.migrate("cleaner")
    connection = await asyncpg.connect(database.dsn)
    await connection.execute("drop schema cleaner cascade")
    await connection.close()
    with pytest.raises(MigrationError, match=r"Schema cleaner lacks everything\. Run: uv run camloop migrate"):
        await open_pool(database.dsn, "cleaner")


async def test_a_migration_that_is_missing_is_named(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await database.migrate("cleaner")
    newer = [*migrations_of("cleaner"), Migration("cleaner/0099_later", "select 1")]
    monkeypatch.setattr(postgres, "migrations_of", lambda service: newer)
    with pytest.raises(MigrationError, match=r"Schema cleaner lacks cleaner/0099_later"):
        await open_pool(database.dsn, "cleaner")


async def test_a_service_sees_its_own_schema_only(database: Any) -> None:
    await database.migrate("cleaner", "trainer")
    pool = await open_pool(database.dsn, "cleaner")
    try:
        assert await pool.fetchval("select count(*) from job") == 0
        await pool.execute("insert into inbox (consumer, event_id) values ('x', gen_random_uuid())")
        for statement in ("select * from trainer.job", "delete from trainer.outbox", "create table mine (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
    finally:
        await pool.close()
