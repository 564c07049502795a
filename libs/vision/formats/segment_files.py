"""Segments of clips in and out: start/stop/label tables, the two files of the PSKUS hand-washing set, MS-TCN's folders.

A mistake in one row is a sentence in `problems` and costs this row; a file that can't be read as a whole raises FormatError.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from libs.vision.formats.files import LARGEST_TABLE, RefusedPath, empty_folder, existing_folder, inside, read_text
from libs.vision.formats.items import FormatError
from libs.vision.formats.tables import rows_by_name
from libs.vision.segments import TimedSegment, labels_at, segments_of, timed

BACKGROUND = "background"
TABLE = "segments.csv"
TABLE_COLUMNS = ("clip", "start", "stop", "label", "annotator")
_ALSO_CALLED = {
    "file": "clip", "video": "clip", "clip_id": "clip", "start_seconds": "start", "begin": "start", "end": "stop",
    "end_seconds": "stop", "step": "label", "class": "label",
}  # fmt: skip

# Codes of the public hand-washing sets (Lulla et al., "Hand-Washing Video Dataset Annotated According to the World Health
# Organization's Hand-Washing Guidelines", Data 2021, 6, 38). 0 is everything else.
WASH_CODES: Mapping[int, str] = {
    1: "palm_to_palm",
    2: "palm_over_dorsum",
    3: "fingers_interlaced",
    4: "backs_of_fingers",
    5: "thumb",
    6: "fingertips",
    7: "faucet_off",
}


@dataclass(frozen=True, slots=True)
class LabelledSegments:
    """What one annotator says about one clip; `annotator` is empty where the file names none."""

    clip: str
    annotator: str
    segments: tuple[TimedSegment, ...]
    problems: tuple[str, ...] = ()


def read_segment_table(folder: Path | str, name: str = TABLE) -> list[LabelledSegments]:
    """Read segments.csv (or a table of another name): start, stop (seconds) and label, perhaps clip and annotator; comma, ; or tab.

    One entry for each clip and annotator, in the order of their first rows. Raises FormatError.
    """
    root = existing_folder(folder)
    rows = rows_by_name(root / name, _text(root, root / name), ("start", "stop", "label"), _ALSO_CALLED)
    found: dict[tuple[str, str], tuple[list[TimedSegment], list[str]]] = {}
    for line, row in rows:
        key = (row.get("clip", "").strip(), row.get("annotator", "").strip())
        segments, problems = found.setdefault(key, ([], []))
        parsed = _segment(row)
        if isinstance(parsed, str):
            problems.append(f"line {line}: {parsed}: left out")
        elif parsed.step != BACKGROUND:
            segments.append(parsed)
    return [
        LabelledSegments(clip, annotator, tuple(sorted(segments, key=lambda s: s.start)), tuple(problems))
        for (clip, annotator), (segments, problems) in found.items()
    ]


def write_segment_table(entries: Iterable[LabelledSegments], folder: Path | str) -> int:
    """Write segments.csv into a folder that has none; numbers return exactly. Returns the number of rows."""
    path = Path(folder) / TABLE
    rows = [
        (entry.clip, repr(float(each.start)), repr(float(each.end)), each.step, entry.annotator)
        for entry in entries
        for each in entry.segments
    ]
    with path.open("x", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([TABLE_COLUMNS, *rows])
    return len(rows)


def read_pskus_csv(folder: Path | str, name: str, *, names: Mapping[int, str] = WASH_CODES) -> LabelledSegments:
    """Read one annotator's `frame_time,is_washing,movement_code`: one row a frame, seconds or milliseconds.

    The annotator is the folder the file lies in. Milliseconds are told by frames that lie more than one apart.
    """
    root = existing_folder(folder)
    path = root / name
    times, labels, problems = list[float](), list[str](), list[str]()
    for line, row in rows_by_name(path, _text(root, path), ("frame_time", "is_washing", "movement_code"), _ALSO_CALLED):
        try:
            moment, label = float(row["frame_time"]), _label(row["is_washing"], row["movement_code"], names)
        except (ValueError, OverflowError) as error:
            problems.append(f"line {line}: {error}: left out")
            continue
        if not math.isfinite(moment) or (times and moment <= times[-1]):
            problems.append(f"line {line}: the time {row['frame_time']!r} does not follow the one before: left out")
            continue
        times.append(moment)
        labels.append(label)
    return LabelledSegments(path.stem, path.parent.name, _by_time(times, labels), tuple(problems))


def read_pskus_json(
    folder: Path | str, name: str, *, frames_per_second: float, names: Mapping[int, str] = WASH_CODES
) -> LabelledSegments:
    """Read one annotator's `{"labels": [{"is_washing", "code"}, ...]}`: an entry a frame. Raises FormatError."""
    root = existing_folder(folder)
    path = root / name
    entries = _json_labels(path, _text(root, path))
    labels, problems = list[str](), list[str]()
    for number, entry in enumerate(entries):
        try:
            labels.append(_label(entry["is_washing"], entry["code"], names))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            labels.append(BACKGROUND)
            problems.append(f"frame {number}: {error!s}: taken as background")
    segments = timed(segments_of(labels), frames_per_second=frames_per_second, background=BACKGROUND)
    return LabelledSegments(path.stem, path.parent.name, segments, tuple(problems))


def read_mstcn(folder: Path | str, *, frames_per_second: float) -> tuple[list[LabelledSegments], tuple[str, ...]]:
    """Read `groundTruth/<clip>.txt` (a label a frame) and `mapping.txt` (number and label); returns clips and all labels.

    Raises FormatError without a mapping, or if it gives a number twice. A label that the mapping lacks is a problem.
    """
    root = existing_folder(folder)
    mapping = _mapping(root)
    clips: list[LabelledSegments] = []
    for path in sorted((root / "groundTruth").glob("*.txt")):
        labels = [line.strip() for line in _text(root, path).splitlines() if line.strip()]
        strangers = sorted(set(labels) - set(mapping))
        problems = tuple(f"the label {each!r} is not in mapping.txt: taken as background" for each in strangers)
        known = [label if label in mapping else BACKGROUND for label in labels]
        segments = timed(segments_of(known), frames_per_second=frames_per_second, background=BACKGROUND)
        clips.append(LabelledSegments(path.stem, "", segments, problems))
    return clips, mapping


def read_bundle(folder: Path | str, name: str) -> list[str]:
    """The clips of one split: the stems of the lines of `splits/<name>.bundle`. Raises FormatError."""
    root = existing_folder(folder)
    lines = _text(root, root / "splits" / f"{name}.bundle").splitlines()
    return [Path(line.strip().replace("\\", "/")).stem for line in lines if line.strip()]


def write_mstcn(
    clips: Sequence[tuple[LabelledSegments, int]],
    folder: Path | str,
    *,
    labels: Sequence[str],
    frames_per_second: float,
    splits: Mapping[str, Sequence[str]],
) -> None:
    """Write groundTruth/, mapping.txt and splits/ of clips with their numbers of frames into an empty folder.

    A frame has the label of its middle. The background is the first number. Raises FormatError.
    """
    root = empty_folder(folder)
    (root / "groundTruth").mkdir()
    (root / "splits").mkdir()
    known = (BACKGROUND, *(label for label in labels if label != BACKGROUND))
    (root / "mapping.txt").write_text("".join(f"{n} {label}\n" for n, label in enumerate(known)), encoding="utf-8")
    for entry, frames in clips:
        middles = [(number + 0.5) / frames_per_second for number in range(frames)]
        text = "".join(f"{label}\n" for label in labels_at(entry.segments, middles, background=BACKGROUND))
        (root / "groundTruth" / f"{entry.clip}.txt").write_text(text, encoding="utf-8")
    for name, members in splits.items():
        text = "".join(f"{clip}.txt\n" for clip in members)
        (root / "splits" / f"{name}.bundle").write_text(text, encoding="utf-8")


def _text(root: Path, path: Path) -> str:
    try:
        return read_text(inside(root, path), at_most=LARGEST_TABLE)
    except (OSError, RefusedPath) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise FormatError(f"{path} cannot be read: {why}") from error


def _segment(row: Mapping[str, str]) -> TimedSegment | str:
    """The segment of a row, or what is wrong with it."""
    try:
        start, stop = float(row.get("start", "")), float(row.get("stop", ""))
    except ValueError:
        return f"{[row.get('start', ''), row.get('stop', '')]} are not two numbers"
    label = row.get("label", "").strip()
    if not label:
        return "a segment without a label"
    if not (math.isfinite(start) and math.isfinite(stop) and 0 <= start < stop):
        return f"from {start:g} to {stop:g} is no stretch of time"
    return TimedSegment(label, start, stop)


def _label(washing: object, code: object, names: Mapping[int, str]) -> str:
    """The step of a frame. Raises ValueError for what is no number, and for a code nobody knows."""
    number = int(float(str(code)))
    if float(str(washing)) == 0 or number == 0:
        return BACKGROUND
    if number not in names:
        raise ValueError(f"the movement code {number} is not one of 0, {', '.join(map(str, names))}")
    return names[number]


def _by_time(times: Sequence[float], labels: Sequence[str]) -> tuple[TimedSegment, ...]:
    """Segments in seconds; a frame lasts until the next one, the last as long as the frames do in the middle."""
    if len(times) < 2:
        return ()
    steps = sorted(b - a for a, b in pairwise(times))
    step = steps[len(steps) // 2]
    unit = 1000.0 if step > 1 else 1.0
    ends = [*times[1:], times[-1] + step]
    return tuple(
        TimedSegment(segment.label, times[segment.start] / unit, ends[segment.end - 1] / unit)
        for segment in segments_of(labels)
        if segment.label != BACKGROUND
    )


def _json_labels(path: Path, text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON: {error}") from error
    entries = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise FormatError(f'{path} has no list "labels": one entry with is_washing and code for each frame is needed')
    return entries


def _mapping(root: Path) -> tuple[str, ...]:
    numbers: dict[int, str] = {}
    for line, text in enumerate(_text(root, root / "mapping.txt").splitlines(), 1):
        number, _, label = text.strip().partition(" ")
        if not text.strip():
            continue
        if not number.isdecimal() or not label.strip() or int(number) in numbers:
            raise FormatError(f"mapping.txt, line {line}: {text!r} is no new number with a label")
        numbers[int(number)] = label.strip()
    return tuple(numbers[number] for number in sorted(numbers))
