"""Pascal VOC: one XML file per image, in Annotations/ with the images in JPEGImages/, or side by side. Reading only."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from libs.vision.boxes import Box
from libs.vision.formats.checking import Candidate, Problem, labelled_image, unusable
from libs.vision.formats.files import (
    IMAGE_SUFFIXES,
    LARGEST_LABEL_FILE,
    AbsentFile,
    RefusedPath,
    decode_text,
    existing_folder,
    image_files,
    inside,
    named_file,
    read_bytes,
    read_text,
    split_of,
)
from libs.vision.formats.items import FormatError, LabelledImage


class _UnreadableXml(ValueError):
    pass


def read_voc(folder: Path | str) -> Iterator[LabelledImage]:
    """Read all images that an XML file describes, then those that none does (not labelled).

    xmin, ymin, xmax, ymax are taken as they are (some tools count pixels from 1: half a pixel either way). The splits
    are those of ImageSets/Main. Raises FormatError at once if there is no XML file below the folder.
    """
    root = existing_folder(folder)
    descriptions = sorted(root.rglob("*.xml"))
    if not descriptions:
        raise FormatError(f"No XML files below {root}: a VOC data set has Annotations/ and JPEGImages/")
    return _images(root, descriptions)


def _images(root: Path, descriptions: list[Path]) -> Iterator[LabelledImage]:
    splits, described = _splits(root), set[Path]()
    for description in descriptions:
        found = _read_description(root, description, splits)
        described.add(found.path)
        yield found
    for path in image_files(root):
        if path not in described:
            split = splits.get(path.stem) or split_of(root, path)
            yield labelled_image(root, path, [], split=split, labelled=False)


def _splits(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for listed in sorted(root.rglob(f"ImageSets/Main/{split}.txt")):
            lines = read_text(inside(root, listed)).splitlines()
            found.update({line.split()[0]: split for line in lines if line.strip()})
    return found


def _read_description(root: Path, description: Path, splits: dict[str, str]) -> LabelledImage:
    split = splits.get(description.stem) or split_of(root, description)
    try:
        tree = _parsed(inside(root, description))
        path = _image_of(description, tree)
    except (RefusedPath, _UnreadableXml, OSError) as error:
        return unusable(description, f"{description.name}: {error}", split)
    objects = enumerate(tree.iter("object"), 1)
    found = [_candidate(each, f"{description.name} object {number}") for number, each in objects]
    return labelled_image(root, path, found, split=split, declared=_declared(tree))


def _parsed(path: Path) -> ElementTree.Element:
    data = read_bytes(path, at_most=LARGEST_LABEL_FILE)
    text = decode_text(data)  # in UTF-16 the words look different
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _UnreadableXml("declares a document type, which label files have no use for: refused")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError):
        return _parsed_again(text)


def _parsed_again(text: str) -> ElementTree.Element:
    """Some tools write Latin-1 or GBK and declare UTF-8, or nothing."""
    if text.lstrip().startswith("<?xml"):
        text = text.split("?>", 1)[-1]
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise _UnreadableXml(f"is not valid XML: {error}") from error


def _image_of(description: Path, tree: ElementTree.Element) -> Path:
    folders = [description.parent.parent / "JPEGImages", description.parent.parent / "images", description.parent]
    stated = (tree.findtext("filename") or "").strip()
    names = [description.stem + suffix for suffix in sorted(IMAGE_SUFFIXES)]
    if stated:  # LabelImg leaves the suffix away; renamed data sets keep the XML's own name
        names = [stated, *(stated + suffix for suffix in sorted(IMAGE_SUFFIXES)), *names]
    for name in names:
        with suppress(AbsentFile):
            return named_file(folders, name)
    raise AbsentFile(f"its image {names[0]!r} is not in the data set")


def _declared(tree: ElementTree.Element) -> tuple[int, int] | None:
    try:
        return int(tree.findtext("size/width") or 0), int(tree.findtext("size/height") or 0)
    except ValueError:
        return None


def _candidate(element: ElementTree.Element, where: str) -> Candidate | Problem:
    values = [element.findtext(f"bndbox/{name}") or "" for name in ("xmin", "ymin", "xmax", "ymax")]
    try:
        box: Box = (float(values[0]), float(values[1]), float(values[2]), float(values[3]))
    except ValueError:
        return Problem(f"{where}: {values} are not four numbers: left out")
    return Candidate((element.findtext("name") or "").strip(), box, where)
