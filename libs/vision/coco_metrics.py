"""Average precision by the COCO protocol, computed by faster-coco-eval: the numbers that can be compared with published ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

COCO_NUMBERS = (
    "AP",
    "AP50",
    "AP75",
    "APsmall",
    "APmedium",
    "APlarge",
    "AR1",
    "AR10",
    "AR100",
    "ARsmall",
    "ARmedium",
    "ARlarge",
)
_ALL_AREAS, _HUNDRED_DETECTIONS, _IOU_50 = 0, 2, 0

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Of one category; None where the ground truth has no box of it."""

    ap50: float | None
    ap50_95: float | None


@dataclass(frozen=True, slots=True)
class CocoScores:
    """The twelve numbers by their usual names (None where nothing can be judged), and the parts by category id."""

    summary: dict[str, float | None]
    per_category: dict[int, AveragePrecision]


def coco_summary(ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The twelve COCO numbers, AP to ARlarge, each 0..1 or None where there is no ground truth for it."""
    return coco_scores(ground_truth, detections).summary


def coco_scores(ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> CocoScores:
    """Judge detections (COCO result records) by a COCO ground truth of `images`, `categories` and `annotations`.

    Boxes are xywh; a missing `area` is that of the box, a missing `iscrowd` is 0. The inputs are not changed.
    """
    categories = [int(each["id"]) for each in ground_truth["categories"]]
    if not ground_truth["annotations"] or not categories:
        nothing = AveragePrecision(ap50=None, ap50_95=None)
        return CocoScores(dict.fromkeys(COCO_NUMBERS), dict.fromkeys(categories, nothing))
    truth = COCO(_completed(ground_truth))
    judge = COCOeval_faster(truth, truth.loadRes([dict(each) for each in detections]), iouType="bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    summary = {name: _known(value) for name, value in zip(COCO_NUMBERS, judge.stats[:12], strict=True)}
    precision = np.asarray(judge.eval["precision"])[:, :, :, _ALL_AREAS, _HUNDRED_DETECTIONS]
    ids = [int(each) for each in judge.params.catIds]
    return CocoScores(summary, {each: _average(precision[:, :, at]) for at, each in enumerate(ids)})


def _average(precision: NDArray[np.float64]) -> AveragePrecision:
    """From precision [IoU thresholds, recall thresholds] of one category; -1 stands for no ground truth."""
    if not (precision > -1).any():
        return AveragePrecision(ap50=None, ap50_95=None)
    return AveragePrecision(ap50=float(precision[_IOU_50].mean()), ap50_95=float(precision.mean()))


def _known(value: float) -> float | None:
    return None if value < 0 else float(value)


def _completed(ground_truth: Mapping[str, Any]) -> Record:
    # Ids are given anew from 1: an annotation with the id 0 would count as never found.
    annotations = [
        {"iscrowd": 0, "area": float(each["bbox"][2]) * float(each["bbox"][3]), **each, "id": number}
        for number, each in enumerate(ground_truth["annotations"], start=1)
    ]
    return {
        "images": list(ground_truth["images"]),
        "categories": list(ground_truth["categories"]),
        "annotations": annotations,
    }
