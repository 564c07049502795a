"""What changed between two manifests."""

from pathlib import Path
from uuid import UUID

from libs.common.manifests import ManifestLine, read_raw_lines, write_manifest
from libs.common.testing import NOON, media
from services.dataset.domain.differences import Change, differences


def line(number: int, revision: int = 1) -> ManifestLine:
    return ManifestLine(
        sample_id=UUID(int=number),
        kind="image",
        media=media(),
        camera_id="line-1",
        captured_at=NOON,
        annotation_revision=revision,
        annotated_by="user:li",
        split="train",
        leakage_group="a",
    )


def compare(folder: Path, before: list[ManifestLine], after: list[ManifestLine]) -> list[Change]:
    write_manifest(folder / "before", before)
    write_manifest(folder / "after", after)
    return list(differences(read_raw_lines(folder / "before"), read_raw_lines(folder / "after")))


def test_every_kind_of_change_is_found(tmp_path: Path) -> None:
    found = compare(tmp_path, [line(1), line(2), line(4), line(6)], [line(2, revision=2), line(3), line(6), line(7)])
    assert found == [
        Change(UUID(int=1), "removed"),
        Change(UUID(int=2), "changed"),
        Change(UUID(int=3), "added"),
        Change(UUID(int=4), "removed"),
        Change(UUID(int=7), "added"),
    ]


def test_equal_manifests_do_not_differ(tmp_path: Path) -> None:
    assert compare(tmp_path, [line(1), line(2)], [line(1), line(2)]) == []


def test_everything_in_a_first_version_is_added(tmp_path: Path) -> None:
    assert [change.what for change in compare(tmp_path, [], [line(1), line(2)])] == ["added", "added"]
