"""Reads the dataset folder of a temporal run: clips as features and a label for each moment, and whether one can learn.

`manifest.jsonl` has one clip a line, with `features` naming an `.npz` inside the folder (`libs.vision.features`). Whoever
finds no step at a moment finds label 0 there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from libs.vision.features import Features, UnreadableFeatures, from_bytes
from libs.vision.segments import TimedSegment, labels_at
from services.trainer.training.manifest_rows import BUILD_AGAIN, MANIFEST, Row, Split, read_rows
from services.trainer.training.protocol import TrainingFailed

LabelArray = NDArray[np.int64]


class _Media(BaseModel):
    duration_seconds: float = Field(gt=0)


class _Segment(BaseModel):
    step: str
    start_seconds: float = Field(ge=0)
    end_seconds: float

    @model_validator(mode="after")
    def _takes_time(self) -> "_Segment":
        if not self.end_seconds > self.start_seconds:
            raise ValueError("a segment must end after its begin")
        return self


class _Row(Row):
    kind: Literal["clip"]
    media: _Media
    segments: list[_Segment]
    leakage_group: str
    subject_id: str | None = None
    features: str


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip to learn from: `features` and int64 [T], the label's index at each of their moments.

    `group` is the recording it belongs to, `subject` the person in it, where that is known.
    """

    sample_id: str
    group: str
    subject: str | None
    features: Features
    labels: LabelArray

    @property
    def moments(self) -> int:
        """T."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class ClipDataset:
    """The clips of train and val by sample id, without those of no moment. Those of test are counted, and not even read."""

    train: tuple[Clip, ...]
    val: tuple[Clip, ...]
    test_clips: int

    @property
    def features(self) -> Features:
        """Those of one clip, to ask for what all have in common: extractor, rate, names."""
        return self.train[0].features


def read_clips(folder: Path, class_names: Sequence[str], *, extractor: str = "auto") -> ClipDataset:
    """Read `manifest.jsonl` and the features it names, and check that one can learn from them.

    Raises TrainingFailed: no manifest, a malformed line, an unknown step, features that are missing, damaged or of several
    extractors, rates or columns (or of another extractor than the one asked for), a leakage group in two splits, nothing to
    learn.
    """
    needs = "sample_id, kind 'clip', media, segments, split, leakage_group and features"
    rows = read_rows(folder, _Row, beside="the features it lists", needs=needs)
    _refuse_leaks(folder, rows)
    read = [(row.split, _clip(folder, row, class_names)) for row in rows if row.split != "test"]
    train, val = (tuple(clip for split, clip in read if split == name and clip.moments) for name in ("train", "val"))
    dataset = ClipDataset(train, val, len(rows) - len(read))
    _require_something_to_learn(folder, dataset)
    _require_one_kind([*dataset.train, *dataset.val])
    if extractor not in ("auto", dataset.features.extractor):
        raise TrainingFailed(
            f"The features were made by {dataset.features.extractor}, and the hyperparameter extractor asks for {extractor}",
            f"Make the features with {extractor}, or set extractor to auto",
        )
    return dataset


def _refuse_leaks(folder: Path, rows: Sequence[_Row]) -> None:
    """Frames of one recording on both sides of a split make every figure a lie (70 % reads as 97 %)."""
    splits: dict[str, Split] = {}
    for row in rows:
        if splits.setdefault(row.leakage_group, row.split) != row.split:
            raise TrainingFailed(
                f"{folder / MANIFEST}: the recording {row.leakage_group!r} is in the splits {splits[row.leakage_group]} "
                f"and {row.split} at once",
                "Keep all clips of a recording in one split: " + BUILD_AGAIN.lower(),
            )


def _clip(folder: Path, row: _Row, class_names: Sequence[str]) -> Clip:
    unknown = sorted({segment.step for segment in row.segments} - set(class_names))
    if unknown:
        raise TrainingFailed(
            f"Sample {row.sample_id} has the step {unknown[0]!r}, which is none of {', '.join(class_names)}",
            "Add the step to the workflow, or correct the segments and build a new dataset version",
        )
    features = _features(folder, row)
    segments = [TimedSegment(each.step, each.start_seconds, each.end_seconds) for each in row.segments]
    moments = [number / features.frames_per_second for number in range(len(features.values))]
    index = {name: number for number, name in enumerate(class_names)}
    labels = [index[name] for name in labels_at(segments, moments, background=class_names[0])]
    return Clip(row.sample_id, row.leakage_group, row.subject_id, features, np.array(labels, dtype=np.int64))


def _features(folder: Path, row: _Row) -> Features:
    relative = PurePosixPath(row.features)
    if relative.is_absolute() or ".." in relative.parts:
        raise TrainingFailed(
            f"Sample {row.sample_id}: {row.features} is outside the dataset folder", "Use relative paths"
        )
    path = folder / relative
    try:
        return from_bytes(path.read_bytes())
    except OSError as error:
        raise TrainingFailed(
            f"Sample {row.sample_id}: {path} cannot be read: {error.strerror}", "Download it again", permanent=False
        ) from error
    except UnreadableFeatures as error:
        raise TrainingFailed(f"Sample {row.sample_id}: {path}: {error}", "Make its features again") from error


def _require_something_to_learn(folder: Path, dataset: ClipDataset) -> None:
    shown = {label for clip in dataset.train for label in np.unique(clip.labels).tolist()}
    lacking = "sample" if not shown else "second label, only one" if len(shown) < 2 else ""
    if lacking:
        raise TrainingFailed(
            f"The dataset {folder} has no {lacking} in its split 'train'",
            "Approve clips with segments and build a new dataset version",
        )


def _require_one_kind(clips: Sequence[Clip]) -> None:
    """All features must come from one extractor at one rate with the same columns."""
    kinds: dict[tuple[object, ...], str] = {}
    for clip in clips:
        each = clip.features
        kinds.setdefault((each.extractor, each.extractor_version, each.frames_per_second, each.names), clip.sample_id)
    if len(kinds) > 1:
        (first, one), (second, other) = list(kinds.items())[:2]
        raise TrainingFailed(
            f"The samples {one} and {other} have features of two kinds: {_said(first)}, and {_said(second)}",
            "Make the features of all clips with one extractor, at one rate",
        )


def _said(kind: tuple[object, ...]) -> str:
    extractor, version, rate, names = kind
    assert isinstance(names, tuple)
    return f"{extractor} {version}, {rate:g} a second, {len(names)} columns"


def folds(clips: Sequence[Clip], most: int) -> tuple[tuple[int, ...], ...]:
    """Places of the clips in at most `most` parts of about equal length, none sharing a recording, or a person if known.

    One part where all clips belong together. The same clips give the same parts.
    """
    by_subject = all(clip.subject is not None for clip in clips) and len({clip.subject for clip in clips}) > 1
    owners = [str(clip.subject) if by_subject else clip.group for clip in clips]
    moments: Mapping[str, int] = {
        owner: sum(clip.moments for clip, mine in zip(clips, owners, strict=True) if mine == owner)
        for owner in sorted(set(owners))
    }
    parts: list[list[str]] = [[] for _ in range(min(most, len(moments)))]
    for owner in sorted(moments, key=lambda owner: (-moments[owner], owner)):
        min(parts, key=lambda part: sum(moments[each] for each in part)).append(owner)
    return tuple(tuple(n for n, owner in enumerate(owners) if owner in part) for part in parts)
