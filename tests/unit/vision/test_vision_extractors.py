"""Extractors by name, on drawn clips: what they see, that they repeat themselves, and what they say when they can't."""

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from libs.vision.extractors.__main__ import main
from libs.vision.extractors.extracting import extract, extract_to_file
from libs.vision.extractors.fallback import choose, reason
from libs.vision.extractors.pose import COCO_POINTS, PoseExtractor
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.extractors.registry import EXTRACTORS, load
from libs.vision.features import Features, from_bytes, to_bytes
from libs.vision.quality import Image
from libs.vision.video import Frame, UnreadableVideo

STEEL, SKIN = (150, 150, 145), (120, 150, 210)
RATE = 30


def write_video(path: Path, images: list[Image]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height = images[0].shape[1], images[0].shape[0]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def sink(at: int, *, hands: bool, skin: tuple[int, int, int] = SKIN) -> Image:
    """A steel sink with some noise, and over it two hands that rub twice a second."""
    noise = np.random.default_rng(at).integers(-4, 5, (240, 320, 1))
    image = np.clip(np.full((240, 320, 3), STEEL, np.int16) + noise, 0, 255).astype(np.uint8)
    cv2.rectangle(image, (40, 150), (280, 235), (90, 90, 90), 3)
    if hands:
        swing = round(18 * np.sin(2 * np.pi * 2 * at / RATE))
        for centre in ((130 + swing, 110), (195 - swing, 125)):
            cv2.ellipse(image, centre, (34, 20), 20, 0, 360, skin, -1)
    return image


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`empty.mp4`, `hands.mp4`, `still.mp4` (skin-coloured tiles that never move) and `gloves.mp4`, of three seconds."""
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "empty.mp4", [sink(at, hands=False) for at in range(90)])
    write_video(folder / "hands.mp4", [sink(at, hands=True) for at in range(90)])
    write_video(folder / "still.mp4", [sink(0, hands=True)] * 90)
    write_video(folder / "gloves.mp4", [sink(at, hands=True, skin=(200, 90, 30)) for at in range(90)])
    return folder


def column(features: Features, name: str) -> np.ndarray:
    return features.values[:, features.names.index(name)]


def test_hands_are_in_sight_of_plan_b_and_an_empty_sink_shows_none(clips: Path) -> None:
    found = {name: extract(clips / f"{name}.mp4", "classic") for name in ("empty", "hands", "still", "gloves")}
    assert found["hands"].values.shape[0] == 30
    assert found["hands"].seconds == 3.0
    assert found["hands"].visible_share >= 0.95
    assert found["empty"].visible_share == 0
    assert found["still"].visible_share == 0
    assert found["gloves"].visible_share == 0


def test_plan_b_says_where_the_hands_are_and_how_they_rub(clips: Path) -> None:
    features = extract(clips / "hands.mp4", "classic")
    seen = features.visible > 0
    assert column(features, "region.x")[seen] == pytest.approx(162 / 320, abs=0.03)
    assert column(features, "region.y")[seen] == pytest.approx(118 / 240, abs=0.03)
    assert column(features, "region.parts")[seen].max() == 2
    across = sum(column(features, f"flow.{row}{at}.speed").mean() for row in range(4) for at in range(4))
    empty = extract(clips / "empty.mp4", "classic")
    nothing = sum(column(empty, f"flow.{row}{at}.speed").mean() for row in range(4) for at in range(4))
    assert across > 5 * nothing
    gloves = extract(clips / "gloves.mp4", "classic")
    assert column(gloves, "region.x")[5:].mean() == pytest.approx(162 / 320, abs=0.06)


def test_a_second_run_gives_the_same_bits(clips: Path) -> None:
    assert to_bytes(extract(clips / "hands.mp4", "classic")) == to_bytes(extract(clips / "hands.mp4", "classic"))


def test_a_stream_that_changes_its_size_goes_on() -> None:
    sizes = [(240, 320), (240, 320), (121, 160), (1080, 61), (3, 700)]
    frames = [Frame(n, n / 10, np.full((*size, 3), 9, np.uint8)) for n, size in enumerate(sizes)]
    assert len(load("classic").extract(frames).values) == len(sizes)


@pytest.mark.parametrize("name", sorted(EXTRACTORS))
def test_what_is_no_video_is_said(name: str, tmp_path: Path) -> None:
    weights = pose_model(tmp_path / "pose.onnx") if name == "pose" else None
    (tmp_path / "text.mp4").write_text("no video")
    for path in (tmp_path / "text.mp4", tmp_path / "absent.mp4"):
        with pytest.raises(UnreadableVideo):
            extract(path, name, weights=weights)


def test_a_file_in_which_no_frame_decodes_is_said(clips: Path, tmp_path: Path) -> None:
    data = bytearray((clips / "hands.mp4").read_bytes())
    at = data.find(b"mdat") + 4
    size = int.from_bytes(data[at - 8 : at - 4], "big")
    data[at : at + size - 8] = bytes(size - 8)
    (tmp_path / "hollow.mp4").write_bytes(data)
    with pytest.raises(UnreadableVideo, match="no picture"):
        extract(tmp_path / "hollow.mp4", "classic")


def test_an_unknown_extractor_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="use one of classic, hands, pose"):
        load("hnads")


def test_names_and_versions_are_known_without_the_package(monkeypatch: pytest.MonkeyPatch, clips: Path) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "mediapipe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    hands = load("hands")
    assert (hands.name, hands.version, hands.frames_per_second) == ("hands", "1", 15.0)
    with pytest.raises(ExtractorUnavailable, match="uv sync --extra temporal"):
        extract(clips / "empty.mp4", "hands")


def test_only_the_extractor_asked_for_is_imported() -> None:
    script = (
        "import sys; from libs.vision.extractors.registry import load; load('hands'); load('classic'); "
        "sys.exit('mediapipe' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_plan_b_below_the_share_and_plan_a_from_it_on() -> None:
    assert [choose(share) for share in (0.0, 0.59, 0.6, 1.0)] == ["classic", "classic", "hands", "hands"]
    assert choose(0.5, minimum=0.5) == "hands"
    assert "only 41%" in reason(0.41)
    assert "75%" in reason(0.75)


def test_the_command_writes_the_features_and_nothing_beside_them(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    assert main([str(clips / "hands.mp4"), str(out), "--extractor", "classic"]) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["out.npz"]
    written = from_bytes(out.read_bytes())
    assert np.array_equal(written.values, extract(clips / "hands.mp4", "classic").values)
    assert (written.extractor, written.extractor_version) == ("classic", "1")


def test_the_command_says_what_is_wrong(tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    out = tmp_path / "out.npz"
    assert main([str(tmp_path / "text.mp4"), str(out), "--extractor", "classic"]) == 3
    assert "not a video file" in capsys.readouterr().err
    assert (
        main([str(clips / "empty.mp4"), str(out), "--extractor", "pose", "--weights", str(tmp_path / "no.onnx")]) == 4
    )
    assert "put it into the folder of weights" in capsys.readouterr().err
    assert not out.exists()


def test_a_child_is_told_of_a_bad_video_without_an_error(tmp_path: Path, clips: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    told = extract_to_file(str(tmp_path / "text.mp4"), str(tmp_path / "out.npz"), "classic")
    assert "not a video file" in str(told["unreadable"])
    told = extract_to_file(str(clips / "hands.mp4"), str(tmp_path / "out.npz"), "classic")
    assert told["unreadable"] is None
    assert (told["rows"], told["seconds"], told["extractor"]) == (30, 3.0, "classic")


# --- pose: a graph that answers the same people whatever it sees, in the layout of Ultralytics' export


def person(centre: tuple[float, float], *, confidence: float, hidden: tuple[int, ...] = ()) -> np.ndarray:
    """One column of the output, in pixels of a 64x64 input: points on a ring round the centre."""
    turns = np.arange(len(COCO_POINTS)) / len(COCO_POINTS) * 2 * np.pi
    points = np.stack([centre[0] + 8 * np.cos(turns), centre[1] + 8 * np.sin(turns), np.full(17, 0.9)], axis=1)
    points[list(hidden), 2] = 0.1
    return np.concatenate([[*centre, 20, 20, confidence], points.ravel()])


def pose_model(path: Path, *people: np.ndarray, rows: int = 56) -> Path:
    """An ONNX file that gives these candidates for any picture; it adds nought times the picture, so that it reads it."""
    candidates = np.stack([*people, np.zeros(rows)], axis=1)[None].astype(np.float32)
    constant = numpy_helper.from_array(candidates, "candidates")
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["candidates", "nothing"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(candidates.shape))],
        [constant, zero],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def still(count: int) -> list[Frame]:
    return [Frame(n, n / 10, np.zeros((32, 64, 3), np.uint8)) for n in range(count)]


def test_the_surest_person_is_read_in_shoulder_widths(tmp_path: Path) -> None:
    path = pose_model(
        tmp_path / "pose.onnx",
        person((20, 32), confidence=0.6, hidden=(9,)),
        person((40, 32), confidence=0.9, hidden=(10, 15)),
        person((50, 20), confidence=0.1),
    )
    features = PoseExtractor(path).extract(still(4))
    assert features.names[:2] == ("body.nose.x", "body.nose.y")
    assert features.values.shape == (4, 17 * 8)
    assert features.visible.tolist() == pytest.approx([5 / 6] * 4)
    turns = np.array([5, 6, 7]) / 17 * 2 * np.pi
    left, right, elbow = (np.array([np.cos(t), np.sin(t)]) for t in turns)
    expected = (elbow - (left + right) / 2) / np.linalg.norm(right - left)
    at = features.names.index("body.elbow_l.x")
    assert features.values[0, at : at + 2] == pytest.approx(expected, abs=1e-5)
    assert features.values[:, features.names.index("body.wrist_r.speed")].tolist() == [0] * 4


def test_nobody_is_a_mask(tmp_path: Path) -> None:
    features = PoseExtractor(pose_model(tmp_path / "pose.onnx", person((32, 32), confidence=0.1))).extract(still(3))
    assert features.visible_share == 0
    assert not features.values.any()


def test_other_weights_are_another_version(tmp_path: Path) -> None:
    one = PoseExtractor(pose_model(tmp_path / "one.onnx", person((32, 32), confidence=0.9)))
    other = PoseExtractor(pose_model(tmp_path / "other.onnx", person((31, 32), confidence=0.9)))
    assert one.version != other.version


def test_weights_that_can_not_be_used_are_said(tmp_path: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match="none is named"):
        load("pose")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ExtractorUnavailable, match=r"text\.onnx can't be used"):
        load("pose", tmp_path / "text.onnx").extract(still(1))
    with pytest.raises(ExtractorUnavailable, match="no YOLOv8-Pose export"):
        load("pose", pose_model(tmp_path / "detector.onnx", rows=84)).extract(still(1))
