import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from libs.vision.quality import Image, UndecodableImage, decode_image, measure, sniff


def scene(width: int = 64, height: int = 48) -> Image:
    """A smooth coloured picture whose left half is red and right half blue, brighter towards the top."""
    light = np.linspace(250, 60, height)[:, None] * np.ones((1, width))
    picture = np.zeros((height, width, 3))
    picture[:, : width // 2, 2] = light[:, : width // 2]
    picture[:, width // 2 :, 0] = light[:, width // 2 :]
    return picture.astype(np.uint8)


def encoded(image: Image, suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


def by_pillow(image: Image, kind: str, mode: str = "RGB", orientation: int | None = None) -> bytes:
    picture = PillowImage.fromarray(image[:, :, ::-1]).convert(mode)
    exif = picture.getexif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "content_type"),
    [(".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp"), (".bmp", "image/bmp")],
)
def test_every_accepted_kind_is_told_by_its_content(suffix: str, content_type: str):
    data = encoded(scene(), suffix)
    header, decoded = sniff(data), decode_image(data)
    assert (header.content_type, header.width, header.height) == (content_type, 64, 48)
    assert (decoded.content_type, decoded.width, decoded.height) == (content_type, 64, 48)
    assert np.abs(decoded.image.astype(int) - scene()).mean() < 6


@pytest.mark.parametrize("quality", [10, 90, 101])
def test_lossy_lossless_and_extended_webp_have_readable_headers(quality: int):
    done, data = cv2.imencode(".webp", scene(33, 21), [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert done
    assert (sniff(data.tobytes()).width, sniff(data.tobytes()).height) == (33, 21)
    extended = by_pillow(scene(33, 21), "WEBP", "RGBA", orientation=1)
    assert (sniff(extended).width, sniff(extended).height) == (33, 21)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_rotation_is_applied(kind: str):
    decoded = decode_image(by_pillow(scene(), kind, orientation=6))  # shown after a quarter turn clockwise
    assert (decoded.width, decoded.height) == (48, 64)
    expected = np.rot90(scene(), -1).astype(int)
    assert np.abs(decoded.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "1")])
def test_other_colour_models_become_eight_bit_bgr(kind: str, mode: str):
    decoded = decode_image(by_pillow(scene(), kind, mode))
    assert decoded.image.shape == (48, 64, 3)
    assert decoded.image.dtype == np.uint8
    reference = np.asarray(PillowImage.open(io.BytesIO(by_pillow(scene(), kind, mode))).convert("RGB"))[:, :, ::-1]
    assert np.abs(decoded.image.astype(int) - reference).mean() < 6


def test_sixteen_bits_become_eight():
    done, data = cv2.imencode(".png", scene().astype(np.uint16) * 257)
    assert done
    np.testing.assert_array_equal(decode_image(data.tobytes()).image, scene())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(60), "ZIP"),
        (b"GIF89a" + bytes(60), "GIF"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<html></html>", "markup"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(30), "HEIC"),
        (bytes(100), "unknown kind"),
        (b"\xff\xd8\xff", "header"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\x00\x00", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "header"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X", "header"),
        (b"BM" + bytes(10), "header"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(data: bytes, words: str):
    with pytest.raises(UndecodableImage, match=words) as caught:
        decode_image(data)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_cut_file_is_refused(suffix: str, share: float):
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    data = encoded(noise, suffix)
    with pytest.raises(UndecodableImage):
        decode_image(data[: int(len(data) * share)])


def test_the_end_mark_of_an_exif_thumbnail_does_not_make_a_cut_jpeg_whole():
    thumbnail = encoded(scene(16, 12), ".jpg")
    exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = encoded(scene(), ".jpg")
    with_thumbnail = whole[:2] + exif + whole[2:]
    assert decode_image(with_thumbnail).width == 64
    with pytest.raises(UndecodableImage, match="cut off"):
        decode_image(with_thumbnail[:-40])


def test_a_decompression_bomb_is_refused_by_its_header():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(UndecodableImage, match="60000x60000"):
        decode_image(bomb)


def test_limits_are_those_asked_for():
    data = encoded(scene(), ".png")
    assert decode_image(data, max_pixels=64 * 48).width == 64
    with pytest.raises(UndecodableImage, match="64x48"):
        decode_image(data, max_pixels=64 * 48 - 1)
    with pytest.raises(UndecodableImage, match="bytes"):
        decode_image(data, max_bytes=len(data) - 1)


def test_measures_of_a_plain_surface():
    measures = measure(np.full((90, 160, 3), 200, np.uint8))
    assert measures.as_dict() == {
        "width": 160,
        "height": 90,
        "sharpness": 0.0,
        "brightness": 200.0,
        "contrast": 0.0,
        "dark_share": 0.0,
        "bright_share": 0.0,
    }


def test_dark_and_bright_shares_count_pixels():
    picture = np.full((10, 10), 100, np.uint8)
    picture[:3], picture[9:] = 15, 240
    measures = measure(picture)
    assert (measures.dark_share, measures.bright_share) == pytest.approx((0.3, 0.1))
    assert measures.brightness == pytest.approx(0.3 * 15 + 0.6 * 100 + 0.1 * 240)


def test_sharpness_is_the_variance_of_the_laplacian():
    picture = np.random.default_rng(2).integers(0, 255, (40, 60), dtype=np.uint8)
    padded = np.pad(picture.astype(float), 1, mode="reflect")
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4.0 * picture
    assert measure(picture).sharpness == pytest.approx(laplacian.var(), rel=1e-6)


def test_blur_lowers_sharpness_and_resolution_hardly_matters():
    rng = np.random.default_rng(3)
    picture = cv2.resize(
        rng.integers(0, 255, (24, 32, 3), dtype=np.uint8), (1280, 960), interpolation=cv2.INTER_NEAREST
    )
    half = cv2.resize(picture, (640, 480), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(picture, (0, 0), 25)
    assert measure(half).sharpness == pytest.approx(measure(picture).sharpness, rel=0.05)
    assert measure(blurred).sharpness < measure(picture).sharpness / 100
