"""Resampling: the fast count equals the COCO protocol, and intervals say what they should."""

from collections.abc import Sequence

import numpy as np
import pytest

from libs.vision.boxes import Annotation, Detection
from libs.vision.detection_metrics import EvaluatedImage, evaluate_detections
from services.evaluator.domain.bootstrap import difference_interval, drawn_weights
from services.evaluator.domain.detection_tally import f1_of, map50_of
from services.evaluator.vision.pictures import operating_points, tally_of

CLASSES = ("a", "b", "c")


def random_images(seed: int, *, skill: float = 0.8, images: int = 12) -> list[EvaluatedImage]:
    """Up to 5 boxes each on a grid, found with probability `skill`, with false alarms and mistaken labels."""
    world, model = np.random.default_rng(5), np.random.default_rng(seed)
    found: list[EvaluatedImage] = []
    for number in range(images):
        truth = [_annotation(cell, str(world.choice(["a", "b"]))) for cell in range(int(world.integers(0, 6)))]
        said = [_detection(each, model) for each in truth if model.random() < skill]
        said += [Detection("b", (300.0 + 9 * k, 0, 310 + 9 * k, 9), float(model.random())) for k in range(3)]
        found.append(EvaluatedImage(f"{number:03}", "line-1", tuple(truth), tuple(said)))
    return found


def _annotation(cell: int, label: str) -> Annotation:
    return Annotation(label, (cell * 50.0, 0.0, cell * 50.0 + 40, 40.0))


def _detection(truth: Annotation, model: np.random.Generator) -> Detection:
    label = truth.label if model.random() < 0.85 else "b"
    x1, y1, x2, y2 = truth.box
    shift = float(model.normal(0, 4))
    return Detection(label, (x1 + shift, y1, x2 + shift, y2), round(float(model.random()), 2))


@pytest.mark.parametrize("seed", range(6))
def test_with_every_image_drawn_once_it_is_the_metric_itself(seed: int) -> None:
    images = random_images(seed)
    metrics = evaluate_detections(images, CLASSES)
    tally = tally_of(images, CLASSES, metrics.operating_confidence)
    once = np.ones((1, len(images)))
    assert map50_of(tally, once)[0] == pytest.approx(metrics.map50)
    assert f1_of(tally, once)[0] == pytest.approx(metrics.f1)


@pytest.mark.parametrize("seed", range(4))
def test_a_replicate_equals_judging_the_drawn_images_as_they_are(seed: int) -> None:
    images = random_images(seed)
    operating = evaluate_detections(images, CLASSES).operating_confidence
    weights = drawn_weights(len(images), seed=seed, replicates=5)
    map50, f1 = (of(tally_of(images, CLASSES, operating), weights) for of in (map50_of, f1_of))
    for row, fast_map50, fast_f1 in zip(weights.astype(int), map50, f1, strict=True):
        slow = evaluate_detections(_drawn(images, row), CLASSES, operating=operating)
        assert fast_map50 == pytest.approx(slow.map50)
        assert fast_f1 == pytest.approx(slow.f1)


def _drawn(images: Sequence[EvaluatedImage], counts: Sequence[int]) -> list[EvaluatedImage]:
    return [
        EvaluatedImage(f"{image.image_id}-{copy}", image.camera_id, image.truth, image.detections)
        for image, count in zip(images, counts, strict=True)
        for copy in range(count)
    ]


def test_a_clearly_better_model_has_an_interval_above_zero_and_equals_have_one_around_it() -> None:
    weights = drawn_weights(60, seed=1)
    good, poor, twin = (
        map50_of(tally_of(images, CLASSES, dict.fromkeys(CLASSES, 0.5)), weights)
        for images in (
            random_images(1, skill=0.95, images=60),
            random_images(2, skill=0.4, images=60),
            random_images(3, skill=0.95, images=60),
        )
    )
    better, same = difference_interval(good, poor), difference_interval(good, twin)
    assert better is not None
    assert better.low > 0.1
    assert same is not None
    assert same.low < 0 < same.high


def test_the_same_seed_gives_the_same_interval() -> None:
    assert np.array_equal(drawn_weights(9, seed=3), drawn_weights(9, seed=3))
    assert not np.array_equal(drawn_weights(9, seed=3), drawn_weights(9, seed=4))
    assert (drawn_weights(9, seed=3).sum(axis=1) == 9).all()


def test_without_annotations_there_is_no_interval() -> None:
    images = [EvaluatedImage("1", "line-1", (), (Detection("a", (0, 0, 9, 9), 0.9),))]
    weights = drawn_weights(1, seed=1)
    nothing = map50_of(tally_of(images, CLASSES, dict.fromkeys(CLASSES, 0.5)), weights)
    assert difference_interval(nothing, nothing) is None


def test_a_silent_model_scores_zero() -> None:
    images = [EvaluatedImage("1", "line-1", (_annotation(0, "a"),), ())]
    tally = tally_of(images, CLASSES, dict.fromkeys(CLASSES, 0.5))
    assert map50_of(tally, np.ones((1, 1)))[0] == 0
    assert f1_of(tally, np.ones((1, 1)))[0] == 0


@pytest.mark.parametrize("seed", range(4))
def test_working_confidences_are_those_of_the_full_evaluation_for_classes_that_are_shown(seed: int) -> None:
    images = random_images(seed)
    full = evaluate_detections(images, CLASSES).operating_confidence
    assert operating_points(images, CLASSES) == {"a": full["a"], "b": full["b"]}
