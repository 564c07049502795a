"""A dataset as YOLO trainers want it: images/ and labels/ by split, and data.yaml. Images are linked, never copied."""

import json
from collections.abc import Sequence
from pathlib import Path

from services.trainer.training.manifest import Box, Dataset, Sample


def write_yolo_folder(folder: Path, dataset: Dataset, class_names: Sequence[str]) -> Path:
    """Lay out train and val below the new folder `folder`; returns data.yaml. The test split is not even linked.

    Without val samples the train samples stand in: the caller has to say so.
    """
    _write_split(folder, "train", dataset.train)
    _write_split(folder, "val", dataset.val)
    content = {
        "path": str(folder.absolute()),
        "train": "images/train",
        "val": "images/val" if dataset.val else "images/train",
        "names": dict(enumerate(class_names)),
    }
    path = folder / "data.yaml"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path


def _write_split(folder: Path, split: str, samples: Sequence[Sample]) -> None:
    images, labels = folder / "images" / split, folder / "labels" / split
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, sample in enumerate(samples):
        # The number keeps names unique and in order whatever characters a sample id has.
        name = f"{number:06d}-{sample.path.stem[:16]}"
        (images / f"{name}{sample.path.suffix}").symlink_to(sample.path)
        (labels / f"{name}.txt").write_text(_label_lines(sample), encoding="utf-8")


def _label_lines(sample: Sample) -> str:
    rows = (f"{label} {_centre_and_size(box, sample.width, sample.height)}\n" for label, box in sample.boxes)
    return "".join(rows)


def _centre_and_size(box: Box, width: int, height: int) -> str:
    """YOLO's own form: centre x, centre y, width, height as shares of the image."""
    x1, y1, x2, y2 = box
    shares = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join(f"{share:.6f}" for share in shares)
