"""Videos nobody recorded: said in words, decoded in a child with limits, and what was good before the damage is kept."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from libs.common.children import Limits
from libs.local.recordings import Camera
from libs.local.videos import DECODER, snapshots_of_video
from libs.vision.change import ChangeRules
from libs.vision.video import UnreadableVideo


def recorded(path: Path, *, frames: int = 30, size: tuple[int, int] = (160, 120)) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, size)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 + 5 * number, np.uint8))
    writer.release()
    return path


def ids(path: Path, limits: Limits = DECODER, damage: list[str] | None = None) -> list[str]:
    tell = damage.append if damage is not None else None
    found = snapshots_of_video(
        path, Camera("gate"), rules=ChangeRules(idle_seconds=1), look_every_seconds=0.2, limits=limits, on_damage=tell
    )
    return [str(each.facts["snapshot_id"]) for each in found]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.mp4", b"", "can't be opened as a video"),
        ("zip.mp4", b"PK\x03\x04" + bytes(100), "can't be opened as a video"),
        ("text.avi", b"RIFF" + b"x" * 500, "can't be opened as a video"),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "can't be opened as a video|holds no video"),
        ("list.avi", b"ffconcat version 1.0\nfile /etc/passwd\n", "can't be opened as a video|holds no video"),
    ],
)
def test_what_is_no_video_is_said(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=told):
        ids(path)


def test_a_cut_video_gives_the_frames_it_has(tmp_path: Path) -> None:
    path = recorded(tmp_path / "gate.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert ids(path)


def test_damage_in_the_middle_costs_its_frames_only(tmp_path: Path) -> None:
    data = bytearray(recorded(tmp_path / "gate.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    assert len(ids(path, damage=[])) >= 2


def test_a_video_that_takes_too_much_memory_ends_its_child_only(tmp_path: Path) -> None:
    path = recorded(tmp_path / "wide.avi", frames=2, size=(8000, 6000))
    with pytest.raises((UnreadableVideo, RuntimeError), match=r"memory|map segment"):  # in the frame or in a library
        ids(path, Limits(memory_bytes=230 << 20, seconds=30))


def test_a_child_that_broods_is_ended(tmp_path: Path) -> None:
    path = recorded(tmp_path / "gate.avi")
    with pytest.raises(UnreadableVideo, match="no sign of life"):
        ids(path, Limits(memory_bytes=2 << 30, seconds=0.02))  # it still loads its libraries
