import numpy as np
import pytest

from libs.vision.drawing import COLOURS, DrawnBox, Role, draw_boxes, encode_jpeg
from libs.vision.quality import decode_image


@pytest.mark.parametrize("role", COLOURS)
def test_a_box_is_drawn_in_its_colour_on_a_copy(role: Role):
    picture = np.full((200, 300, 3), 128, np.uint8)
    drawn = draw_boxes(picture, [DrawnBox((50, 80, 150, 180), "no_hairnet 0.87", role)])
    assert tuple(drawn[130, 50].tolist()) == COLOURS[role]
    assert tuple(drawn[130, 100].tolist()) == (128, 128, 128)
    assert (drawn[60:80, 50:150] == 255).any()  # the white words stand above the box
    assert (picture == 128).all()


def test_words_stay_inside_where_the_box_touches_the_border():
    picture = np.full((100, 100, 3), 128, np.uint8)
    drawn = draw_boxes(
        picture, [DrawnBox((60, 0, 100, 40), "发网 hairnet", "false"), DrawnBox((-5, -5, 3, 3), "", "truth")]
    )
    assert (drawn[0:20] == 255).any()


def test_an_image_becomes_jpeg():
    decoded = decode_image(encode_jpeg(np.full((20, 30, 3), 77, np.uint8)))
    assert (decoded.content_type, decoded.width, decoded.height) == ("image/jpeg", 30, 20)
    assert abs(float(decoded.image.mean()) - 77) < 2
