"""Clips of a data set with what people said of them: videos found beside tables, PSKUS' folders or MS-TCN's folders.

Files that give a label a frame need the rate of the video; `rates` finds out, for it means to open a stranger's file.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from libs.vision.formats.files import RefusedPath, existing_folder, inside, read_text, video_files
from libs.vision.formats.items import FormatError
from libs.vision.formats.segment_files import (
    TABLE,
    WASH_CODES,
    LabelledSegments,
    read_mstcn,
    read_pskus_csv,
    read_pskus_json,
    read_segment_table,
)
from libs.vision.segments import TimedSegment

Rates = Callable[[Sequence[Path]], Mapping[Path, float]]
"""Pictures a second of each video that can be opened."""
_PLACES = ("clips", "videos")


@dataclass(frozen=True, slots=True)
class FoundClip:
    """A clip: its video (None where there is none) and an entry for each annotator; none: nobody said anything of it.

    `problems` says what was wrong and left out, one sentence each.
    """

    name: str
    path: Path | None
    said: tuple[LabelledSegments, ...] = ()
    problems: tuple[str, ...] = ()


class Videos:
    """The videos below a folder, by what tables call them: path, name, or name without suffix."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = list(video_files(root))
        self._by_name: dict[str, list[Path]] = {}
        for path in self.paths:
            for name in self._names(path):
                self._by_name.setdefault(name, []).append(path)

    def find(self, name: str) -> Path:
        """The video of that name; the only one for an empty name. Raises RefusedPath for none, or more than one."""
        plain = str(PurePosixPath(name.replace("\\", "/"))) if name else ""
        found = self._by_name.get(plain, []) if name else self.paths
        if len(found) != 1:
            what = f"called {name!r}" if name else "there for rows that name no clip"
            raise RefusedPath(f"{len(found) or 'no'} videos are {what} below {self.root}: one is needed")
        return inside(self.root, found[0])

    def _names(self, path: Path) -> set[str]:
        relative = path.relative_to(self.root)
        places = {relative, Path(path.name)}
        if relative.parts[0] in _PLACES:
            places.add(Path(*relative.parts[1:]))
        return {place.as_posix() for each in places for place in (each, each.with_suffix(""))}


def read_table_clips(folder: Path, rates: Rates) -> list[FoundClip]:
    """segments.csv (clip, start, stop, label, perhaps annotator) and videos beside, in clips/ or anywhere below.

    `folder` may also be the table itself, whatever its name. A video that no row names is not labelled. Raises FormatError.
    """
    del rates  # its times are seconds
    table = folder if folder.is_file() else folder / TABLE
    videos = Videos(existing_folder(table.parent))
    found = _joined(videos, read_segment_table(videos.root, table.name))
    named = {each.path for each in found}
    rest = [path for path in videos.paths if path.resolve() not in named]
    return [*found, *(_unlabelled(videos.root, path) for path in rest)]


def read_pskus_clips(folder: Path, rates: Rates) -> list[FoundClip]:
    """Videos, and a folder for each annotator with `<clip>.csv` or, where there is none, `<clip>.json`. Raises FormatError."""
    videos = Videos(existing_folder(folder))
    tables = [path for path in _below(videos.root, ".csv") if _is_pskus_table(videos.root, path)]
    by_csv = {(path.parent, path.stem) for path in tables}
    lists = [path for path in _below(videos.root, ".json") if (path.parent, path.stem) not in by_csv]
    entries = [read_pskus_csv(videos.root, _relative(videos.root, path)) for path in tables]
    entries += _with_rates(videos, _pskus_lists(videos.root, lists), rates)
    if not entries:
        raise FormatError(
            f"No annotation below {videos.root}: <annotator>/<clip>.csv with frame_time, is_washing and movement_code, or "
            "<clip>.json is needed"
        )
    return _joined(videos, entries)


def read_mstcn_clips(folder: Path, rates: Rates) -> list[FoundClip]:
    """groundTruth/, mapping.txt and videos anywhere below; a line of groundTruth is a frame of the video. Raises FormatError."""
    videos = Videos(existing_folder(folder))
    entries, _ = read_mstcn(videos.root, frames_per_second=1.0)
    if not entries:
        raise FormatError(f"There is no groundTruth/<clip>.txt in {videos.root}")
    return _joined(videos, _with_rates(videos, entries, rates))


def _joined(videos: Videos, entries: Iterable[LabelledSegments]) -> list[FoundClip]:
    """One clip for each video, with all that is said of it, by whatever names; one for each name without a video."""
    by_clip: dict[Path | str, list[LabelledSegments]] = {}
    for entry in entries:
        by_clip.setdefault(_or_none(videos, entry.clip) or entry.clip, []).append(entry)
    return [_found(videos, _by_annotator(said)) for said in by_clip.values()]


def _by_annotator(said: Sequence[LabelledSegments]) -> list[LabelledSegments]:
    """One entry for each annotator, also of one who calls the clip by several names."""
    joined: dict[str, LabelledSegments] = {}
    for entry in said:
        known = joined.get(entry.annotator, replace(entry, segments=(), problems=()))
        segments = sorted((*known.segments, *entry.segments), key=lambda each: each.start)
        problems = (*known.problems, *entry.problems)
        joined[entry.annotator] = replace(known, segments=tuple(segments), problems=problems)
    return list(joined.values())


def _found(videos: Videos, said: Sequence[LabelledSegments]) -> FoundClip:
    name = said[0].clip
    problems = tuple(problem for entry in said for problem in entry.problems)
    try:
        return FoundClip(name, videos.find(name), tuple(said), problems)
    except RefusedPath as error:
        return FoundClip(name, None, tuple(said), (str(error),))


def _unlabelled(root: Path, path: Path) -> FoundClip:
    name = _relative(root, path)
    try:
        return FoundClip(name, inside(root, path))
    except RefusedPath as error:
        return FoundClip(name, None, (), (str(error),))


def _with_rates(videos: Videos, entries: Sequence[LabelledSegments], rates: Rates) -> list[LabelledSegments]:
    """Entries whose times are frames, in seconds; one whose video can't be opened stays without segments, and says so."""
    paths = {entry.clip: path for entry in entries if (path := _or_none(videos, entry.clip)) is not None}
    known = rates(sorted(set(paths.values()))) if paths else {}
    return [_in_seconds(entry, known.get(paths[entry.clip]) if entry.clip in paths else 1.0) for entry in entries]


def _in_seconds(entry: LabelledSegments, rate: float | None) -> LabelledSegments:
    if rate is None:
        problem = "the video can't be opened, so that nobody knows when its frames are"
        return replace(entry, segments=(), problems=(*entry.problems, problem))
    return replace(entry, segments=tuple(TimedSegment(s.step, s.start / rate, s.end / rate) for s in entry.segments))


def _or_none(videos: Videos, name: str) -> Path | None:
    try:
        return videos.find(name)
    except RefusedPath:
        return None


def _below(root: Path, suffix: str) -> Iterator[Path]:
    return (path for path in sorted(root.rglob(f"*{suffix}")) if path.is_file() and not path.name.startswith("."))


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _is_pskus_table(root: Path, path: Path) -> bool:
    # Summaries of the whole set lie beside, as CSV too.
    try:
        return "movement_code" in read_text(inside(root, path)).partition("\n")[0]
    except (OSError, RefusedPath):
        return False


def _pskus_lists(root: Path, paths: Iterable[Path]) -> list[LabelledSegments]:
    found: list[LabelledSegments] = []
    for path in paths:
        try:
            whole = json.loads(read_text(inside(root, path)))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(whole, dict) and "labels" in whole:
            found.append(read_pskus_json(root, _relative(root, path), frames_per_second=1.0, names=WASH_CODES))
    return found
