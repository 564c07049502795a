"""YOLO text labels: a `.txt` beside each image or under `labels/`, lines of class index, centre and size as shares."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from libs.vision.boxes import Annotation, Box, cxcywh_to_xyxy, xyxy_to_cxcywh
from libs.vision.formats.checking import Candidate, Problem, image_size, labelled_image, unusable
from libs.vision.formats.files import (
    RefusedPath,
    empty_folder,
    existing_folder,
    image_files,
    inside,
    read_text,
    split_of,
)
from libs.vision.formats.items import Exported, ExportItem, FormatError, LabelledImage
from libs.vision.formats.placing import FilePlacer
from libs.vision.sniffing import UndecodableImage

_LISTS = ("classes_english.txt", "classes.txt", "obj.names")


def read_yolo(folder: Path | str, classes: Sequence[str] | None = None) -> Iterator[LabelledImage]:
    """Read all images below a folder with their labels, whatever the layout: images/ and labels/, by split, or flat.

    Class names are `classes`, else those of a YAML file with `names`, else of classes_english.txt, classes.txt or
    obj.names, one a line. An image with an empty label file is known to be empty; one without a file is not labelled.
    Polygons become the boxes around them. Raises FormatError at once if the folder or the class names are missing.
    """
    root = existing_folder(folder)
    names = list(classes) if classes is not None else _class_names(root)
    return (_read_image(root, path, names) for path in image_files(root))


def _class_names(root: Path) -> list[str]:
    for path in [root / "data.yaml", *sorted({*root.glob("*.yaml"), *root.glob("*.yml")})]:
        if path.is_file() and (names := _yaml_names(inside(root, path))):
            return names
    for path in (root / name for name in _LISTS):
        if path.is_file():
            return [line.strip() for line in read_text(inside(root, path)).splitlines() if line.strip()]
    raise FormatError(
        f"No class names in {root}: add data.yaml with `names` or classes.txt, or name the classes yourself"
    )


def _yaml_names(path: Path) -> list[str]:
    try:
        content: Any = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        raise FormatError(f"{path} is not valid YAML: {error}") from error
    names: Any = cast("dict[Any, Any]", content).get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return [_name(path, name) for name in cast("list[Any]", names)]
    if not isinstance(names, dict):
        return []
    by_index = {str(key): _name(path, name) for key, name in cast("dict[Any, Any]", names).items()}
    if sorted(by_index) != sorted(str(each) for each in range(len(by_index))):
        raise FormatError(f"{path} numbers its classes {sorted(by_index)}: they must count from 0 without a gap")
    return [by_index[str(each)] for each in range(len(by_index))]


def _name(path: Path, name: Any) -> str:
    # A list of lists of aliases is a few bytes here and gigabytes as text.
    if not isinstance(name, str | int | float):
        raise FormatError(f"{path} names a class by a {type(name).__name__}: `names` holds words only")
    return str(name)


def _read_image(root: Path, path: Path, names: list[str]) -> LabelledImage:
    split = split_of(root, path)
    try:
        width, height = image_size(root, path)
        label_file = _label_file(root, path)
        lines = read_text(label_file).splitlines() if label_file is not None else []
    except (RefusedPath, UndecodableImage, OSError) as error:
        return unusable(path, f"{path.name}: {error}", split)
    found = [_parse(line, f"line {at}", names, width, height) for at, line in enumerate(lines, 1) if line.strip()]
    return labelled_image(root, path, found, split=split, labelled=label_file is not None, size=(width, height))


def _label_file(root: Path, path: Path) -> Path | None:
    name = f"{path.stem}.txt"
    parts = list(path.parent.relative_to(root).parts)
    places = [path.parent, path.parent / "labels"]
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        places.insert(0, root.joinpath(*parts[:at], "labels", *parts[at + 1 :]))
    found = next((place / name for place in places if (place / name).is_file()), None)
    return None if found is None else inside(root, found)


def _parse(line: str, where: str, names: list[str], width: int, height: int) -> Candidate | Problem:
    fields = line.split()
    try:
        index, values = float(fields[0]), [float(field) for field in fields[1:]]
    except ValueError:
        return Problem(f"{where}: {line.strip()[:80]!r} is not a row of numbers: left out")
    if not (index.is_integer() and 0 <= index < len(names)):
        return Problem(f"{where}: class {fields[0]} is unknown, there are {len(names)} classes: left out")
    if len(values) == 4:
        shares: Box = (values[0], values[1], values[2], values[3])
        return Candidate(names[int(index)], cxcywh_to_xyxy(shares, width, height), where)
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        around = (min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height)
        return Candidate(names[int(index)], around, where)
    return Problem(f"{where}: {len(fields)} columns are neither a box (5) nor a polygon: left out")


def write_yolo(items: Iterable[ExportItem], folder: Path | str, classes: Sequence[str]) -> Exported:
    """Write images/<split>/, labels/<split>/ and data.yaml, which Ultralytics trains from as it is.

    Shares have 12 decimals, so that boxes return to far less than a thousandth of a pixel. Raises FormatError for a
    label that is not among `classes`, a name that occurs twice, or a folder that is not empty.
    """
    root = empty_folder(folder)
    placer, number = FilePlacer(root), {name: at for at, name in enumerate(classes)}
    splits, images, boxes = {"train", "val"}, 0, 0
    for item in items:
        placed = placer.put(item, f"images/{item.split}", key=Path(item.file_name).stem)
        lines = [_line(each, item, number) for each in item.annotations]
        labels = root / "labels" / item.split / f"{placed.stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(lines), encoding="utf-8")
        splits.add(item.split)
        images, boxes = images + 1, boxes + len(lines)
    _write_yaml(root, splits, classes)
    return Exported(images=images, boxes=boxes)


def _line(annotation: Annotation, item: ExportItem, number: dict[str, int]) -> str:
    if annotation.label not in number:
        raise FormatError(f"{item.file_name} has the label {annotation.label!r}, which is none of {list(number)}")
    shares = xyxy_to_cxcywh(annotation.box, item.width, item.height)
    return " ".join([str(number[annotation.label]), *(f"{share:.12f}" for share in shares)]) + "\n"


def _write_yaml(root: Path, splits: set[str], classes: Sequence[str]) -> None:
    for split in splits:
        (root / "images" / split).mkdir(parents=True, exist_ok=True)
    content = {**{split: f"images/{split}" for split in sorted(splits)}, "names": dict(enumerate(classes))}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (root / "data.yaml").write_text(text, encoding="utf-8")
