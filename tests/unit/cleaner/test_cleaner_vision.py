"""What the cleaner sees in stored bytes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from libs.common.testing import FakeObjects, media
from services.cleaner.domain.samples import Seen, Unreadable
from services.cleaner.vision import look_at, see
from tests.support.hostile.in_process import InProcess

LIMITS: Any = SimpleNamespace(maximum_image_bytes=100_000, maximum_pixels=10_000)


def test_a_picture_is_measured_and_hashed(picture: Callable[..., bytes]) -> None:
    seen = see(picture(1), LIMITS)
    assert isinstance(seen, Seen)
    assert (seen.width, seen.height, seen.content_type) == (96, 72, "image/jpeg")
    assert seen.measures.keys() >= {"sharpness", "brightness", "contrast", "dark_share", "bright_share"}


def test_the_content_type_is_that_of_the_content() -> None:
    png = cv2.imencode(".png", np.full((20, 30, 3), 90, np.uint8))[1].tobytes()
    seen = see(png, LIMITS)
    assert isinstance(seen, Seen)
    assert seen.content_type == "image/png"


def test_too_many_pixels_are_never_decoded(picture: Callable[..., bytes]) -> None:
    seen = see(picture(1, width=200, height=100), LIMITS)
    assert isinstance(seen, Unreadable)
    assert "200x100" in seen.detail


async def test_too_many_bytes_are_never_fetched() -> None:
    seen = await look_at(media(bytes=100_001), FakeObjects(), LIMITS, InProcess())  # type: ignore[arg-type]
    assert seen == Unreadable("The file has 100001 bytes, more than the 100000 allowed")
