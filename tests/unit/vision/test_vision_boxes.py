import math

import numpy as np
import pytest

from libs.vision.boxes import (
    Box,
    clip_box,
    cxcywh_to_xyxy,
    iou_matrix,
    letterbox_geometry,
    valid_box,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)


def test_iou_of_known_pairs():
    a: list[Box] = [(0, 0, 10, 10), (0, 0, 4, 4), (5, 5, 5, 5)]
    b: list[Box] = [(0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30), (5, 5, 5, 5)]
    expected = [[1, 50 / 150, 0, 0], [16 / 100, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(iou_matrix(a, b), expected)


def test_iou_of_nothing_has_the_right_shape():
    assert iou_matrix([], [(0, 0, 1, 1)]).shape == (0, 1)
    assert iou_matrix([(0, 0, 1, 1)], []).shape == (1, 0)


@pytest.mark.parametrize(
    ("box", "valid"),
    [
        ((0, 0, 10, 10), True),
        ((-5, -5, 5, 5), True),
        ((3, 3, 3, 9), False),
        ((9, 9, 3, 3), False),
        ((20, 0, 30, 10), False),
        ((0, 0, math.nan, 5), False),
        ((0, 0, math.inf, 5), False),
    ],
)
def test_a_box_is_valid_if_some_of_it_is_inside(box: Box, valid: bool):
    assert valid_box(box, 12, 12) is valid


def test_clipping_keeps_what_is_inside():
    assert clip_box((-5, 2, 30, 8), 20, 10) == (0, 2, 20, 8)


def test_other_orders_and_back():
    assert xywh_to_xyxy((10, 20, 5, 6)) == (10, 20, 15, 26)
    assert xyxy_to_xywh((10, 20, 15, 26)) == (10, 20, 5, 6)
    assert cxcywh_to_xyxy((0.5, 0.5, 0.25, 0.5), 200, 100) == (75, 25, 125, 75)
    assert xyxy_to_cxcywh((75, 25, 125, 75), 200, 100) == (0.5, 0.5, 0.25, 0.5)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (1.0, 640, 480, 0, 80)),
        (480, 640, (1.0, 480, 640, 80, 0)),
        (1920, 1080, (1 / 3, 640, 360, 0, 140)),
        (641, 480, (640 / 641, 640, 479, 0, 80)),  # one pixel of padding more below than above
        (4000, 3, (0.16, 640, 1, 0, 319)),
    ],
)
def test_letterbox_centres_the_largest_copy(width: int, height: int, expected: tuple[float, int, int, int, int]):
    geometry = letterbox_geometry(width, height, 640, 640)
    found = (geometry.scale, geometry.width, geometry.height, geometry.left, geometry.top)
    assert found == pytest.approx(expected)


def test_letterbox_maps_there_and_back():
    geometry = letterbox_geometry(1000, 333, 640, 416)
    box = (12.5, 30.25, 800.0, 300.75)
    assert geometry.to_image(geometry.to_model(box)) == pytest.approx(box, abs=1e-9)
    assert geometry.to_model((0, 0, 1000, 333)) == pytest.approx((0, 101, 640, 101 + 333 * 0.64))
