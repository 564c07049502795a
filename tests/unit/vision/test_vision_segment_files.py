"""Segments from tables, from both files of the public hand-washing set, from MS-TCN's folders; and back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.formats.items import FormatError
from libs.vision.formats.segment_files import (
    LabelledSegments,
    read_bundle,
    read_mstcn,
    read_pskus_csv,
    read_pskus_json,
    read_segment_table,
    write_mstcn,
    write_segment_table,
)
from libs.vision.segments import TimedSegment


def seen(entry: LabelledSegments) -> list[tuple[str, float, float]]:
    return [(s.step, round(s.start, 3), round(s.end, 3)) for s in entry.segments]


@pytest.mark.parametrize(
    "text",
    [
        "start,stop,label\n0,1.5,palm\n1.5,3,thumb\n",
        "start;end;step\n1.5;3;thumb\n0;1.5;palm\n",
        "\ufeffbegin\tstop\tclass\n0\t1.5\tpalm\n1.5\t3\tthumb\n",
    ],
)
def test_a_plain_table_in_its_dialects(tmp_path: Path, text: str) -> None:
    (tmp_path / "segments.csv").write_text(text, encoding="utf-8")
    (entry,) = read_segment_table(tmp_path)
    assert (entry.clip, entry.annotator, entry.problems) == ("", "", ())
    assert seen(entry) == [("palm", 0, 1.5), ("thumb", 1.5, 3)]


def test_a_table_of_several_clips_and_annotators_keeps_the_good_rows(tmp_path: Path) -> None:
    rows = ["a,0,1,palm,li", "b,0,1,palm,li", "a,0,2,palm,wang", "a,3,2,palm,li", "a,x,2,palm,li", "a,nan,2,palm,li",
            "a,4,5,,li", "a,-1,2,palm,li"]  # fmt: skip
    (tmp_path / "segments.csv").write_text("\n".join(["clip,start,stop,label,annotator", *rows]), encoding="utf-8")
    first, second, third = read_segment_table(tmp_path)
    assert [(e.clip, e.annotator, len(e.segments)) for e in (first, second, third)] == [
        ("a", "li", 1), ("b", "li", 1), ("a", "wang", 1),
    ]  # fmt: skip
    assert first.problems == (
        "line 5: from 3 to 2 is no stretch of time: left out",
        "line 6: ['x', '2'] are not two numbers: left out",
        "line 7: from nan to 2 is no stretch of time: left out",
        "line 8: a segment without a label: left out",
        "line 9: from -1 to 2 is no stretch of time: left out",
    )


def test_a_table_without_a_column_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "segments.csv").write_text("start,label\n0,palm\n")
    with pytest.raises(FormatError, match="lacks the columns stop: its first line must name start, stop, label"):
        read_segment_table(tmp_path)
    (tmp_path / "segments.csv").unlink()
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        read_segment_table(tmp_path)


NAMES = st.text("abcdefgh _-,;\"'", min_size=1, max_size=8).map(str.strip).filter(bool)
LASTING = st.floats(0.001, 100)


@given(st.lists(st.tuples(NAMES, st.lists(st.tuples(NAMES, LASTING), min_size=1, max_size=4)), max_size=3))
def test_a_written_table_returns_exactly(tmp_path_factory: pytest.TempPathFactory, content) -> None:
    folder = tmp_path_factory.mktemp("table")
    entries = [
        LabelledSegments(
            f"{number}{clip}", "", tuple(TimedSegment(n, i * 200.0, i * 200 + s) for i, (n, s) in enumerate(parts))
        )
        for number, (clip, parts) in enumerate(content)
    ]
    assert write_segment_table(entries, folder) == sum(len(parts) for _, parts in content)
    assert read_segment_table(folder) == entries


@pytest.mark.parametrize("unit", [1, 1000])
def test_pskus_csv_in_seconds_and_in_milliseconds(tmp_path: Path, unit: int) -> None:
    codes = [(0, 0), (0, 0), (1, 1), (1, 1), (1, 0), (1, 5), (1, 5), (1, 5)]
    rows = [f"{n * unit / 25},{washing},{code}" for n, (washing, code) in enumerate(codes)]
    (tmp_path / "Annotator1").mkdir()
    (tmp_path / "Annotator1" / "w1.csv").write_text("\n".join(["frame_time,is_washing,movement_code", *rows]))
    entry = read_pskus_csv(tmp_path, "Annotator1/w1.csv")
    assert (entry.clip, entry.annotator, entry.problems) == ("w1", "Annotator1", ())
    assert seen(entry) == [("palm_to_palm", 0.08, 0.16), ("thumb", 0.2, 0.32)]


def test_pskus_rows_that_make_no_sense_are_named(tmp_path: Path) -> None:
    rows = ["0,1,1", "0.04,1,99", "0.04,1,1", "0.02,1,1", "inf,1,1", "0.08,yes,1", "0.08,1,1"]
    (tmp_path / "w.csv").write_text("\n".join(["frame_time,is_washing,movement_code", *rows]))
    entry = read_pskus_csv(tmp_path, "w.csv")
    assert [problem.partition(":")[0] for problem in entry.problems] == ["line 3", "line 5", "line 6", "line 7"]
    assert "99 is not one of 0, 1" in entry.problems[0]
    assert seen(entry) == [("palm_to_palm", 0, 0.12)]


def test_pskus_json_of_several_annotators(tmp_path: Path) -> None:
    labels = [
        {"is_washing": 0, "code": 0},
        *[{"is_washing": 1, "code": 6}] * 3,
        {"is_washing": 1},
        {"is_washing": 1, "code": 2},
    ]
    (tmp_path / "b.json").write_text(json.dumps({"labels": labels}))
    entry = read_pskus_json(tmp_path, "b.json", frames_per_second=10)
    assert seen(entry) == [("fingertips", 0.1, 0.4), ("palm_over_dorsum", 0.5, 0.6)]
    assert entry.problems == ("frame 4: 'code': taken as background",)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"labels": 3}', "[" * 100_000])
def test_json_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(FormatError, match=r"is no JSON|has no list"):
        read_pskus_json(tmp_path, "b.json", frames_per_second=10)


def test_mstcn_folders_there_and_back(tmp_path: Path) -> None:
    clip = LabelledSegments("wash 1", "", (TimedSegment("palm", 0.4, 0.8), TimedSegment("thumb", 0.8, 1.0)))
    folder = tmp_path / "out"
    write_mstcn(
        [(clip, 12)], folder, labels=("palm", "thumb"), frames_per_second=10, splits={"train.split1": ["wash 1"]}
    )
    assert (folder / "mapping.txt").read_text() == "0 background\n1 palm\n2 thumb\n"
    assert (folder / "groundTruth" / "wash 1.txt").read_text().split() == ["background"] * 4 + ["palm"] * 4 + [
        "thumb"
    ] * 2 + ["background"] * 2
    (back,), labels = read_mstcn(folder, frames_per_second=10)
    assert seen(back) == seen(clip)
    assert labels == ("background", "palm", "thumb")
    assert read_bundle(folder, "train.split1") == ["wash 1"]
    with pytest.raises(FormatError, match="is not empty"):
        write_mstcn([], folder, labels=(), frames_per_second=10, splits={})


def test_mstcn_labels_without_a_number_are_background_and_said(tmp_path: Path) -> None:
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth" / "v.txt").write_text("palm\nsoap\npalm\n")
    (tmp_path / "mapping.txt").write_text("0 palm\n")
    (entry,), _ = read_mstcn(tmp_path, frames_per_second=1)
    assert seen(entry) == [("palm", 0, 1), ("palm", 2, 3)]
    assert entry.problems == ("the label 'soap' is not in mapping.txt: taken as background",)


@pytest.mark.parametrize("text", ["palm 0\n", "0\n", "0 palm\n0 thumb\n"])
def test_a_mapping_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mapping.txt").write_text(text)
    with pytest.raises(FormatError, match="is no new number with a label"):
        read_mstcn(tmp_path, frames_per_second=1)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("start,stop,label\n0,1,secret\n")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "segments.csv").symlink_to(secret)
    with pytest.raises(FormatError, match="leads outside the data set"):
        read_segment_table(folder)
