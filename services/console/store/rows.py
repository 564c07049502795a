"""Records as rows: a dataclass has the columns of its table, so that statement and mapping cannot drift apart."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast, get_origin, get_type_hints

import asyncpg

R = TypeVar("R")


def upsert(table: str, record: type[Any], *keys: str) -> str:
    """The statement that puts a record in place of the row with its keys. Names come from our own code only."""
    names = [field.name for field in fields(record)]
    numbers = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return (
        f"insert into {table} ({', '.join(names)}) values ({numbers}) "  # noqa: S608 names are class attributes
        f"on conflict ({', '.join(keys)}) do update set {changes}"
    )


def values_of(record: Any) -> list[Any]:
    """What goes into the columns, in the order of the fields."""
    values = [getattr(record, field.name) for field in fields(record)]
    return [list(cast(Sequence[Any], value)) if isinstance(value, tuple) else value for value in values]


def record_from(kind: type[R], row: asyncpg.Record) -> R:
    """A row as a record; columns the record does not have are left out."""
    return kind(**{name: tuple(row[name]) if is_tuple else row[name] for name, is_tuple in _columns(kind)})


@cache
def _columns(kind: type[Any]) -> tuple[tuple[str, bool], ...]:
    return tuple((name, get_origin(hint) is tuple) for name, hint in get_type_hints(kind).items())
