"""Reads the dataset folder a training run is given: what the samples are and whether one can train on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from services.trainer.training.manifest_rows import Row, Split, read_rows
from services.trainer.training.protocol import TrainingFailed

Box = tuple[float, float, float, float]


class _Media(BaseModel):
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class _Annotation(BaseModel):
    """As in the events: a box, or a polygon, of which a detector learns the bounding box."""

    label: str
    box: Box | None = None
    polygon: list[tuple[float, float]] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _has_geometry(self) -> "_Annotation":
        if self.box is None and self.polygon is None:
            raise ValueError("an annotation needs a box or a polygon")
        return self

    def outline(self) -> Box:
        if self.box is not None:
            return self.box
        xs, ys = zip(*(self.polygon or []), strict=True)
        return min(xs), min(ys), max(xs), max(ys)


class _Row(Row):
    kind: Literal["image"]
    media: _Media
    annotations: list[_Annotation]
    file: str


@dataclass(frozen=True)
class Sample:
    """An image with its boxes: class index and `[x1, y1, x2, y2]` in pixels, inside the image."""

    sample_id: str
    path: Path
    width: int
    height: int
    boxes: tuple[tuple[int, Box], ...]


@dataclass(frozen=True)
class Dataset:
    """The samples by split, sorted by sample id; `dropped_boxes` had no area inside their image."""

    samples: Mapping[Split, tuple[Sample, ...]]
    dropped_boxes: int

    @property
    def train(self) -> tuple[Sample, ...]:
        return self.samples["train"]

    @property
    def val(self) -> tuple[Sample, ...]:
        return self.samples["val"]


def read_dataset(folder: Path, class_names: list[str]) -> Dataset:
    """Read `manifest.jsonl` and check that it can be trained on.

    Raises TrainingFailed: no manifest, a malformed line, an unknown label, a missing image, nothing to learn from.
    """
    needs = "sample_id, kind 'image', media, annotations, split and file"
    rows = read_rows(folder, _Row, beside="the images it lists", needs=needs)
    index = {name: number for number, name in enumerate(class_names)}
    splits: dict[Split, list[Sample]] = {"train": [], "val": [], "test": []}
    for row in rows:
        splits[row.split].append(_sample(folder, row, index))
    kept = sum(len(sample.boxes) for split in splits.values() for sample in split)
    dataset = Dataset(
        samples={split: tuple(samples) for split, samples in splits.items()},
        dropped_boxes=sum(len(row.annotations) for row in rows) - kept,
    )
    _require_something_to_learn(folder, dataset)
    return dataset


def _sample(folder: Path, row: _Row, index: Mapping[str, int]) -> Sample:
    unknown = sorted({entry.label for entry in row.annotations} - set(index))
    if unknown:
        raise TrainingFailed(
            f"Sample {row.sample_id} has the label {unknown[0]!r}, which is none of {', '.join(index)}",
            "Add the class to the workflow, or correct the annotation and build a new dataset version",
        )
    clipped = [(index[entry.label], _clip(entry.outline(), row.media)) for entry in row.annotations]
    return Sample(
        sample_id=row.sample_id,
        path=_image(folder, row),
        width=row.media.width,
        height=row.media.height,
        boxes=tuple((label, box) for label, box in clipped if box is not None),
    )


def _clip(box: Box, media: _Media) -> Box | None:
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], media.width), min(box[3], media.height)
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def _image(folder: Path, row: _Row) -> Path:
    relative = PurePosixPath(row.file)
    path = folder / relative
    if relative.is_absolute() or ".." in relative.parts:
        raise TrainingFailed(f"Sample {row.sample_id}: {row.file} is outside the dataset folder", "Use relative paths")
    if not path.is_file():
        raise TrainingFailed(f"Sample {row.sample_id}: {path} is missing", "Download it again", permanent=False)
    return path.absolute()


def _require_something_to_learn(folder: Path, dataset: Dataset) -> None:
    if any(sample.boxes for sample in dataset.train):
        return
    lacking = "annotated sample" if dataset.train else "sample"
    raise TrainingFailed(
        f"The dataset {folder} has no {lacking} in its split 'train'",
        "Approve annotated samples and build a new dataset version",
    )
