"""Paths, links, encodings and files meant to harm: rows of the table of data sets."""

import os
from pathlib import Path
from typing import Any

from libs.local.imports import Format
from tests.support.hostile.import_rows import (
    CSV_HEAD,
    ImportRow,
    Lay,
    coco_json,
    lay_coco,
    lay_coco_text,
    lay_csv,
    lay_yolo,
    voc_xml,
    write,
)
from tests.support.hostile.pictures import jpeg, png_of, zipped


def _voc_named(name: str) -> Lay:
    def lay(root: Path) -> None:
        write(root.parent / "secret.jpg", jpeg())
        write(root / "Annotations" / "a.xml", voc_xml(name))

    return lay


def _coco_named(name: Any) -> Lay:
    def lay(root: Path) -> None:
        write(root.parent / "secret.jpg", jpeg())
        write(root / "annotations" / "instances_a.json", coco_json(name))

    return lay


def _csv_named(name: str) -> Lay:
    def lay(root: Path) -> None:
        write(root.parent / "secret.jpg", jpeg())
        write(root / "annotations.csv", f'{CSV_HEAD}\n"{name}",hairnet,1,1,20,20\nz.jpg,hairnet,10,10,40,40\n')

    return lay


PATHS: dict[str, tuple[str, str]] = {
    "the parent": ("../secret.jpg", "not a path inside the data set"),
    "the parent, Windows": ("..\\secret.jpg", "not a path inside the data set"),
    "up from below": ("images/../../secret.jpg", "not a path inside the data set"),
    "an absolute path": ("/etc/hostname", "not a path inside the data set"),
    "a drive": ("C:/secret.jpg", "not a path inside the data set"),
    "a folder": (".", "not a path inside the data set"),
    "a file that is not there": ("nowhere.jpg", "is not in the data set"),
    "an endless name": ("x" * 5000 + ".jpg", "is no usable name"),
    "a Chinese file that is not there": ("工厂/发网.jpg", "is not in the data set"),
}


def linked(kind: Format, link: str, target: str) -> Lay:
    """A symbolic link in the folder, to a file beside the folder."""

    def lay(root: Path) -> None:
        write(root.parent / "outside" / "secret.jpg", jpeg())
        write(root.parent / "outside" / "secret.txt", "0 0.5 0.5 0.1 0.1\n")
        write(root.parent / "outside" / "secret.csv", f"{CSV_HEAD}\nz.jpg,hairnet,1,1,20,20\n")
        path = root / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(root.parent / "outside" / target)
        if link.startswith("labels"):
            write(root / "images" / f"{path.stem}.jpg", jpeg())

    return lay


def fifo(root: Path) -> None:
    """A pipe nobody writes to: reading it would wait for ever."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "images" / "a.jpg")


def sparse(kind: str, size: int, *, beside: bool = False) -> Lay:
    """A file of gigabytes that takes no room on the disk."""

    def lay(root: Path) -> None:
        path = root / kind
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
        if beside:
            write(root / "images" / f"{path.stem}.jpg", jpeg())

    return lay


def gbk_names(root: Path) -> None:
    """What unpacking an archive of a Chinese Windows leaves on Linux: names that are no UTF-8."""
    folder = os.fsencode(root / "images")
    os.makedirs(folder, exist_ok=True)
    name = "工厂".encode("gbk")
    with open(folder + b"/" + name + b".jpg", "wb") as file:
        file.write(jpeg())
    labels = os.fsencode(root / "labels")
    os.makedirs(labels, exist_ok=True)
    with open(labels + b"/" + name + b".txt", "wb") as file:
        file.write(b"0 0.5 0.5 0.1 0.1\n")


def chinese_names(root: Path) -> None:
    """Folders and files in Chinese, in UTF-8."""
    write(root / "images" / "车间 一" / "发网.jpg", jpeg())
    write(root / "labels" / "车间 一" / "发网.txt", "1 0.5 0.5 0.1 0.1\n")


def _yolo_classes(content: bytes, name: str = "classes.txt") -> Lay:
    def lay(root: Path) -> None:
        (root / "classes.txt").unlink(missing_ok=True)
        write(root / name, content)
        lay_yolo("1 0.5 0.5 0.1 0.1")(root)

    return lay


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nnames: [*c,*c]\n"
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;&l;&l;&l;&l;&l;&l;">'
    '<!ENTITY n "&m;&m;&m;&m;&m;&m;&m;&m;&m;&m;">]><annotation><filename>&n;</filename></annotation>'
)
SECRET = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY s SYSTEM "file:///etc/hostname">]><annotation><filename>&s;</filename></annotation>'


def _voc_text(text: str | bytes) -> Lay:
    def lay(root: Path) -> None:
        write(root / "JPEGImages" / "a.jpg", jpeg())
        write(root / "Annotations" / "a.xml", text)

    return lay


FILES = [
    *[
        ImportRow(f"coco names {what}", "coco", _coco_named(name), "skipped", told)
        for what, (name, told) in PATHS.items()
    ],
    *[ImportRow(f"csv names {what}", "csv", _csv_named(name), "skipped", told) for what, (name, told) in PATHS.items()],
    *[ImportRow(f"voc names {what}", "voc", _voc_named(name), "skipped", told) for what, (name, told) in PATHS.items()],
    ImportRow("coco names a number", "coco", _coco_named(7), "skipped", "'7' is not in the data set"),
    ImportRow("coco names half a character", "coco", _coco_named("\ud800.jpg"), "skipped", "is not in the data set"),
    ImportRow("coco names a nested list", "coco", _coco_named([[[[]]]]), "skipped", "is not in the data set"),
    ImportRow("coco names nothing", "coco", _coco_named(""), "skipped", "not a path inside the data set"),
    ImportRow("image is a link out", "yolo", linked("yolo", "images/a.jpg", "secret.jpg"), "skipped", "leads outside"),
    ImportRow(
        "labels are a link out", "yolo", linked("yolo", "labels/a.txt", "secret.txt"), "skipped", "leads outside"
    ),
    ImportRow(
        "class names are a link out", "yolo", linked("yolo", "classes.txt", "secret.txt"), "refused", "leads outside"
    ),
    ImportRow(
        "csv image is a link out",
        "csv",
        lambda root: (linked("csv", "images/a.jpg", "secret.jpg")(root), _csv_named("a.jpg")(root))[0],
        "skipped",
        "leads outside",
    ),
    ImportRow(
        "csv table is a link out", "csv", linked("csv", "annotations.csv", "secret.csv"), "refused", "leads outside"
    ),
    ImportRow("groups are a link out", "csv", linked("csv", "groups.csv", "secret.csv"), "refused", "leads outside"),
    ImportRow(
        "voc description is a link out",
        "voc",
        linked("voc", "Annotations/a.xml", "secret.txt"),
        "skipped",
        "leads outside",
    ),
    ImportRow(
        "a link to itself",
        "yolo",
        lambda root: (
            (root / "images").mkdir(exist_ok=True),
            (root / "images" / "a.jpg").symlink_to(root / "images" / "a.jpg"),
        )[1],
        "skipped",
        "a.jpg",
    ),
    ImportRow("a pipe", "yolo", fifo, "skipped", "no plain file"),
    ImportRow("a picture of gigabytes", "yolo", sparse("images/a.jpg", 8 << 30), "skipped", "more than the"),
    ImportRow("labels of gigabytes", "yolo", sparse("labels/a.txt", 8 << 30, beside=True), "skipped", "more than the"),
    ImportRow("a table of gigabytes", "csv", sparse("annotations.csv", 8 << 30), "refused", "more than the"),
    ImportRow("voc description of gigabytes", "voc", sparse("Annotations/a.xml", 8 << 30), "skipped", "more than the"),
    ImportRow(
        "a bomb of a picture",
        "yolo",
        lambda root: write(root / "images" / "a.jpg", png_of(9000, 9000)) and None,
        "skipped",
        "9000x9000 pixels",
    ),
    ImportRow(
        "a zip with a .jpg name",
        "yolo",
        lambda root: write(root / "images" / "a.jpg", zipped()) and None,
        "skipped",
        "a ZIP archive",
    ),
    ImportRow(
        "a picture of 1970", "yolo", lambda root: os.utime(write(root / "images" / "a.jpg", jpeg()), (0, 0)), "fine"
    ),
    ImportRow(
        "a picture of 2099", "yolo", lambda root: os.utime(write(root / "images" / "a.jpg", jpeg()), (4e9, 4e9)), "fine"
    ),
    ImportRow("names in GBK", "yolo", gbk_names, "fine"),
    ImportRow("names in Chinese", "yolo", chinese_names, "fine"),
    ImportRow("classes in GBK", "yolo", _yolo_classes("hairnet\n发网\n".encode("gbk")), "fine"),
    ImportRow("classes in UTF-16", "yolo", _yolo_classes("hairnet\n发网\n".encode("utf-16")), "fine"),
    ImportRow("classes with a mark and CRLF", "yolo", _yolo_classes("\ufeffhairnet\r\n发网\r\n".encode()), "fine"),
    ImportRow(
        "classes in Latin-1", "yolo", _yolo_classes("hairnet\ncafé\n".encode("latin-1")), "refused", "café (1 boxes)"
    ),
    ImportRow("labels in UTF-16 with CRLF", "yolo", lay_yolo("0 0.5 0.5 0.1 0.1\r\n".encode("utf-16")), "fine"),
    ImportRow("csv in UTF-16", "csv", lay_csv("a.jpg,发网,1,1,20,20", encoding="utf-16"), "fine"),
    ImportRow("csv in GBK", "csv", lay_csv("a.jpg,发网,1,1,20,20", encoding="gbk"), "fine"),
    ImportRow(
        "csv with short rows",
        "csv",
        lay_csv("hairnet\n1,2\nhairnet,10,10,40,40,z.jpg", head="label,x1,y1,x2,y2,file"),
        "skipped",
        "not a path inside",
        2,
    ),
    ImportRow(
        "csv with a row that names nothing", "csv", lay_csv(",hairnet,1,1,2,2"), "skipped", "not a path inside", 2
    ),
    ImportRow(
        "csv without its columns", "csv", lay_csv("a.jpg,1", head="file,x"), "refused", "lacks the columns label"
    ),
    ImportRow(
        "csv of an endless field", "csv", lay_csv("a.jpg," + "x" * 200_000 + ",1,1,2,2"), "refused", "not a CSV table"
    ),
    ImportRow(
        "groups of an endless field",
        "csv",
        lambda root: write(root / "groups.csv", "file,group\n" + "x" * 200_000) and None,
        "refused",
        "not a CSV table",
    ),
    ImportRow("yaml names that nest", "yolo", _yolo_classes(BOMB, "data.yaml"), "refused", "holds words only"),
    ImportRow(
        "yaml without end", "yolo", _yolo_classes(b"names: " + b"[" * 5000, "data.yaml"), "refused", "is not valid YAML"
    ),
    ImportRow(
        "yaml with an impossible date",
        "yolo",
        _yolo_classes(b"names: [2026-99-99]", "data.yaml"),
        "refused",
        "is not valid YAML",
    ),
    ImportRow(
        "yaml that runs code",
        "yolo",
        _yolo_classes(b"names: !!python/object/apply:os.getpid []", "data.yaml"),
        "refused",
        "is not valid YAML",
    ),
    ImportRow(
        "yaml with gaps",
        "yolo",
        _yolo_classes(b"names: {0: hairnet, 5: x}", "data.yaml"),
        "refused",
        "count from 0 without a gap",
    ),
    ImportRow("xml of a billion laughs", "voc", _voc_text(LAUGHS), "skipped", "declares a document type", 2),
    ImportRow(
        "xml of a billion laughs in UTF-16",
        "voc",
        _voc_text(LAUGHS.encode("utf-16")),
        "skipped",
        "declares a document type",
        2,
    ),
    ImportRow("xml that reads a file", "voc", _voc_text(SECRET), "skipped", "declares a document type", 2),
    ImportRow("xml that is none", "voc", _voc_text("<annotation>"), "skipped", "is not valid XML", 2),
    ImportRow("empty xml", "voc", _voc_text(b""), "skipped", "is not valid XML", 2),
    ImportRow(
        "xml of another size",
        "voc",
        _voc_text(voc_xml("a.jpg", size="<size><width>9</width><height>9</height></size>")),
        "problem",
        "the labels are for 9x9",
    ),
    ImportRow("json that is none", "coco", lay_coco_text("{"), "skipped", "is not readable JSON"),
    ImportRow("json without end", "coco", lay_coco_text("[" * 100_000), "skipped", "is not readable JSON"),
    ImportRow("json of other things", "coco", lay_coco_text("[1, 2]"), "fine", sent=1),
    ImportRow(
        "coco of wrong types",
        "coco",
        lay_coco(images=[7, None, {"id": {}, "file_name": {}}]),
        "skipped",
        "'{}' is not in the data set",
    ),
    ImportRow("coco labels of no picture", "coco", lay_coco(images=[]), "skipped", "belong to the image 1"),
]
