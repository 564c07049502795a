"""Data sets nobody should import as they are: one row each, a function that lays the folder and what is to be said.

`fate`: `fine` (all is taken), `problem` (the picture goes, something of its labels is left out), `skipped` (the picture
is left out), `refused` (nothing is sent). `told`: words of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from libs.local.imports import Format
from tests.support.hostile.pictures import jpeg

CLASSES = ("hairnet", "发网")
GOOD_BOX = (10.0, 10.0, 40.0, 40.0)
Fate = Literal["fine", "problem", "skipped", "refused"]
Lay = Callable[[Path], None]


@dataclass(frozen=True)
class ImportRow:
    """A data set and its fate. Beside what `lay` adds lies a good neighbour, which has to arrive unless `refused`."""

    name: str
    format: Format
    lay: Lay
    fate: Fate
    told: str = ""
    sent: int | None = None

    @property
    def pictures(self) -> int:
        """How many are sent: the good neighbour, and the row's own unless it is skipped (or `sent` says otherwise)."""
        return self.sent if self.sent is not None else 1 if self.fate == "skipped" else 2


def write(path: Path, content: bytes | str = b"") -> Path:
    """A file in a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lay_good(kind: Format, root: Path) -> None:
    """The good neighbour: z.jpg with one box."""
    _GOOD[kind](root)


def _good_yolo(root: Path) -> None:
    write(root / "images" / "z.jpg", jpeg())
    write(root / "labels" / "z.txt", "0 0.5 0.5 0.5 0.5\n")
    write(root / "classes.txt", "\n".join(CLASSES))


def _good_voc(root: Path) -> None:
    write(root / "JPEGImages" / "z.jpg", jpeg())
    write(root / "Annotations" / "z.xml", voc_xml("z.jpg"))


def _good_coco(root: Path) -> None:
    write(root / "images" / "z.jpg", jpeg())
    write(root / "annotations" / "instances_good.json", coco_json("z.jpg"))


def _good_csv(root: Path) -> None:
    write(root / "images" / "z.jpg", jpeg())
    write(root / "annotations.csv", f"{CSV_HEAD}\nz.jpg,hairnet,10,10,40,40\n")


_GOOD: dict[Format, Lay] = {"yolo": _good_yolo, "voc": _good_voc, "coco": _good_coco, "csv": _good_csv}
CSV_HEAD = "file,label,x1,y1,x2,y2"


def voc_xml(
    name: str, *, label: str = "hairnet", box: tuple[object, ...] = GOOD_BOX, size: str = "", times: int = 1
) -> str:
    """A VOC description."""
    corners = "".join(f"<{at}>{v}</{at}>" for at, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    thing = f"<object><name>{label}</name><bndbox>{corners}</bndbox></object>"
    return f"<annotation><filename>{name}</filename>{size}{thing * times}</annotation>"


def coco_json(name: Any, *, bbox: Any = (10, 10, 30, 30), times: int = 1, **changes: Any) -> str:
    """A COCO file of one picture."""
    label = {"id": 1, "image_id": 1, "category_id": 1, "bbox": bbox}
    values: dict[str, Any] = {
        "images": [{"id": 1, "file_name": name}],
        "categories": [{"id": 1, "name": "hairnet"}],
        "annotations": [label] * times,
    }
    return json.dumps(values | changes)


def lay_voc(box: tuple[object, ...]) -> Lay:
    def lay(root: Path) -> None:
        write(root / "JPEGImages" / "a.jpg", jpeg())
        write(root / "Annotations" / "a.xml", voc_xml("a.jpg", box=box))

    return lay


def lay_csv(row: str, *, head: str = CSV_HEAD, encoding: str = "utf-8") -> Lay:
    def lay(root: Path) -> None:
        write(root / "images" / "a.jpg", jpeg())
        good = "z.jpg,hairnet,10,10,40,40" if head == CSV_HEAD else ""
        write(root / "annotations.csv", f"{head}\n{row}\n{good}\n".encode(encoding))

    return lay


def lay_yolo(labels: str | bytes) -> Lay:
    def lay(root: Path) -> None:
        write(root / "images" / "a.jpg", jpeg())
        write(root / "labels" / "a.txt", labels)

    return lay


def lay_coco(name: Any = "a.jpg", **changes: Any) -> Lay:
    def lay(root: Path) -> None:
        write(root / "images" / "a.jpg", jpeg())
        write(root / "annotations" / "instances_a.json", coco_json(name, **changes))

    return lay


def lay_coco_text(text: str) -> Lay:
    def lay(root: Path) -> None:
        write(root / "images" / "a.jpg", jpeg())
        write(root / "annotations" / "instances_a.json", text)

    return lay
