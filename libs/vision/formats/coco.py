"""COCO detection JSON: `images`, `categories` and `annotations` with boxes as left, top, width, height."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from libs.vision.boxes import Annotation, Box, xywh_to_xyxy, xyxy_to_xywh
from libs.vision.formats.checking import Candidate, Problem, labelled_image, unusable
from libs.vision.formats.files import LARGEST_TABLE, RefusedPath, empty_folder, named_file, read_text, split_of
from libs.vision.formats.items import Exported, ExportItem, FormatError, LabelledImage
from libs.vision.formats.placing import FilePlacer

Record = dict[str, Any]
_SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "test": "test"}


class _OtherJson(FormatError):
    pass


def read_coco(source: Path | str) -> Iterator[LabelledImage]:
    """Read a COCO JSON file, or every one in a folder (annotations/instances_<split>.json and the like).

    Images lie beside the file, or in images/ or a folder of the split, there or one level up. Raises FormatError at
    once if there is no such file.
    """
    path = Path(source)
    if path.is_file():
        file = path.resolve()
        root = file.parent.parent if file.parent.name.lower() == "annotations" else file.parent
        return _images(root, file, _content(file))
    if not path.is_dir():
        raise FormatError(f"There is no file or folder {path}: give a COCO JSON file or the folder that holds it")
    return _images_of_folder(path.resolve())


def _images_of_folder(root: Path) -> Iterator[LabelledImage]:
    files = [file for file in sorted(root.rglob("*.json")) if file.resolve().is_relative_to(root)]
    contents = [(file, _content_or_error(file)) for file in files]
    if not any(isinstance(content, dict) for _, content in contents):
        raise FormatError(f"No COCO file below {root}: none of its {len(files)} JSON files has images and annotations")
    return (image for file, content in contents for image in _images_or_problem(root, file, content))


def _content_or_error(file: Path) -> Record | FormatError:
    try:
        return _content(file)
    except FormatError as error:
        return error


def _images_or_problem(root: Path, file: Path, content: Record | FormatError) -> Iterator[LabelledImage]:
    if isinstance(content, FormatError):
        # Other people's JSON lies in such folders too; what can't be read at all might have been labels.
        return iter(() if isinstance(content, _OtherJson) else (unusable(file, str(content)),))
    return _images(root, file, content)


def _content(file: Path) -> Record:
    try:
        content: Any = json.loads(read_text(file, at_most=LARGEST_TABLE))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not readable JSON: {error}") from error
    names = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in names):
        raise _OtherJson(f"{file} is not a COCO file: it needs the lists {', '.join(names)}")
    return cast("Record", content)


def _images(root: Path, file: Path, content: Record) -> Iterator[LabelledImage]:
    labels = {
        _text(each["id"]): _text(each["name"])
        for each in _records(content, "categories")
        if {"id", "name"} <= set(each)
    }
    by_image: dict[str, list[Record]] = {}
    for each in _records(content, "annotations"):
        by_image.setdefault(_text(each.get("image_id")), []).append(each)
    split = _split_named(file) or split_of(root, file)
    for image in _records(content, "images"):
        own = by_image.pop(_text(image.get("id")), [])
        yield _read_image(root, file, image, [_candidate(each, labels) for each in own], split)
    for number, orphans in by_image.items():
        yield unusable(file, f"{len(orphans)} annotations belong to the image {number}, which is not listed", split)


def _records(content: Record, name: str) -> list[Record]:
    return [cast("Record", each) for each in content[name] if isinstance(each, dict)]


def _split_named(file: Path) -> str | None:
    words = file.stem.lower().replace("-", "_").split("_")
    return next((_SPLIT_NAMES[word] for word in words if word in _SPLIT_NAMES), None)


def _read_image(
    root: Path, file: Path, image: Record, found: list[Candidate | Problem], split: str | None
) -> LabelledImage:
    try:
        path = named_file(_folders(root, file, split), _text(image.get("file_name", "")))
    except RefusedPath as error:
        return unusable(file, f"image {_text(image.get('id'))}: {error}", split)
    return labelled_image(root, path, found, split=split, declared=_declared(image))


def _folders(root: Path, file: Path, split: str | None) -> list[Path]:
    bases = [file.parent, *([file.parent.parent] if file.parent != root else [])]
    inner = ["", "images", *([f"images/{split}", split, f"{split}2017"] if split else [])]
    return [base / each for base in bases for each in inner]


def _declared(image: Record) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _candidate(annotation: Record, labels: dict[str, str]) -> Candidate | Problem:
    where = f"annotation {_text(annotation.get('id'))}"
    category = _text(annotation.get("category_id"))
    if category not in labels:
        return Problem(f"{where}: category {category} is unknown: left out")
    if annotation.get("iscrowd") == 1:
        return Problem(f"{where}: marks a crowd, not one object: left out")
    box = _box(annotation.get("bbox"))
    if box is None:
        return Problem(f"{where}: {_text(annotation.get('bbox'))} is not a box of four numbers: left out")
    return Candidate(labels[category], box, where)


def _text(value: Any) -> str:
    """Numbers and names as they are; of anything else only its beginning: it may be nested without end."""
    if isinstance(value, str | int | float):
        return str(value)
    try:
        return "None" if value is None else repr(value)[:80]
    except RecursionError:
        return f"a {type(value).__name__}"


def _box(value: Any) -> Box | None:
    if not isinstance(value, list):
        return None
    try:
        numbers = [float(each) for each in cast("list[Any]", value) if isinstance(each, int | float)]
    except OverflowError:  # an integer of hundreds of digits
        return None
    return xywh_to_xyxy((numbers[0], numbers[1], numbers[2], numbers[3])) if len(numbers) == 4 == len(value) else None


def write_coco(items: Iterable[ExportItem], folder: Path | str, classes: Sequence[str]) -> Exported:
    """Write images/ and annotations/instances_<split>.json with category ids from 1 in the order of `classes`.

    Numbers are written whole; taking width for right border can cost a box the last binary digit (1e-13 pixels).
    Raises FormatError for a label that is not among `classes`, a name that occurs twice, or a folder that is not empty.
    """
    root = empty_folder(folder)
    placer, category = FilePlacer(root), {name: at for at, name in enumerate(classes, start=1)}
    images: dict[str, list[Record]] = {}
    annotations: dict[str, list[Record]] = {}
    for number, item in enumerate(items, start=1):
        placer.put(item, "images")
        entry = {"id": number, "file_name": item.file_name, "width": item.width, "height": item.height}
        images.setdefault(item.split, []).append(entry)
        own = annotations.setdefault(item.split, [])
        own += [_annotation(each, len(own) + at, number, category) for at, each in enumerate(item.annotations, 1)]
    for split, entries in images.items():
        _write_split(root, split, entries, annotations[split], category)
    return Exported(sum(map(len, images.values())), sum(map(len, annotations.values())))


def _annotation(annotation: Annotation, number: int, image: int, category: dict[str, int]) -> Record:
    if annotation.label not in category:
        raise FormatError(f"The label {annotation.label!r} is none of {list(category)}: the export needs all classes")
    x, y, width, height = xyxy_to_xywh(annotation.box)
    return {
        "id": number,
        "image_id": image,
        "category_id": category[annotation.label],
        "bbox": [x, y, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def _write_split(
    root: Path, split: str, images: list[Record], annotations: list[Record], category: dict[str, int]
) -> None:
    categories = [{"id": number, "name": name} for name, number in category.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file = root / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
