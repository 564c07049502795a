"""Manifests: deterministic bytes, honest about damage."""

from pathlib import Path
from uuid import UUID

import pytest

from libs.common.errors import Permanent
from libs.common.events import Annotation, to_json
from libs.common.manifests import ManifestLine, SampleLine, placed_line, read_manifest, read_raw_lines, write_manifest
from libs.common.testing import NOON, media


def line(number: int) -> ManifestLine:
    return ManifestLine(
        sample_id=UUID(int=number),
        kind="image",
        media=media(str(number).encode()),
        camera_id="line-1",
        captured_at=NOON,
        annotations=(Annotation(label="hairnet", box=(1.5, 2, 30.25, 40)),),
        annotation_revision=1,
        annotated_by="rule:annotated",
        split="train",
        leakage_group="line-1/12",
    )


LINES = [line(number) for number in range(1, 6001)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl.zst"
    write_manifest(path, LINES)
    assert list(read_manifest(path)) == LINES
    assert list(read_manifest(path.read_bytes())) == LINES


def test_same_lines_same_bytes_and_digest(tmp_path: Path) -> None:
    first = write_manifest(tmp_path / "a", LINES)
    second = write_manifest(tmp_path / "b", iter(LINES))
    assert first == second
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert write_manifest(tmp_path / "c", LINES[:-1]) != first


def test_lines_start_with_the_sample_id(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a", LINES[:1])
    assert next(read_raw_lines(tmp_path / "a")).startswith(b'{"sample_id":"00000000-0000-0000-0000-000000000001",')


@pytest.mark.parametrize("group", ["line-1/12", 'a "quoted" \\ group\n', "产线 1/12", "\x01\x7f"])
def test_a_placed_line_is_the_model_s_line_byte_for_byte(group: str) -> None:
    whole = line(1).model_copy(update={"leakage_group": group, "split": "test"})
    stored = to_json(SampleLine(**dict(whole))).decode()
    assert placed_line(stored, "test", group) == to_json(whole)


@pytest.mark.parametrize("lines", [[line(2), line(1)], [line(1), line(1)]])
def test_unsorted_lines_are_refused_and_nothing_is_left(tmp_path: Path, lines: list[ManifestLine]) -> None:
    with pytest.raises(ValueError, match="sort the lines"):
        write_manifest(tmp_path / "a", lines)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kept", [0, 10, -1, -5])
def test_a_cut_off_manifest_is_an_error(tmp_path: Path, kept: int) -> None:
    write_manifest(tmp_path / "a", LINES)
    with pytest.raises(Permanent, match="cut off"):
        list(read_manifest((tmp_path / "a").read_bytes()[:kept]))


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a", LINES)
    data = bytearray((tmp_path / "a").read_bytes())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Permanent):
        list(read_manifest(bytes(data)))


def test_an_empty_manifest_has_no_lines(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a", [])
    assert list(read_manifest(tmp_path / "a")) == []
