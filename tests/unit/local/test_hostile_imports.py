"""Every data set of the table through the importer: what is wrong is said, the good neighbour goes, nothing leaks in."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.local.imports import READERS, Import, Plan, prepare
from libs.local.output import printable
from libs.vision.formats.items import FormatError
from services.ingest.domain import check_clock
from tests.support.hostile.imports import CLASSES, IMPORTS, ImportRow, lay_good
from tests.support.hostile.pictures import jpeg


def imported(row: ImportRow, folder: Path) -> Import:
    """As `camloop import` does it, up to sending."""
    root = folder / "data"
    lay_good(row.format, root)
    row.lay(root)
    plan = Plan(root.resolve(), "hairnet", CLASSES, {}, ["import-data"])
    return prepare(READERS[row.format](plan.root), plan)


def words(found: Import) -> dict[str, str]:
    """What is said, by fate."""
    problems = "; ".join(text for each in found.problems.values() for text in each)
    return {"fine": "", "skipped": "; ".join(found.skipped.values()), "problem": problems}


@pytest.mark.parametrize("row", IMPORTS, ids=lambda row: row.name)
def test_a_hostile_data_set_is_told_what_is_wrong(row: ImportRow, tmp_path: Path) -> None:
    if row.fate == "refused":
        with pytest.raises((ValueError, OSError)) as refused:
            imported(row, tmp_path)
        assert row.told in str(refused.value)
        return
    found = imported(row, tmp_path)
    assert row.told in words(found)[row.fate], found
    sent = {Path(each.name).name: each for each in found.snapshots}
    assert len(sent["z.jpg"].facts["annotations"]) == 1  # type: ignore[arg-type]
    assert len(sent) == row.pictures, sent
    for each in found.snapshots:
        json.dumps(each.facts).encode()
        check_clock(datetime.fromisoformat(str(each.facts["captured_at"])), datetime.now(UTC), tolerance_seconds=1)
        each.name.encode()
        assert each.load() == jpeg()
    printable(json.dumps([*found.skipped.values(), *words(found).values()], ensure_ascii=False)).encode()


@pytest.mark.parametrize("kind", READERS)
def test_a_folder_that_does_not_exist_is_said(kind: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="There is no"):
        READERS[kind](tmp_path / "nowhere")  # type: ignore[index]


@pytest.mark.parametrize("kind", READERS)
def test_an_empty_folder_is_said(kind: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"No |There is no"):
        READERS[kind](tmp_path)  # type: ignore[index]
