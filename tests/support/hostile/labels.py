"""Labels nobody can learn from, as JSON that comes with a snapshot: one row each, for HTTP metadata and for events.

`refused`: words of the answer of ingest (422) and of the dead letter; the snapshot is not taken. `asked`: the snapshot is
taken, and a person is asked about it with these words. Neither: the labels are believed. Both: ingest refuses what the
cleaner leaves out and asks about.
"""

import json
from dataclasses import dataclass

HUGE = 10_000


@dataclass(frozen=True)
class LabelRow:
    """Annotations as JSON text, and their fate."""

    name: str
    annotations: str
    refused: str | None = None
    asked: str | None = None

    @property
    def detections(self) -> str:
        """The same as detections: each with a confidence."""
        return self.annotations.replace('"box"', '"confidence": 0.9, "box"')


def box(*corners: object, label: object = "hairnet") -> str:
    """One annotation; corners are JSON text or numbers."""
    return f'[{{"label": {json.dumps(label)}, "box": [{", ".join(map(str, corners))}]}}]'


NOT_FINITE = "should be a finite number"
OUTSIDE = "is empty or not inside the"
LABELS = [
    LabelRow("nan", box("NaN", 1, 20, 20), NOT_FINITE),
    LabelRow("infinity", box(1, 1, "Infinity", 20), NOT_FINITE),
    LabelRow("minus infinity", box("-Infinity", 1, 20, 20), NOT_FINITE),
    LabelRow("too large for a float", box(1, 1, "1e999", 20), NOT_FINITE),
    LabelRow("null", box("null", 1, 20, 20), "should be a valid number"),
    LabelRow("words", box('"left"', 1, 20, 20), "should be a valid number"),
    LabelRow("a list for a number", box("[1]", 1, 20, 20), "should be a valid number"),
    LabelRow("three numbers", box(1, 1, 20), r"box\.3\W+Field required"),
    LabelRow("five numbers", box(1, 1, 20, 20, 5), "at most 4 items"),
    LabelRow("no box", '[{"label": "hairnet"}]', r"box\W+Field required"),
    LabelRow("a box that is an object", '[{"label": "hairnet", "box": {"x": 1}}]', "should be a valid (tuple|array)"),
    LabelRow("no label", '[{"box": [1, 1, 20, 20]}]', r"label\W+Field required"),
    LabelRow("a label that is a number", box(1, 1, 20, 20, label=7), "should be a valid string"),
    LabelRow("a label that is null", box(1, 1, 20, 20, label=None), "should be a valid string"),
    LabelRow("a label with U+0000", box(1, 1, 20, 20, label="hair\x00net"), "U\\+0000", asked="none of the classes"),
    LabelRow(
        "half a character",
        '[{"label": "\\ud800", "box": [1, 1, 20, 20]}]',
        "surrogate|Invalid JSON",
        asked="none of the classes",
    ),
    LabelRow("a word for the list", '"hairnet"', "should be a valid (tuple|array)"),
    LabelRow("an object for the list", '{"label": "hairnet"}', "should be a valid (tuple|array)"),
    LabelRow("numbers for labels", "[1, 2]", "should be (a valid dictionary|an object)"),
    LabelRow("lists without end", "[" * 5000 + "]" * 5000, "recursion limit|Invalid JSON|RecursionError"),
    LabelRow("10,000 boxes", json.dumps(json.loads(box(1, 1, 20, 20)) * HUGE), "at most 2000 items"),
    LabelRow("negative", box(-90, -90, -10, -10), asked=OUTSIDE),
    LabelRow("outside", box(1000, 1000, 1100, 1100), asked=OUTSIDE),
    LabelRow("zero area", box(10, 10, 10, 40), asked=OUTSIDE),
    LabelRow("inside out", box(40, 40, 10, 10), asked=OUTSIDE),
    LabelRow("as large as a float", box("-1e308", "-1e308", "1e308", "1e308"), asked=OUTSIDE),
    LabelRow("mostly outside", box(80, 10, 160, 40), asked=OUTSIDE),
    LabelRow("unknown class", box(1, 1, 20, 20, label="zebra"), asked="none of the classes"),
    LabelRow("empty class", box(1, 1, 20, 20, label=""), asked="none of the classes"),
    LabelRow("a class of thousands of letters", box(1, 1, 20, 20, label="x" * 20_000), asked="xxx...'"),
    LabelRow("a class that is markup", box(1, 1, 20, 20, label="<script>"), asked="none of the classes"),
    LabelRow(
        "a thousand mistakes", json.dumps(json.loads(box(1, 1, 20, 20, label="zebra")) * 1000), asked="and 995 more"
    ),
    LabelRow("a number as text", box('"1"', 1, 20, 20)),
    LabelRow("a hand that slipped", box(70, 10, 100, 40)),
    LabelRow("no label at all", "[]"),
]
