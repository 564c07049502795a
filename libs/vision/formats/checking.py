"""From labels as a file gives them to annotations that can be trusted: what is wrong is said in words and left out."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from libs.vision.boxes import Annotation, Box, box_area, clip_box, valid_box
from libs.vision.formats.files import LARGEST_IMAGE, RefusedPath, inside, read_bytes
from libs.vision.formats.items import LabelledImage
from libs.vision.sniffing import UndecodableImage, upright_size

# Boxes that touch the border often pass it by a rounding error: not worth a word.
_SILENT_PIXELS = 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label as read, with the place in the file it was read from."""

    label: str
    box: Box
    where: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A label that could not be read at all."""

    text: str


def unusable(path: Path, problem: str, split: str | None = None) -> LabelledImage:
    """An entry without an image; `path` is the file that has the problem."""
    return LabelledImage(path=path, width=0, height=0, problems=(problem,), split=split, labelled=False)


def image_size(root: Path, path: Path) -> tuple[int, int]:
    """Upright width and height. Raises RefusedPath or UndecodableImage."""
    try:
        return upright_size(read_bytes(inside(root, path), at_most=LARGEST_IMAGE))
    except OSError as error:
        raise UndecodableImage(f"The file can't be read: {error}") from error


def labelled_image(
    root: Path,
    path: Path,
    found: Iterable[Candidate | Problem],
    *,
    split: str | None,
    labelled: bool = True,
    declared: tuple[int, int] | None = None,
    size: tuple[int, int] | None = None,
) -> LabelledImage:
    """Keep the good labels of an image of `size` (measured if None). `declared` is the size its label file states."""
    try:
        width, height = size or image_size(root, path)
    except (RefusedPath, UndecodableImage) as error:
        return unusable(path, f"{path.name}: {error}", split)
    if declared is not None and min(declared) > 0 and declared != (width, height):
        stated = (
            f"the labels are for {declared[0]}x{declared[1]} pixels, the image has {width}x{height}: labels left out"
        )
        return LabelledImage(path, width, height, problems=(stated,), split=split, labelled=False)
    annotations, problems = sort_out(found, width, height)
    return LabelledImage(path, width, height, annotations, problems, split, labelled)


def sort_out(
    found: Iterable[Candidate | Problem], width: int, height: int
) -> tuple[tuple[Annotation, ...], tuple[str, ...]]:
    """Good annotations, clipped to the image, and a sentence for each label that is left out or cut off."""
    annotations: list[Annotation] = []
    problems: list[str] = []
    for each in found:
        if isinstance(each, Problem):
            problems.append(each.text)
            continue
        fault = _fault(each, width, height)
        if fault is not None:
            problems.append(f"{each.where}: {fault}: left out")
            continue
        outside = _pixels_outside(each.box, width, height)
        if outside > _SILENT_PIXELS:
            problems.append(f"{each.where}: the box {_text(each.box)} is cut off at the border of {width}x{height}")
        annotations.append(Annotation(each.label, clip_box(each.box, width, height) if outside > 0 else each.box))
    return tuple(annotations), tuple(problems)


def _fault(candidate: Candidate, width: int, height: int) -> str | None:
    box = candidate.box
    if not candidate.label:
        return "a box without a label"
    if not all(math.isfinite(value) for value in box):
        return f"the box {_text(box)} has a number that is not finite"
    if box_area(box) <= 0:
        return f"the box {_text(box)} has no area"
    if not valid_box(box, width, height):
        return f"the box {_text(box)} lies outside the image of {width}x{height}"
    return None


def _pixels_outside(box: Box, width: int, height: int) -> float:
    return max(-box[0], -box[1], box[2] - width, box[3] - height)


def _text(box: Box) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
