"""A folder or a video as a camera."""

import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from libs.local.recordings import BadSidecar, Camera, snapshot_of_file, snapshots_of_folder
from libs.local.videos import snapshots_of_video
from libs.vision.change import ChangeRules
from libs.vision.sniffing import sniff

CAMERA = Camera("gate", "hairnet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.jpg", "deep/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, np.full((40, 60, 3), 90, np.uint8))[1].tobytes())
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_sent_in_the_order_of_names(folder: Path) -> None:
    bad: dict[str, str] = {}
    found = list(snapshots_of_folder(folder, CAMERA, on_bad=bad.__setitem__))
    assert [each.name for each in found] == ["a.jpg", "b.jpg", "deep/c.png"]
    assert found[0].facts["camera_id"] == "gate"
    assert found[0].facts["workflow"] == "hairnet"
    assert found[0].load() == (folder / "a.jpg").read_bytes()
    assert bad == {}


def test_what_lies_beside_a_picture_goes_with_it(folder: Path) -> None:
    known = {"captured_at": "2026-01-05T06:00:00+00:00", "annotations": [{"label": "hairnet", "box": [1, 2, 3, 4]}]}
    (folder / "a.jpg.json").write_text(json.dumps(known))
    facts = snapshot_of_file(folder / "a.jpg", CAMERA).facts
    assert facts == known | {"camera_id": "gate", "workflow": "hairnet"}


def test_a_broken_sidecar_is_named_and_the_others_go(folder: Path) -> None:
    (folder / "a.jpg.json").write_text("{")
    bad: dict[str, str] = {}
    found = list(snapshots_of_folder(folder, CAMERA, on_bad=bad.__setitem__))
    assert [each.name for each in found] == ["b.jpg", "deep/c.png"]
    assert "not readable JSON" in bad["a.jpg"]


def test_labels_may_be_a_bare_list(folder: Path) -> None:
    labels = folder / "labels.json"
    labels.write_text('[{"label": "hairnet", "box": [1, 2, 3, 4]}]')
    found = snapshot_of_file(folder / "a.jpg", Camera("gate"), labels=labels)
    assert found.facts["annotations"] == [{"label": "hairnet", "box": [1, 2, 3, 4]}]
    assert "workflow" not in found.facts
    labels.write_text('"hairnet"')
    with pytest.raises(BadSidecar, match="neither a list"):
        snapshot_of_file(folder / "a.jpg", Camera("gate"), labels=labels)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """12 s at 5 frames a second: empty, but for a visitor in the seconds 4 to 6."""
    path = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (160, 120))
    for number in range(60):
        image = np.full((120, 160, 3), 120, np.uint8)
        if 20 <= number < 30:
            image[20:100, 40:90] = 250
        writer.write(image)
    writer.release()
    return path


def test_a_video_gives_the_first_frame_and_the_visit(video: Path) -> None:
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    rules = ChangeRules(minimum_seconds=5)
    found = list(snapshots_of_video(video, CAMERA, rules=rules, look_every_seconds=0.2, started_at=start))
    times = [datetime.fromisoformat(str(each.facts["captured_at"])) for each in found]
    seconds = [(time - start).total_seconds() for time in times]
    assert len(seconds) == 2
    assert seconds[0] == 0
    assert 4 <= seconds[1] <= 6
    assert sniff(found[1].load()).content_type == "image/jpeg"


def test_a_video_ingested_again_gives_the_same_snapshots(video: Path) -> None:
    ids = [
        [each.facts["snapshot_id"] for each in snapshots_of_video(video, camera, rules=ChangeRules(), look_every_seconds=0)]
        for camera in (CAMERA, CAMERA, Camera("other", "hairnet"))
    ]  # fmt: skip
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


@pytest.mark.data
def test_the_clip_of_six_visits_is_no_flood(shared_data: Path) -> None:
    clip = shared_data / "camera-clips" / "one-by-one-person-detection.mp4"
    found = list(snapshots_of_video(clip, CAMERA, rules=ChangeRules(), look_every_seconds=0.2))
    assert 6 < len(found) < 80
