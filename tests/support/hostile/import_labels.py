"""Labels nobody can learn from, in each format: rows of the table of data sets."""

from tests.support.hostile.import_rows import (
    GOOD_BOX,
    Fate,
    ImportRow,
    coco_json,
    lay_coco,
    lay_coco_text,
    lay_csv,
    lay_voc,
    lay_yolo,
    voc_xml,
    write,
)
from tests.support.hostile.pictures import jpeg, zipped

TEXT_BOXES: dict[str, tuple[tuple[object, ...], Fate, str]] = {
    "nan": (("nan", 1, 20, 20), "problem", "not finite"),
    "infinity": ((1, 1, "inf", 20), "problem", "not finite"),
    "too large for a float": ((1, 1, "1e999", 20), "problem", "not finite"),
    "words": (("left", 1, 20, 20), "problem", "not four numbers"),
    "zero area": ((10, 10, 10, 40), "problem", "no area"),
    "inside out": ((40, 40, 10, 10), "problem", "no area"),
    "outside": ((500, 500, 600, 600), "problem", "outside the image"),
    "negative": ((-90, -90, -10, -10), "problem", "outside the image"),
    "over the border": ((60, 10, 150, 40), "problem", "cut off at the border"),
}


def _csv_box(box: tuple[object, ...]) -> str:
    return f"a.jpg,hairnet,{','.join(map(str, box))}"


LABELS = [
    *[
        ImportRow(f"voc box of {name}", "voc", lay_voc(box), fate, told)
        for name, (box, fate, told) in TEXT_BOXES.items()
    ],
    *[
        ImportRow(f"csv box of {name}", "csv", lay_csv(_csv_box(box)), fate, told)
        for name, (box, fate, told) in TEXT_BOXES.items()
    ],
    ImportRow("csv label without a box", "csv", lay_csv("a.jpg,hairnet,,,,"), "problem", "not four numbers"),
    ImportRow("csv box without a label", "csv", lay_csv("a.jpg,,1,1,20,20"), "problem", "a box without a label"),
    ImportRow("csv unknown class", "csv", lay_csv("a.jpg,zebra,1,1,20,20"), "refused", "zebra (1 boxes)"),
    ImportRow("csv 10,000 boxes", "csv", lay_csv("\n".join([_csv_box(GOOD_BOX)] * 10_000)), "fine"),
    ImportRow("yolo nan", "yolo", lay_yolo("0 nan 0.5 0.1 0.1"), "problem", "not finite"),
    ImportRow("yolo infinity", "yolo", lay_yolo("0 inf 0.5 0.1 0.1"), "problem", "not finite"),
    ImportRow("yolo words", "yolo", lay_yolo("hairnet 0.5 0.5 0.1 0.1"), "problem", "not a row of numbers"),
    ImportRow("yolo unknown class", "yolo", lay_yolo("99 0.5 0.5 0.1 0.1"), "problem", "class 99 is unknown"),
    ImportRow("yolo negative class", "yolo", lay_yolo("-1 0.5 0.5 0.1 0.1"), "problem", "class -1 is unknown"),
    ImportRow("yolo half a class", "yolo", lay_yolo("0.5 0.5 0.5 0.1 0.1"), "problem", "class 0.5 is unknown"),
    ImportRow("yolo class nan", "yolo", lay_yolo("nan 0.5 0.5 0.1 0.1"), "problem", "class nan is unknown"),
    ImportRow("yolo zero area", "yolo", lay_yolo("0 0.5 0.5 0 0.1"), "problem", "no area"),
    ImportRow("yolo negative size", "yolo", lay_yolo("0 0.5 0.5 -0.1 0.1"), "problem", "no area"),
    ImportRow("yolo outside", "yolo", lay_yolo("0 7.5 7.5 0.1 0.1"), "problem", "outside the image"),
    ImportRow("yolo too few columns", "yolo", lay_yolo("0 0.5 0.5"), "problem", "neither a box (5) nor a polygon"),
    ImportRow("yolo 10,000 boxes", "yolo", lay_yolo("0 0.5 0.5 0.1 0.1\n" * 10_000), "fine"),
    ImportRow("yolo binary labels", "yolo", lay_yolo(bytes(range(256))), "problem", "left out"),
    ImportRow("yolo zip as labels", "yolo", lay_yolo(zipped()), "problem", "left out"),
    ImportRow(
        "coco nan", "coco", lay_coco_text(coco_json("a.jpg").replace("10, 10", "NaN, 10")), "problem", "not finite"
    ),
    ImportRow(
        "coco infinity",
        "coco",
        lay_coco_text(coco_json("a.jpg").replace("10, 10", "-Infinity, 1")),
        "problem",
        "not finite",
    ),
    ImportRow(
        "coco too large for a float", "coco", lay_coco(bbox=[10**400, 1, 2, 3]), "problem", "not a box of four numbers"
    ),
    ImportRow("coco words", "coco", lay_coco(bbox=["a", 1, 2, 3]), "problem", "not a box of four numbers"),
    ImportRow("coco three numbers", "coco", lay_coco(bbox=[1, 2, 3]), "problem", "not a box of four numbers"),
    ImportRow("coco no box", "coco", lay_coco(bbox=None), "problem", "not a box of four numbers"),
    ImportRow("coco zero area", "coco", lay_coco(bbox=[10, 10, 0, 5]), "problem", "no area"),
    ImportRow("coco negative size", "coco", lay_coco(bbox=[10, 10, -5, -5]), "problem", "no area"),
    ImportRow("coco outside", "coco", lay_coco(bbox=[500, 500, 50, 50]), "problem", "outside the image"),
    ImportRow(
        "coco unknown category",
        "coco",
        lay_coco(categories=[{"id": 9, "name": "hairnet"}]),
        "problem",
        "category 1 is unknown",
    ),
    ImportRow(
        "coco crowd",
        "coco",
        lay_coco(annotations=[{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 1}]),
        "problem",
        "marks a crowd",
    ),
    ImportRow("coco 10,000 boxes", "coco", lay_coco(times=10_000), "fine"),
    ImportRow(
        "voc 10,000 boxes",
        "voc",
        lambda root: (
            (
                write(root / "JPEGImages" / "a.jpg", jpeg()),
                write(root / "Annotations" / "a.xml", voc_xml("a.jpg", times=10_000)),
            )[0]
            and None
        ),
        "fine",
    ),
    ImportRow(
        "voc unknown class",
        "voc",
        lambda root: (
            (
                write(root / "JPEGImages" / "a.jpg", jpeg()),
                write(root / "Annotations" / "a.xml", voc_xml("a.jpg", label="zebra")),
            )[0]
            and None
        ),
        "refused",
        "zebra (1 boxes)",
    ),
]
