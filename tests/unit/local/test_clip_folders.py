"""Clips of a folder, and visits of a recording, as a camera would have sent them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from libs.common.children import Limits
from libs.common.workflows import Workflow, load_workflow
from libs.local.cli import app
from libs.local.client import Client
from libs.local.commands import data
from libs.local.recordings import BadZone, Camera, clips_of_folder, parse_zone
from libs.local.videos import UnreadableVideo, VisitRules, clips_of_video
from libs.vision.clip_files import packet_seconds
from libs.vision.quality import Image
from tests.support.clips import moments, noisy, sink, write_clip

CAMERA = Camera("sink-1", "handwash")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUICK = VisitRules(merge_gap_seconds=0.5, minimum_seconds=1)


def segments_by_name(root: Path, bad: dict[str, str]) -> dict[str, object]:
    found = clips_of_folder(root, CAMERA, on_bad=bad.__setitem__)
    return {each.name: each.facts.get("segments") for each in found}


def test_clips_take_the_segments_that_lie_beside_them(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.MOV", "deep/c.mkv", "d.webm", "e.mp4", "f.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"video")
    (tmp_path / "picture.jpg").write_bytes(b"none")
    (tmp_path / "a.mp4.csv").write_text("start,stop,label\n0,1,拇指\n", encoding="utf-8")
    (tmp_path / "d.webm.csv").write_text("start,stop,label\n3,1,thumb\n")
    rows = ["a,0,1,no,", "deep/c.mkv,1,2.5,thumb,", "e,0,1,x,li", "e,0,2,x,wang", "z,0,1,x,"]
    (tmp_path / "segments.csv").write_text("\n".join(["clip,start,stop,label,annotator", *rows]))
    bad: dict[str, str] = {}
    assert segments_by_name(tmp_path, bad) == {
        "a.mp4": [{"step": "拇指", "start_seconds": 0, "end_seconds": 1}],
        "b.MOV": None,
        "deep/c.mkv": [{"step": "thumb", "start_seconds": 1, "end_seconds": 2.5}],
        "f.mp4": None,
    }
    assert set(bad) == {"d.webm", "e.mp4", "z"}
    assert "d.webm.csv: line 2: from 3 to 1 is no stretch of time" in bad["d.webm"]
    assert "segments.csv tells of 2 clips or annotators" in bad["e.mp4"]
    assert "no videos are called 'z'" in bad["z"]


def test_a_folder_of_clips_is_sent_as_clips(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    bad: dict[str, str] = {}
    (clip,) = clips_of_folder(tmp_path, CAMERA, on_bad=bad.__setitem__)
    assert (clip.kind, clip.load(), clip.facts["camera_id"], clip.facts["workflow"]) == (
        "clip", b"video", "sink-1", "handwash",
    )  # fmt: skip


def recording(path: Path) -> Path:
    """Twelve seconds; somebody stands there from 3 to 6 and from 8 to 11."""

    def picture(at: float) -> Image:
        image = noisy(sink(), round(at * 1000))
        if 3 <= at < 6 or 8 <= at < 11:
            x = round(60 + 2 * np.sin(3 * at))
            cv2.rectangle(image, (x, 30), (x + 30, 118), (30, 25, 20), cv2.FILLED)
        return image

    return write_clip(path, map(picture, moments(12, 5)), rate=5)


def test_every_visit_of_a_recording_becomes_a_clip(tmp_path: Path) -> None:
    path, out = recording(tmp_path / "day.mp4"), tmp_path / "out"
    out.mkdir()
    found = list(clips_of_video(path, CAMERA, out, zone=(0.2, 0, 0.9, 1), rules=QUICK, started_at=NOON))
    assert len(found) == 2
    for clip, (start, end) in zip(found, ((3, 6), (8, 11)), strict=True):
        taken = datetime.fromisoformat(str(clip.facts["captured_at"]))
        assert (taken - NOON).total_seconds() == pytest.approx(start, abs=0.5)
        written = tmp_path / "one.mp4"
        written.write_bytes(clip.load())
        assert packet_seconds(written) == pytest.approx(end - start, abs=0.6)
        assert clip.facts["source_group"] == sha256(path.read_bytes()).hexdigest()
        assert (clip.kind, clip.facts["camera_id"]) == ("clip", "sink-1")
    again = list(clips_of_video(path, CAMERA, out, zone=(0.2, 0, 0.9, 1), rules=QUICK, started_at=NOON))
    assert [each.facts for each in again] == [each.facts for each in found]
    assert found[0].facts["clip_id"] != found[1].facts["clip_id"]
    # Nobody stands in the corner.
    assert list(clips_of_video(path, CAMERA, out, zone=(0.9, 0, 1, 0.2), rules=QUICK)) == []


def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("nothing of the kind")
    with pytest.raises(UnreadableVideo, match=r"text\.mp4 is"):
        list(clips_of_video(path, CAMERA, tmp_path))


def test_a_decoder_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=4 * 1024**3, seconds=0.0)
    with pytest.raises(UnreadableVideo, match="no sign of life"):
        list(clips_of_video(recording(tmp_path / "day.mp4"), CAMERA, tmp_path, limits=limits))


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "0.5,0,0.2,1", "0,0,2,1", "nan,0,1,1"])
def test_a_wrong_zone_is_told(text: str) -> None:
    with pytest.raises(BadZone, match="--zone"):
        parse_zone(text)


def test_a_zone_is_shares_of_the_picture() -> None:
    assert parse_zone("0.25,0, 0.75,1") == (0.25, 0, 0.75, 1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ingest was asked for; it takes everything."""
    asked: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(202, json={"clip_id": f"c{len(asked)}", "snapshot_id": f"s{len(asked)}"})

    @contextmanager
    def ingest() -> Iterator[Client]:
        yield Client(httpx.Client(transport=httpx.MockTransport(answers), base_url="http://ingest.test"))

    def named(name: str) -> Workflow:
        return load_workflow(Path(__file__).parents[3] / "deploy" / "workflows" / f"{name}.yaml")

    monkeypatch.setattr(data, "ingest_client", ingest)
    monkeypatch.setattr(data, "workflow_named", named)
    return asked


def test_the_workflow_says_whether_pictures_or_clips_are_sent(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    (tmp_path / "b.jpg").write_bytes(b"picture")
    for workflow, kind in (("handwash", "clip"), ("hairnet", "snapshot")):
        asked.clear()
        call = ["ingest", "folder", str(tmp_path), "--camera", "c", "--workflow", workflow, "--json"]
        done = CliRunner().invoke(app, call)
        assert (done.exit_code, asked) == (0, [f"POST /v1/{kind}s"])
        assert len(json.loads(done.stdout)[f"{kind}_ids"]) == 1


def test_visits_are_sent_from_the_command_line(tmp_path: Path, asked: list[str]) -> None:
    call = ["ingest", "video", str(recording(tmp_path / "day.mp4")), "--camera", "c"]
    done = CliRunner().invoke(app, [*call, "--workflow", "handwash", "--zone", "0.2,0,0.9,1", "--start", "2026-01-01"])
    assert (done.exit_code, asked) == (0, ["POST /v1/clips"] * 2)
    assert "2 clips sent" in done.stdout
    for words, more in (("--zone", ["--zone", "5"]), ("task temporal", ["--zone", "0,0,1,1"])):
        workflow = "handwash" if more[1] == "5" else "hairnet"
        refused = CliRunner().invoke(app, [*call, "--workflow", workflow, *more])
        assert (refused.exit_code, len(asked)) == (1, 2)
        assert words in refused.stderr
