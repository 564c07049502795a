"""The pure parts: perceptual hash against ImageHash, average precision against pycocotools, interleaved in one run."""

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import cv2
import imagehash
import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.rows import Row, at_least, middle
from libs.vision.coco_metrics import coco_summary
from libs.vision.hashing import perceptual_hash
from libs.vision.quality import decode_image, grey, measure

ROUNDS = 3


def rows() -> list[Row]:
    """Every measurement of this file."""
    pictures = made_pictures(200)
    truth, detections = _scenes(images=200, boxes=100)
    return [
        _compare("cleaner: decode, measure, hash / decode and pHash by ImageHash, 200 JPEG of 640x480",
                 lambda: _clean(pictures), lambda: _image_hash(pictures), goal=1.0),
        _compare("evaluator: 12 COCO numbers / pycocotools, 200 images of 100 boxes",
                 lambda: coco_summary(truth, detections), lambda: _pycocotools(truth, detections), goal=10.0),
    ]  # fmt: skip


def _compare(what: str, ours: Callable[[], object], other: Callable[[], object], *, goal: float) -> Row:
    pairs = [(_seconds(ours), _seconds(other)) for _ in range(ROUNDS)]
    mine, theirs = middle([a for a, _ in pairs]), middle([b for _, b in pairs])
    return at_least(what, f"{mine:.3f} s", f"{theirs:.3f} s", theirs / mine, goal)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def made_pictures(count: int) -> list[bytes]:
    """JPEG files of 640x480, each like no other."""
    dice = np.random.default_rng(0)
    coarse = (dice.integers(0, 255, (12, 16, 3), dtype=np.uint8) for _ in range(count))
    large = (cv2.resize(image, (640, 480), interpolation=cv2.INTER_CUBIC) for image in coarse)
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in large]


def _clean(pictures: list[bytes]) -> None:
    for data in pictures:
        shade = grey(decode_image(data).image)
        measure(shade)
        perceptual_hash(shade)


def _image_hash(pictures: list[bytes]) -> None:
    for data in pictures:
        imagehash.phash(Image.open(io.BytesIO(data)))


def _scenes(*, images: int, boxes: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    dice = np.random.default_rng(0)
    corners = dice.uniform(0, 500, (images * boxes, 2))
    sizes = dice.uniform(10, 120, (images * boxes, 2))
    noise = dice.normal(0, 4, (images * boxes, 4))
    annotations = [
        {"id": n + 1, "image_id": n // boxes + 1, "category_id": n % 3 + 1, "bbox": [*corners[n], *sizes[n]],
         "area": float(sizes[n].prod()), "iscrowd": 0}
        for n in range(images * boxes)
    ]  # fmt: skip
    detections = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": float(dice.uniform()),
         "bbox": [float(v) for v in np.array(a["bbox"]) + noise[n]]}
        for n, a in enumerate(annotations)
    ]  # fmt: skip
    sides = [{"id": n + 1, "width": 640, "height": 640} for n in range(images)]
    categories = [{"id": n + 1, "name": str(n)} for n in range(3)]
    return {"images": sides, "annotations": annotations, "categories": categories}, detections


def _pycocotools(truth: dict[str, Any], detections: list[dict[str, Any]]) -> None:
    with redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = truth
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes([dict(each) for each in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
