"""The extractors on real clips, and on real hands made to cross."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from libs.common.children import run_in_child
from libs.vision.extractors.extracting import extract, extract_to_file
from libs.vision.extractors.fallback import choose
from libs.vision.extractors.hands import HandExtractor
from libs.vision.features import Features, from_bytes, to_bytes
from libs.vision.quality import Image
from libs.vision.sampling import frames_at
from libs.vision.video import Frame, frames

pytestmark = pytest.mark.data

pytest.importorskip("mediapipe", reason="the hand extractor is not installed: uv sync --extra temporal")

CLIPS = ("milk", "thanks", "please", "walk")
CROSSING_MOMENTS = 45


def column(features: Features, name: str) -> NDArray[np.float32]:
    return features.values[:, features.names.index(name)]


@pytest.fixture(scope="module")
def by_hands(shared_data: Path) -> dict[str, Features]:
    """Plan A of every clip."""
    return {name: extract(shared_data / "sign-clips" / f"{name}.mkv", "hands") for name in CLIPS}


def test_hands_are_found_in_most_moments_of_people_who_sign(by_hands: dict[str, Features]) -> None:
    seen = [np.stack([column(each, f"hand{slot}.seen") for slot in (0, 1)]) for each in by_hands.values()]
    moments = np.concatenate([each.sum(axis=0) for each in seen])
    assert len(moments) == 26 + 26 + 37 + 45
    assert (moments > 0).sum() >= 120
    assert (moments == 2).sum() >= 75
    share = sum(float(each.visible.sum()) for each in by_hands.values()) / len(moments)
    assert choose(share) == "hands"


def test_shoulders_and_arms_are_found_too(by_hands: dict[str, Features]) -> None:
    for features in by_hands.values():
        assert column(features, "body.seen").mean() > 0.5
        assert np.ptp(column(features, "body.shoulder_l.x")) < 0.5  # they stand, in shoulder widths


def test_a_second_run_gives_the_same_bits(shared_data: Path, by_hands: dict[str, Features]) -> None:
    again = extract(shared_data / "sign-clips" / "walk.mkv", "hands")
    assert to_bytes(again) == to_bytes(by_hands["walk"])


def test_what_mediapipe_has_to_say_is_not_said_on_stderr(shared_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    HandExtractor().extract(frames_at(shared_data / "sign-clips" / "milk.mkv", 15.0))
    assert capfd.readouterr().err == ""


def hand_of(clip: Path) -> Image:
    """A picture of one whole hand: from the middle of "please", where one lies on the chest."""
    (image,) = (each.image for each in frames(clip) if each.index == 30)
    return cv2.resize(image[155:230, 248:376], None, fx=1.5, fy=1.5).astype(np.uint8, copy=False)


def crossing(hand: Image, *, apart: int) -> Iterator[Frame]:
    """The hand from left to right, its mirror image the other way and `apart` pixels below, over a plain background."""
    height, width = hand.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    radius = np.hypot((columns - width / 2) / (width / 2), (rows - height / 2) / (height / 2))
    opaque = np.clip(3.2 * (1 - radius), 0, 1)[..., None]
    background = np.median(hand.reshape(-1, 3), axis=0)
    for moment in range(CROSSING_MOMENTS):
        picture = np.full((480, 640, 3), background, np.uint8)
        share = moment / (CROSSING_MOMENTS - 1)
        for flip, x, y in ((1, 120 + 400 * share, 240 - apart / 2), (-1, 520 - 400 * share, 240 + apart / 2)):
            left, top = int(x - width / 2), int(y - height / 2)
            under = picture[top : top + height, left : left + width]
            under[:] = (opaque * hand[:, ::flip] + (1 - opaque) * under).astype(np.uint8)
        yield Frame(moment, moment / 15, picture)


@pytest.mark.parametrize("apart", [120, 40])  # beside one another, and one hiding the other
def test_two_real_hands_that_cross_are_told_apart(shared_data: Path, apart: int) -> None:
    hand = hand_of(shared_data / "sign-clips" / "please.mkv")
    features = HandExtractor().extract(crossing(hand, apart=apart))
    assert features.visible_share > 0.9
    heights = [column(features, f"hand{slot}.wrist.y") for slot in (0, 1)]
    across = column(features, "hand0.wrist.x") - column(features, "hand1.wrist.x")
    assert np.sign(across[0]) == -np.sign(across[-1])  # they did cross
    assert abs(np.sign(heights[0] - heights[1]).sum()) == CROSSING_MOMENTS  # and each kept its height


def test_plan_b_sees_moving_skin_in_every_clip(shared_data: Path) -> None:
    for name in CLIPS:
        clip = shared_data / "sign-clips" / f"{name}.mkv"
        features = extract(clip, "classic")
        assert features.visible_share > 0.8
        assert to_bytes(features) == to_bytes(extract(clip, "classic"))


@pytest.mark.parametrize("extractor", ["hands", "classic"])
async def test_a_child_process_does_it_too(shared_data: Path, tmp_path: Path, extractor: str) -> None:
    clip, out = shared_data / "sign-clips" / "please.mkv", tmp_path / "out.npz"
    told = await run_in_child(extract_to_file, str(clip), str(out), extractor, None)
    assert (told["unreadable"], told["extractor"]) == (None, extractor)
    assert to_bytes(from_bytes(out.read_bytes())) == out.read_bytes() == to_bytes(extract(clip, extractor))


def test_a_long_clip_of_a_camera_has_a_row_for_every_moment(shared_data: Path) -> None:
    features = extract(shared_data / "camera-clips" / "one-by-one-person-detection.mp4", "classic")
    assert features.values.shape[0] == 1394
    assert 0.2 < features.visible_share < 0.9  # people come and go, with bare faces
