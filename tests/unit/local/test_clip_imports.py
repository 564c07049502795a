"""Somebody's labelled clips: found beside three kinds of labels, one opinion of several, and what is sent of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from libs.common.workflows import Workflow, load_workflow
from libs.local.cli import app
from libs.local.client import Client
from libs.local.clip_imports import prepare_clips, rates_from_child, read_clips
from libs.local.commands import data
from libs.local.commands.clip_data import check_task, told_agreement
from libs.local.imports import Plan, UnknownLabels
from libs.vision.formats.clip_folders import ClipItem, write_clip_table
from libs.vision.formats.clip_reading import FoundClip, read_mstcn_clips, read_pskus_clips, read_table_clips
from libs.vision.formats.items import FormatError
from libs.vision.formats.segment_files import BACKGROUND
from libs.vision.segments import TimedSegment
from tests.support.clips import sink, write_clip

WORKFLOWS = Path(__file__).parents[3] / "deploy" / "workflows"


def plan(root: Path, *classes: str, mapping: Mapping[str, str] | None = None, cameras: int = 1) -> Plan:
    names = [f"import-{number}" for number in range(cameras)]
    return Plan(root.resolve(), "handwash", classes, mapping or {}, names)


def rates(paths: Sequence[Path]) -> dict[Path, float]:
    return {path: 10.0 for path in paths if path.read_bytes() != b"broken"}


def videos(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"video {name}".encode())


def table(root: Path, *rows: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    path = root / "segments.csv"
    path.write_text("\n".join(["clip,start,stop,label,annotator", *rows]), encoding="utf-8")
    return path


def seen(found: Sequence[FoundClip]) -> dict[str, list[tuple[str, float, float]]]:
    return {clip.name: [(s.step, s.start, s.end) for entry in clip.said for s in entry.segments] for clip in found}


def sent(segments: object) -> list[tuple[Any, ...]]:
    return [tuple(each.values()) for each in cast("list[dict[str, Any]]", segments)]


def test_what_was_exported_is_imported_as_it_was(tmp_path: Path) -> None:
    said = (TimedSegment("掌心对掌心", 0.1234, 2 / 3), TimedSegment("拇指", 1.0, 2.9999))
    write_clip_table(
        [
            ClipItem("a.mp4", b"a", 3.0, 25.0, said, "train", "source:one"),
            ClipItem("b.mp4", b"b", 3.0, 25.0, (), "train", "source:one"),
            ClipItem("c.mp4", b"c", 3.0, 25.0, None, "test", "source:two"),
        ],
        tmp_path / "out",
    )
    found = prepare_clips(read_clips("segments", tmp_path / "out"), plan(tmp_path / "out", "掌心对掌心", "拇指"))
    assert [each.name for each in found.clips] == ["clips/train/a.mp4", "clips/train/b.mp4", "clips/test/c.mp4"]
    a, b, c = (each.facts for each in found.clips)
    assert sent(a["segments"]) == [("掌心对掌心", 0.1234, 2 / 3), ("拇指", 1.0, 2.9999)]
    assert (b["segments"], "segments" in c) == ([], False)
    assert [each["source_group"] for each in (a, b, c)] == ["out/source:one", "out/source:one", "out/source:two"]
    assert [each.load() for each in found.clips] == [b"a", b"b", b"c"]
    assert {each.kind for each in found.clips} == {"clip"}
    assert (found.unlabelled, found.segments_per_label, found.agreements) == (1, {"拇指": 1, "掌心对掌心": 1}, None)


times = st.lists(st.integers(0, 600_000), min_size=2, max_size=12, unique=True).map(sorted)
names = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=12) | st.sampled_from(
    ["掌心对掌心", '指背, 对"掌心"', "拇指;左"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(times, st.data())
def test_any_steps_and_milliseconds_come_back(tmp_path: Path, milliseconds: list[int], draw: st.DataObject) -> None:
    known = names.filter(lambda name: name != BACKGROUND)
    said = tuple(TimedSegment(draw.draw(known), a / 1000, b / 1000) for a, b in pairwise(milliseconds))
    with TemporaryDirectory(dir=tmp_path) as folder:
        out = Path(folder) / "out"
        write_clip_table([ClipItem("a.mp4", b"a", 600.0, 25.0, said, "val", "g")], out)
        ready = prepare_clips(read_clips("segments", out), plan(out, *{each.step for each in said}))
    assert sent(ready.clips[0].facts["segments"]) == [(each.step, each.start, each.end) for each in said]


def test_a_table_names_videos_in_any_of_the_usual_ways(tmp_path: Path) -> None:
    videos(tmp_path, "clips/a.mp4", "more/b.mov", "c.webm", "twice/d.mp4", "again/d.mp4", "free.mkv")
    path = table(tmp_path, "a,0,1,x,", "more/b.mov,0,1,x,", "c.webm,0,1,x,", "d,0,1,x,", "e,0,1,x,", "../f.mp4,0,1,x,")
    found = {clip.name: clip for clip in read_table_clips(path, rates)}
    where = {name: clip.path and clip.path.relative_to(tmp_path.resolve()).as_posix() for name, clip in found.items()}
    assert where == {
        "a": "clips/a.mp4", "more/b.mov": "more/b.mov", "c.webm": "c.webm", "d": None, "e": None, "../f.mp4": None,
        "again/d.mp4": "again/d.mp4", "free.mkv": "free.mkv", "twice/d.mp4": "twice/d.mp4",
    }  # fmt: skip
    assert "2 videos are called 'd'" in found["d"].problems[0]
    assert "no videos are called 'e'" in found["e"].problems[0]
    ready = prepare_clips(list(found.values()), plan(tmp_path, "x"))
    assert (len(ready.clips), ready.unlabelled, set(ready.skipped)) == (6, 3, {"d", "e", "../f.mp4"})


def test_a_link_out_of_the_folder_is_not_sent(tmp_path: Path) -> None:
    videos(tmp_path, "secret.mp4")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "set" / "b.mp4").symlink_to(tmp_path / "secret.mp4")
    found = read_table_clips(table(tmp_path / "set", "a,0,1,x,"), rates)
    assert {clip.name for clip in found} == {"a", "a.mp4", "b.mp4"}
    assert all(clip.path is None and "leads outside" in clip.problems[0] for clip in found)


def pskus(root: Path, annotator: str, clip: str, codes: Sequence[int]) -> None:
    folder = root / "Annotations" / annotator
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{at * 100},{int(code > 0)},{code}" for at, code in enumerate(codes)]
    (folder / f"{clip}.csv").write_text("\n".join(["frame_time,is_washing,movement_code", *rows]))


def pskus_json(root: Path, annotator: str, clip: str, codes: Sequence[int]) -> None:
    folder = root / "Annotations" / annotator
    folder.mkdir(parents=True, exist_ok=True)
    labels = [{"is_washing": int(code > 0), "code": code} for code in codes]
    (folder / f"{clip}.json").write_text(json.dumps({"labels": labels}))


def test_pskus_tables_and_lists_of_several_annotators(tmp_path: Path) -> None:
    videos(tmp_path, "Videos/a.mp4", "Videos/b.mp4", "Videos/c.mp4")
    (tmp_path / "Videos" / "c.mp4").write_bytes(b"broken")
    (tmp_path / "statistics.csv").write_text("clip,frames\na,30\n")
    (tmp_path / "notes.json").write_text('{"by": "nobody"}')
    codes = [0] * 10 + [1] * 20 + [7] * 10
    pskus(tmp_path, "Annotator1", "a", codes)
    pskus_json(tmp_path, "Annotator1", "a", [0] * 40)  # the table beside is taken
    pskus_json(tmp_path, "Annotator2", "a", [0] * 12 + [1] * 18 + [7] * 10)
    pskus_json(tmp_path, "Annotator2", "b", codes)
    pskus_json(tmp_path, "Annotator2", "c", codes)
    pskus(tmp_path, "Annotator1", "gone", codes)
    found = read_pskus_clips(tmp_path, rates)
    assert seen(found) == {
        "a": [("palm_to_palm", 1, 3), ("faucet_off", 3, 4), ("palm_to_palm", 1.2, 3), ("faucet_off", 3, 4)],
        "gone": [("palm_to_palm", 1, 3), ("faucet_off", 3, 4)],
        "b": [("palm_to_palm", 1, 3), ("faucet_off", 3, 4)],
        "c": [],
    }
    ready = prepare_clips(found, plan(tmp_path, "palm_to_palm", "faucet_off"))
    by_name = {Path(each.name).stem: each.facts for each in ready.clips}
    # Two people who differ from 1.0 to 1.2 s: no majority.
    assert sent(by_name["a"]["segments"]) == [("palm_to_palm", 1.2, 3), ("faucet_off", 3, 4)]
    assert ("segments" in by_name["c"], ready.unlabelled, set(ready.skipped)) == (False, 1, {"gone"})
    assert "can't be opened" in ready.problems["c"][0]
    assert ready.agreements is not None
    assert (ready.agreements.clips, ready.agreements.plainly.frames) == (1, 100)
    assert ready.agreements.plainly.share == pytest.approx(0.95)
    assert ready.agreements.plainly.steps == pytest.approx(
        {"background": 25 / 30, "palm_to_palm": 0.9, "faucet_off": 1}
    )
    assert ready.agreements.loosely.share == 1
    assert "palm_to_palm: 0.900 (1.000)" in told_agreement(ready.agreements)


def test_one_annotator_is_chosen_by_name(tmp_path: Path) -> None:
    videos(tmp_path, "a.mp4", "b.mp4")
    found = read_table_clips(table(tmp_path, "a,0,1,x,li", "a,0,2,strange,wang", "b,0,1,strange,wang"), rates)
    ready = prepare_clips(found, plan(tmp_path, "x"), annotator="li")
    assert [sent(each.facts["segments"]) for each in ready.clips] == [[("x", 0, 1)]]
    assert ready.skipped == {"b": "li did not annotate it"}
    with pytest.raises(FormatError, match="Nobody called 'zhao' annotated these clips: li, wang"):
        prepare_clips(found, plan(tmp_path, "x"), annotator="zhao")


def test_unknown_labels_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    videos(tmp_path, "a.mp4")
    found = read_table_clips(table(tmp_path, "a,0,1,palm,", "a,1,2,rinse,", "a,2,3,x,"), rates)
    with pytest.raises(UnknownLabels, match=r"palm \(1 segments\), rinse \(1 segments\). It knows: x"):
        prepare_clips(found, plan(tmp_path, "x"))
    ready = prepare_clips(found, plan(tmp_path, "x", mapping={"palm": "x", "rinse": ""}))
    assert sent(ready.clips[0].facts["segments"]) == [("x", 0, 1), ("x", 2, 3)]


def test_mstcn_labels_are_frames_of_their_video(tmp_path: Path) -> None:
    videos(tmp_path, "videos/a.mp4")
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "mapping.txt").write_text("0 background\n1 palm to palm\n")
    (tmp_path / "groundTruth" / "a.txt").write_text("background\n" * 5 + "palm to palm\n" * 10)
    assert seen(read_mstcn_clips(tmp_path, rates)) == {"a": [("palm to palm", 0.5, 1.5)]}


def test_the_rate_of_a_video_is_asked_for_in_a_child(tmp_path: Path) -> None:
    good = write_clip(tmp_path / "a.mp4", [sink()] * 4, rate=5)
    (tmp_path / "b.mp4").write_bytes(b"nothing of the kind")
    assert rates_from_child([good, tmp_path / "b.mp4"]) == {good: 5.0}


@pytest.mark.parametrize("read", [read_pskus_clips, read_mstcn_clips, read_table_clips])
def test_a_folder_without_labels_is_told(tmp_path: Path, read: Any) -> None:
    with pytest.raises(FormatError):
        read(tmp_path, rates)


@pytest.mark.parametrize(
    ("kind", "workflow", "right"),
    [("yolo", "handwash", "learns from clips.*import segments, pskus, mstcn"), ("pskus", "hairnet", "learns from images.*import yolo")],
)  # fmt: skip
def test_a_format_for_other_samples_is_refused(kind: str, workflow: str, right: str) -> None:
    known: Workflow = load_workflow(WORKFLOWS / f"{workflow}.yaml")
    with pytest.raises(FormatError, match=right):
        check_task(kind, known)


def test_the_command_sends_clips_and_tells_how_far_people_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path} {b'thumb_left' in request.read()}")
        return httpx.Response(202, json={"clip_id": f"c{len(asked)}"})

    @contextmanager
    def ingest() -> Iterator[Client]:
        yield Client(httpx.Client(transport=httpx.MockTransport(answers), base_url="http://ingest.test"))

    def named(name: str) -> Workflow:
        return load_workflow(WORKFLOWS / f"{name}.yaml")

    monkeypatch.setattr(data, "ingest_client", ingest)
    monkeypatch.setattr(data, "workflow_named", named)
    videos(tmp_path, "a.mp4")
    table(tmp_path, "a,0,4,拇指,li", "a,0,4,拇指,wang")
    call = ["import", "segments", str(tmp_path), "--workflow", "handwash"]
    refused = CliRunner().invoke(app, call)
    assert (refused.exit_code, asked) == (1, [])
    assert "拇指 (2 segments)" in refused.stderr
    done = CliRunner().invoke(app, [*call, "--map", "拇指=thumb_left"])
    assert (done.exit_code, asked) == (0, ["POST /v1/clips True"])
    assert "1 clips sent" in done.stdout
    assert "thumb_left: 1.000 (1.000)" in done.stdout
    assert CliRunner().invoke(app, [*call[:1], "yolo", *call[2:]]).exit_code == 1
