"""CSV tables as people make them: any of three separators, columns in any order and under their other names."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.vision.formats.items import FormatError

Row = dict[str, str]


def rows_by_name(path: Path, text: str, needed: Sequence[str], also_called: Mapping[str, str]) -> list[tuple[int, Row]]:
    """The rows of a table with a head, each with its line number; empty ones are left out. `path` is named in errors.

    Raises FormatError for what is no table, or lacks a needed column.
    """
    lines = text.splitlines()
    head = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(",;\t", key=head.count))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise FormatError(f"{path} is not a CSV table: line {reader.line_num}: {error}") from error
    names = [also_called.get(name.strip().lower(), name.strip().lower()) for name in rows[0]] if rows else []
    missing = [name for name in needed if name not in names]
    if missing:
        raise FormatError(
            f"{path} lacks the columns {', '.join(missing)}: its first line must name {', '.join(needed)}"
        )
    return [(at, dict(zip(names, row, strict=False))) for at, row in enumerate(rows[1:], 2) if any(row)]
