"""What an upload is, told by its bytes."""

import struct

import cv2
import numpy as np
import pytest

from libs.common.errors import Permanent
from services.ingest.vision import inspect

GREY = np.full((20, 30, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("extension", "content_type"),
    [(".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp"), (".bmp", "image/bmp")],
)
def test_four_kinds_are_taken(extension: str, content_type: str) -> None:
    data = cv2.imencode(extension, GREY)[1].tobytes()
    picture = inspect(data, max_pixels=600)
    assert (picture.content_type, picture.width, picture.height, picture.bytes) == (content_type, 30, 20, len(data))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"%PDF-1.4", "a PDF document"),
        (b"<svg xmlns='x'/>", "an SVG drawing"),
        (b"GIF89a" + bytes(20), "a GIF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(4), "ends inside its header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 60_000, 60_000) + bytes(9), "60000x60000 pixels"),
    ],
)
def test_anything_else_is_refused_with_what_it_is_and_what_is_taken(data: bytes, told: str) -> None:
    with pytest.raises(Permanent, match=told) as refused:
        inspect(data, max_pixels=50_000_000)
    assert "JPEG, PNG, WebP or BMP" in str(refused.value)
