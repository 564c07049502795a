import itertools
import json

import numpy as np
import pytest

from libs.vision.boxes import Annotation, Box, Detection
from libs.vision.curves import CURVE_POINTS, operating_confidence, precision_recall, thinned
from libs.vision.detection_metrics import DetectionMetrics, EvaluatedImage, coco_summary, evaluate_detections
from libs.vision.matching import match_image

LEFT: Box = (0, 0, 10, 10)
RIGHT: Box = (50, 0, 60, 10)
FAR: Box = (200, 200, 240, 240)


def image(
    name: str, truth: list[tuple[str, Box]], said: list[tuple[str, Box, float]], camera: str = "line-1"
) -> EvaluatedImage:
    return EvaluatedImage(
        image_id=name,
        camera_id=camera,
        truth=tuple(Annotation(label, box) for label, box in truth),
        detections=tuple(Detection(label, box, confidence) for label, box, confidence in said),
    )


def scattered(images: int = 30, seed: int = 0) -> list[EvaluatedImage]:
    """Truth of two classes, found with jitter, some missed, some of the wrong class, and noise."""
    rng = np.random.default_rng(seed)
    found: list[EvaluatedImage] = []
    for number in range(images):
        truth: list[tuple[str, Box]] = []
        said: list[tuple[str, Box, float]] = []
        for _ in range(rng.integers(0, 6)):
            x, y, w, h = rng.uniform((0, 0, 20, 20), (500, 300, 120, 120))
            label = "ab"[rng.integers(2)]
            truth.append((label, (x, y, x + w, y + h)))
            if rng.random() < 0.8:
                dx, dy = rng.normal(0, 5, 2)
                other = label if rng.random() < 0.9 else "ab"[label == "a"]
                said.append((other, (x + dx, y + dy, x + w + dx, y + h + dy), float(rng.uniform(0.3, 1))))
        for _ in range(rng.integers(0, 3)):
            x, y = rng.uniform(0, 400, 2)
            said.append(("ab"[rng.integers(2)], (x, y, x + 60, y + 60), float(rng.uniform(0.0, 0.6))))
        found.append(image(f"i{number}", truth, said, camera=f"line-{number % 3}"))
    return found


def test_one_hit_one_miss_one_false_alarm():
    given = [
        image("one", [("a", LEFT), ("b", RIGHT)], [("a", LEFT, 0.9)]),
        image("two", [], [("a", FAR, 0.8)], camera="line-2"),
        image("three", [("a", LEFT)], [("a", LEFT, 0.7)], camera="line-2"),
    ]
    metrics = evaluate_detections(given, ["a", "b", "c"])
    assert metrics.operating_confidence["a"] == pytest.approx(0.35)  # halfway between the last detection and none
    assert (metrics.precision, metrics.recall, metrics.f1) == pytest.approx((2 / 3, 2 / 3, 4 / 6))
    a = metrics.per_class["a"]
    assert (a.precision, a.recall, a.f1, a.n_truth, a.n_detections) == pytest.approx((2 / 3, 1.0, 4 / 5, 2, 3))
    # Precision is 1 up to recall .5 (51 of 101 points), then 2/3.
    assert a.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert (metrics.per_class["b"].ap50, metrics.per_class["b"].recall) == (0.0, 0.0)
    assert metrics.per_class["c"].ap50 is None
    assert metrics.map50 == pytest.approx(a.ap50 / 2)  # b counts as 0, c not at all


def test_cameras_are_judged_apart_at_the_same_confidence():
    given = [
        image("one", [("a", LEFT)], [("a", LEFT, 0.9)], camera="line-1"),
        image("two", [("a", LEFT)], [("a", FAR, 0.8)], camera="line-2"),
        image("three", [], [], camera="line-3"),
    ]
    cameras = evaluate_detections(given, ["a"]).per_camera
    assert (cameras["line-1"].map50, cameras["line-1"].f1) == (1.0, 1.0)
    assert (cameras["line-2"].map50, cameras["line-2"].f1) == (0.0, 0.0)
    assert (cameras["line-3"].map50, cameras["line-3"].f1, cameras["line-3"].n_images) == (None, None, 1)


def test_the_confusion_matrix_says_what_was_taken_for_what():
    given = [
        image("one", [("a", LEFT), ("b", RIGHT)], [("a", LEFT, 0.9), ("a", RIGHT, 0.8), ("b", FAR, 0.7)]),
        image("two", [("b", LEFT)], [("b", FAR, 0.1)]),
    ]
    metrics = evaluate_detections(given, ["a", "b"], operating={"a": 0.5, "b": 0.5})
    assert metrics.confusion.labels == ("a", "b", "background")
    assert metrics.confusion.counts == ((1, 0, 0), (1, 0, 1), (0, 1, 0))
    kinds = [(each.kind, each.image_id, each.label, each.said, each.score) for each in metrics.worst]
    assert kinds == [
        ("missed", "two", "b", None, 1.0),
        ("confused", "one", "b", "a", 0.8),
        ("false", "one", None, "b", 0.7),
    ]


def test_a_miss_is_less_bad_where_the_model_had_an_inkling():
    given = [image("one", [("a", LEFT), ("a", FAR)], [("a", LEFT, 0.3)])]
    metrics = evaluate_detections(given, ["a"], operating={"a": 0.5})
    assert [(each.box, each.score) for each in metrics.worst] == [(FAR, 1.0), (LEFT, 0.7)]
    assert evaluate_detections(given, ["a"], worst=1).worst[0].box == FAR


def test_right_detections_go_by_label_before_overlap():
    given = image("one", [("a", (0, 0, 10, 10)), ("b", (0, 0, 10, 11))], [("b", (0, 0, 10, 10), 0.9), ("a", LEFT, 0.8)])
    metrics = evaluate_detections([given], ["a", "b"])
    assert metrics.confusion.counts == ((1, 0, 0), (0, 1, 0), (0, 0, 0))


def test_an_annotation_is_found_once_and_by_the_most_confident():
    given = image("one", [("a", LEFT)], [("a", (0, 0, 10, 9), 0.6), ("a", (0, 0, 10, 8), 0.9), ("a", LEFT, 0.3)])
    assert match_image(given).found == {1: 0}


def test_a_detection_takes_the_annotation_it_covers_best():
    near: Box = (2, 0, 12, 10)
    given = image("one", [("a", LEFT), ("a", near)], [("a", (1.5, 0, 11.5, 10), 0.9), ("a", LEFT, 0.8)])
    assert match_image(given).found == {0: 1, 1: 0}


def test_overlap_of_exactly_a_half_counts():
    given = image("one", [("a", (0, 0, 10, 10))], [("a", (0, 0, 10, 5), 0.9)])
    assert match_image(given).found == {0: 0}
    assert match_image(image("two", [("a", (0, 0, 10, 10))], [("a", (0, 0, 10, 4.99), 0.9)])).found == {}


def test_only_a_hundred_detections_of_a_class_count_in_an_image():
    many: list[tuple[str, Box, float]] = [("a", FAR, 0.5) for _ in range(100)]
    assert match_image(image("one", [("a", LEFT)], [*many, ("a", LEFT, 0.4)])).found == {}
    assert match_image(image("two", [("a", LEFT)], [*many[1:], ("a", LEFT, 0.4)])).found == {99: 0}


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], (None, None, None, None)),
        ([image("one", [], [])], (None, None, None, None)),
        ([image("one", [], [("a", LEFT, 0.9)])], (None, 0.0, None, None)),
        ([image("one", [("a", LEFT)], [])], (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_images_without_truth_or_detections_do_not_fail(
    images: list[EvaluatedImage], expected: tuple[float | None, ...]
):
    metrics = evaluate_detections(images, ["a", "b"])
    assert (metrics.map50, metrics.precision, metrics.recall, metrics.f1) == expected
    assert metrics.operating_confidence == {"a": 0.5, "b": 0.5}
    json.dumps(metrics.as_dict(), allow_nan=False)


def test_an_unknown_label_is_refused():
    with pytest.raises(ValueError, match="glove"):
        evaluate_detections([image("one", [("glove", LEFT)], [])], ["a"])


def interpolated(curve_recall: np.ndarray, curve_precision: np.ndarray) -> float:
    """Average precision over 101 recall points, straight from its definition."""
    points = [
        max([p for r, p in zip(curve_recall, curve_precision, strict=True) if r >= point], default=0.0)
        for point in np.linspace(0, 1, 101)
    ]
    return float(np.mean(points))


def test_the_curves_carry_the_average_precision():
    metrics = evaluate_detections(scattered(), ["a", "b"])
    for label, curve in metrics.curves.items():
        ap50 = interpolated(np.array(curve.recall), np.array(curve.precision))
        assert metrics.per_class[label].ap50 == pytest.approx(ap50, abs=1e-9)


def test_the_confusion_matrix_the_rates_and_the_curves_agree():
    metrics = evaluate_detections(scattered(), ["a", "b"], worst=10_000)
    counts = np.array(metrics.confusion.counts)
    for at, label in enumerate("ab"):
        own, curve = metrics.per_class[label], metrics.curves[label]
        assert own.precision == pytest.approx(counts[at, at] / counts[:, at].sum())
        assert own.recall == pytest.approx(counts[at, at] / counts[at].sum())
        assert own.f1 == pytest.approx(max(curve.f1))
    assert metrics.precision == pytest.approx(np.trace(counts) / counts[:, :2].sum())
    assert metrics.recall == pytest.approx(np.trace(counts) / counts[:2].sum())
    assert len(metrics.worst) == counts.sum() - np.trace(counts)
    assert [each.score for each in metrics.worst] == sorted((each.score for each in metrics.worst), reverse=True)


def test_the_order_of_the_images_changes_nothing():
    given = scattered(12)
    assert evaluate_detections(given, ["a", "b"]) == evaluate_detections(given[::-1], ["a", "b"])


def test_the_result_is_json():
    metrics: DetectionMetrics = evaluate_detections(scattered(), ["a", "b"])
    back = json.loads(json.dumps(metrics.as_dict(), allow_nan=False))
    assert back["map50"] == metrics.map50
    assert set(metrics.headline()) == {"map50", "map50_95", "precision", "recall", "f1"}


def test_summary_by_the_reference_implementation():
    coco_api = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(4)
    truth = [
        {
            "id": at + 1,
            "image_id": at % 20,
            "category_id": at % 3,
            "bbox": [*rng.uniform(0, 300, 2), *rng.uniform(5, 150, 2)],
        }
        for at in range(150)
    ]
    said = [
        {
            "image_id": each["image_id"],
            "category_id": each["category_id"],
            "bbox": [value + shift for value, shift in zip(each["bbox"], rng.normal(0, 4, 4), strict=True)],
            "score": float(rng.random()),
        }
        for each in truth
        if rng.random() < 0.8
    ]
    ground = {
        "images": [{"id": at} for at in range(20)],
        "categories": [{"id": at} for at in range(3)],
        "annotations": truth,
    }
    ours = coco_summary(ground, said)
    reference = coco_api.COCO()
    reference.dataset = {
        **ground,
        "annotations": [{**each, "iscrowd": 0, "area": each["bbox"][2] * each["bbox"][3]} for each in truth],
    }
    reference.createIndex()
    judge = evaluation.COCOeval(reference, reference.loadRes([dict(each) for each in said]), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert list(ours.values()) == pytest.approx(judge.stats.tolist(), abs=1e-9)
    assert "area" not in truth[0]  # the inputs are left as they were
    assert "area" not in said[0]


def test_the_operating_confidence_lies_between_what_counts_and_what_does_not():
    curve = precision_recall(np.array([0.9, 0.8, 0.8, 0.2]), np.array([True, True, True, False]), truths=3)
    assert curve.confidence == (0.9, 0.8, 0.2)
    assert curve.f1 == pytest.approx((1 / 2, 1.0, 6 / 7))
    assert operating_confidence(curve) == pytest.approx(0.5)


def test_long_curves_are_thinned_but_keep_their_ends_and_their_best():
    rng = np.random.default_rng(1)
    curve = precision_recall(rng.random(5000), rng.random(5000) < 0.4, truths=2500)
    short = thinned(curve)
    assert len(short.confidence) <= CURVE_POINTS
    assert (short.confidence[0], short.confidence[-1]) == (curve.confidence[0], curve.confidence[-1])
    assert max(short.f1) == max(curve.f1)
    assert all(a > b for a, b in itertools.pairwise(short.confidence))
