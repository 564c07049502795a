"""The plainest format: a folder `images/` and a table `annotations.csv` with one box a row."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from libs.vision.boxes import Box
from libs.vision.formats.checking import Candidate, Problem, labelled_image, unusable
from libs.vision.formats.files import (
    LARGEST_TABLE,
    RefusedPath,
    empty_folder,
    existing_folder,
    image_files,
    inside,
    named_file,
    read_text,
    split_of,
)
from libs.vision.formats.items import Exported, ExportItem, FormatError, LabelledImage
from libs.vision.formats.placing import FilePlacer
from libs.vision.formats.tables import Row, rows_by_name

TABLE = "annotations.csv"
COLUMNS = ("file", "label", "x1", "y1", "x2", "y2", "width", "height", "split")
_NEEDED = COLUMNS[:6]
_ALSO_CALLED = {
    "filename": "file",
    "file_name": "file",
    "image": "file",
    "class": "label",
    "xmin": "x1",
    "ymin": "y1",
    "xmax": "x2",
    "ymax": "y2",
}


def read_csv(folder: Path | str) -> Iterator[LabelledImage]:
    """Read annotations.csv: file, label, x1, y1, x2, y2 in pixels, and perhaps width, height, split; comma, ; or tab.

    Files are named from images/ or from the folder. A row with an empty label says that the image is empty; an image
    that no row names is not labelled. Raises FormatError at once if the table or one of its columns is missing.
    """
    root = existing_folder(folder)
    rows = _rows(root)
    return _images(root, rows)


def _rows(root: Path) -> list[tuple[int, Row]]:
    table = root / TABLE
    if not table.is_file():
        raise FormatError(f"There is no {table}: a CSV data set has {TABLE} and images/ in its folder")
    return rows_by_name(table, read_text(inside(root, table), at_most=LARGEST_TABLE), _NEEDED, _ALSO_CALLED)


def _images(root: Path, rows: list[tuple[int, Row]]) -> Iterator[LabelledImage]:
    by_file: dict[str, list[tuple[int, Row]]] = {}
    for line, row in rows:
        by_file.setdefault(row.get("file", "").strip(), []).append((line, row))
    named: set[Path] = set()
    for name, own in by_file.items():
        try:
            path = named_file([root / "images", root], name)
        except RefusedPath as error:
            yield unusable(root / TABLE, f"line {own[0][0]}: {error}")
            continue
        named.add(path)
        yield _read_image(root, path, own)
    for path in image_files(root):
        if path not in named:
            yield labelled_image(root, path, [], split=split_of(root, path), labelled=False)


def _read_image(root: Path, path: Path, rows: list[tuple[int, Row]]) -> LabelledImage:
    first = rows[0][1]
    found = [_parse(row, f"line {line}") for line, row in rows if not _says_empty(row)]
    split = first.get("split", "").strip() or split_of(root, path)
    return labelled_image(root, path, found, split=split, declared=_declared(first))


def _says_empty(row: Row) -> bool:
    return not any(row.get(name, "").strip() for name in _NEEDED[1:])


def _declared(row: Row) -> tuple[int, int] | None:
    try:
        return int(float(row.get("width", ""))), int(float(row.get("height", "")))
    except (ValueError, OverflowError):
        return None


def _parse(row: Row, where: str) -> Candidate | Problem:
    try:
        box: Box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
    except (KeyError, ValueError):
        values = [row.get(name, "") for name in _NEEDED[2:]]
        return Problem(f"{where}: {values} are not four numbers: left out")
    return Candidate(row.get("label", "").strip(), box, where)


def write_csv(items: Iterable[ExportItem], folder: Path | str) -> Exported:
    """Write images/ and annotations.csv; numbers are written so that they return exactly. Raises FormatError."""
    root = empty_folder(folder)
    placer, images, boxes = FilePlacer(root), 0, 0
    with (root / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for item in items:
            placer.put(item, "images")
            tail = (item.width, item.height, item.split)
            found = [(each.label, *(repr(float(value)) for value in each.box)) for each in item.annotations]
            table.writerows([(item.file_name, *row, *tail) for row in found or [("", "", "", "", "")]])
            images, boxes = images + 1, boxes + len(found)
    return Exported(images=images, boxes=boxes)
