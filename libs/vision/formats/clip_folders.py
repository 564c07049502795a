"""Folders of clips to write: the files by split, and their segments as one table or as MS-TCN's folders."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.vision.formats.files import empty_folder
from libs.vision.formats.placing import FilePlacer
from libs.vision.formats.segment_files import BACKGROUND, LabelledSegments, write_mstcn, write_segment_table
from libs.vision.segments import TimedSegment

CLIPS = "clips"
GROUPS = "groups.csv"


@dataclass(frozen=True, slots=True)
class ClipItem:
    """One clip to write. `segments` is None where nobody said anything; `group` is what never crosses splits with it."""

    file_name: str
    source: Path | bytes
    seconds: float
    frames_per_second: float
    segments: tuple[TimedSegment, ...] | None
    split: str
    group: str
    annotator: str = ""


@dataclass(frozen=True, slots=True)
class ExportedClips:
    """What a writer wrote."""

    clips: int
    segments: int


def write_clip_table(items: Iterable[ClipItem], folder: Path | str) -> ExportedClips:
    """Write clips/<split>/, segments.csv and groups.csv; seconds return exactly. Raises FormatError.

    A clip in which nothing happens has one row of background from its begin to its end: it is known to be empty.
    """
    root = empty_folder(folder)
    placed = _placed(items, root)
    entries = [
        LabelledSegments(f"{each.split}/{each.file_name}", each.annotator, each.segments or _nothing(each))
        for each in placed
        if each.segments is not None
    ]
    write_segment_table(entries, root)
    with (root / GROUPS).open("x", encoding="utf-8", newline="") as file:
        rows = [(each.file_name, each.group) for each in placed]
        csv.writer(file, lineterminator="\n").writerows([("file", "source_group"), *rows])
    return _counted(placed)


def write_clip_frames(items: Iterable[ClipItem], folder: Path | str, labels: Sequence[str]) -> ExportedClips:
    """Write MS-TCN's folders, a label for each of a clip's own frames, and clips/<split>/ beside them. Raises FormatError."""
    root = empty_folder(folder)
    # In units of frames, and one a unit: clips may have different rates.
    placed = list(items)
    spoken = [each for each in placed if each.segments is not None]
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for each in spoken:
        splits.setdefault(each.split, []).append(Path(each.file_name).stem)
    write_mstcn([_in_frames(each) for each in spoken], root, labels=labels, frames_per_second=1.0, splits=splits)
    return _counted(_placed(placed, root))


def _placed(items: Iterable[ClipItem], root: Path) -> list[ClipItem]:
    placer, placed = FilePlacer(root), list[ClipItem]()
    for item in items:
        placer.put(item, f"{CLIPS}/{item.split}", key=Path(item.file_name).stem)
        placed.append(item)
    return placed


def _counted(items: Sequence[ClipItem]) -> ExportedClips:
    return ExportedClips(len(items), sum(len(each.segments or ()) for each in items))


def _nothing(item: ClipItem) -> tuple[TimedSegment, ...]:
    return (TimedSegment(BACKGROUND, 0.0, item.seconds),)


def _in_frames(item: ClipItem) -> tuple[LabelledSegments, int]:
    rate = item.frames_per_second
    segments = tuple(TimedSegment(s.step, s.start * rate, s.end * rate) for s in item.segments or ())
    return LabelledSegments(Path(item.file_name).stem, item.annotator, segments), max(1, round(item.seconds * rate))
