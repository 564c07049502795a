import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image as PillowImage

from libs.vision.hashing import difference_hash, hamming, perceptual_hash
from libs.vision.quality import Image


def picture(seed: int, width: int = 320, height: int = 240) -> Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 320), (417, 233), (64, 64), (32, 32)])
def test_bits_are_those_of_imagehash(width: int, height: int):
    for seed in range(8):
        image = picture(seed, width, height)
        pillow = PillowImage.fromarray(image[:, :, ::-1])
        assert hamming(perceptual_hash(image), int(str(imagehash.phash(pillow)), 16)) == 0
        assert hamming(difference_hash(image), int(str(imagehash.dhash(pillow)), 16)) == 0


def test_a_hash_fits_a_signed_bigint_and_uses_its_sign():
    hashes = [each(picture(seed)) for seed in range(20) for each in (perceptual_hash, difference_hash)]
    assert all(-(2**63) <= each < 2**63 for each in hashes)
    assert len(set(hashes)) == 40
    assert {each < 0 for each in hashes} == {True, False}


def test_edits_stay_near_and_other_pictures_far():
    original = picture(1)
    smaller = cv2.resize(original, (160, 120), interpolation=cv2.INTER_AREA)
    brighter = np.clip(original.astype(int) + 20, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", original, [cv2.IMWRITE_JPEG_QUALITY, 40])
    edits = [smaller, brighter, cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.GaussianBlur(original, (0, 0), 2)]
    assert max(hamming(perceptual_hash(original), perceptual_hash(each.astype(np.uint8))) for each in edits) <= 4
    assert min(hamming(perceptual_hash(original), perceptual_hash(picture(seed))) for seed in range(2, 12)) >= 16


def test_a_plain_surface_has_one_stable_hash():
    hashes = {perceptual_hash(np.full((50, 70, 3), level, np.uint8)) for level in (10, 11, 128, 255)}
    assert len(hashes) == 1


def test_distance_takes_signed_and_unsigned_alike():
    assert hamming(-1, 0) == 64
    assert hamming(-1, 2**64 - 1) == 0
    assert hamming(0b1011, 0b0001) == 2
