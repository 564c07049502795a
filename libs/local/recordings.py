"""Pictures or clips in a folder as a camera: what it would have sent."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from libs.local.sending import Outgoing
from libs.vision.formats.clip_reading import read_table_clips
from libs.vision.formats.files import existing_folder, image_files, spoken, video_files
from libs.vision.formats.items import FormatError
from libs.vision.formats.segment_files import TABLE, LabelledSegments, read_segment_table
from libs.vision.segments import TimedSegment

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class BadSidecar(ValueError):
    """What lies beside a picture, or was given as its labels, is not what it should be; the text names the file."""


class BadZone(ValueError):
    """What was given as a zone is none."""


def parse_zone(text: str) -> tuple[float, float, float, float]:
    """`"0.1,0,0.9,1"` as a box of shares. Raises BadZone."""
    try:
        left, top, right, bottom = (float(each) for each in text.split(","))
    except ValueError:
        raise BadZone(f"--zone {text!r} is not LEFT,TOP,RIGHT,BOTTOM, such as 0.2,0,0.8,1") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise BadZone(
            f"--zone {text!r} is no box within the picture: shares of 0 to 1, left before right, top before bottom"
        )
    return left, top, right, bottom


@dataclass(frozen=True)
class Camera:
    """In whose name snapshots are sent. Without a workflow, those that watch the camera take them."""

    camera_id: str
    workflow: str | None = None

    def facts(self) -> dict[str, JsonValue]:
        """What is the same for all its snapshots."""
        facts: dict[str, JsonValue] = {"camera_id": self.camera_id}
        return facts | {"workflow": self.workflow} if self.workflow else facts


def snapshot_of_file(path: Path, camera: Camera, *, labels: Path | None = None) -> Outgoing:
    """One picture; what is known of it lies in `labels`, or beside it in `<name>.json`. Raises BadSidecar, OSError.

    Without a time in it, the file's own is taken: the same file sent again is the same snapshot.
    """
    beside = path.with_name(f"{path.name}.json")
    known = read_labels(labels) if labels else read_labels(beside) if beside.is_file() else {}
    return Outgoing(spoken(Path(path.name)), path.read_bytes, {"captured_at": taken_at(path)} | known | camera.facts())


def clip_of_file(
    path: Path, camera: Camera, *, labels: Path | None = None, recording: str | None = None, person: str | None = None
) -> Outgoing:
    """One clip, with the segments of `labels` (a table of start, stop and label). Raises FormatError, BadSidecar, OSError.

    `recording` is what it was cut from, `person` who is seen, where that is known.
    """
    known = {"source_group": recording, "subject_id": person}
    facts: dict[str, JsonValue] = {name: value for name, value in known.items() if value}
    return _clip(path, camera, None if labels is None else _one_clip(labels).segments, facts)


def _clip(
    path: Path, camera: Camera, segments: Iterable[TimedSegment] | None, more: Mapping[str, JsonValue]
) -> Outgoing:
    said: dict[str, JsonValue] = {} if segments is None else {"segments": segment_facts(segments)}
    facts = {"captured_at": taken_at(path)} | camera.facts() | said | dict(more)
    return Outgoing(spoken(Path(path.name)), path.read_bytes, facts, kind="clip")


def segment_facts(segments: Iterable[TimedSegment]) -> list[JsonValue]:
    """Segments as ingest takes them."""
    return [{"step": each.step, "start_seconds": each.start, "end_seconds": each.end} for each in segments]


def segments_of_table(table: Path) -> list[JsonValue]:
    """The steps of one clip, from a table of start, stop and label. Raises FormatError, BadSidecar."""
    return segment_facts(_one_clip(table).segments)


def _one_clip(table: Path) -> LabelledSegments:
    return _one_opinion(table, read_segment_table(table.parent, table.name)) or LabelledSegments("", "", ())


def _one_opinion(table: Path, entries: Sequence[LabelledSegments]) -> LabelledSegments | None:
    """Raises BadSidecar for several entries, and for one in which something is wrong."""
    if len(entries) > 1:
        raise BadSidecar(f"{table} tells of {len(entries)} clips or annotators: give one file for each")
    for entry in entries:
        if entry.problems:
            raise BadSidecar(f"{table}: {'; '.join(entry.problems)}")
        return entry
    return None


def taken_at(path: Path) -> str:
    """The file's own time, ISO 8601. Archives without times leave 1970 or 1980, and copies may lie ahead: brought to what
    a camera's clock can say."""
    return min(max(datetime.fromtimestamp(path.stat().st_mtime, UTC), _EARLIEST), datetime.now(UTC)).isoformat()


def read_labels(path: Path) -> dict[str, JsonValue]:
    """`{"annotations": [{"label", "box": [x1, y1, x2, y2]}], "captured_at", ...}`, or only the list of annotations."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise BadSidecar(f"{path} is not readable JSON: {error}") from error
    if isinstance(content, list):
        return {"annotations": cast("list[JsonValue]", content)}
    if not isinstance(content, dict):
        raise BadSidecar(f'{path} holds neither a list of annotations nor {{"annotations": [...]}}')
    return cast("dict[str, JsonValue]", content)


def snapshots_of_folder(folder: Path, camera: Camera, *, on_bad: Callable[[str, str], None]) -> Iterator[Outgoing]:
    """Every picture below a folder, by name; `on_bad(name, why)` hears of those whose sidecar can't be used.

    Raises FormatError when there is no such folder.
    """
    root = existing_folder(folder)
    for path in image_files(root):
        try:
            outgoing = snapshot_of_file(path, camera)
        except (BadSidecar, OSError) as error:
            on_bad(spoken(Path(path.name)), str(error))
            continue
        yield Outgoing(spoken(path.relative_to(root)), outgoing.load, outgoing.facts)


def clips_of_folder(folder: Path, camera: Camera, *, on_bad: Callable[[str, str], None]) -> Iterator[Outgoing]:
    """Every clip below a folder, by name, with the segments of `<name>.csv` beside it or of the folder's segments.csv.

    `on_bad(name, why)` hears of those whose segments can't be used. Raises FormatError when there is no such folder.
    """
    root = existing_folder(folder)
    said = _said_in_table(root, on_bad) if (root / TABLE).is_file() else {}
    for path in video_files(root):
        name, beside = spoken(path.relative_to(root)), path.with_name(f"{path.name}.csv")
        try:
            entry = _one_clip(beside) if beside.is_file() else _one_opinion(root / TABLE, said.get(path.resolve(), ()))
            outgoing = _clip(path, camera, None if entry is None else entry.segments, {})
        except (FormatError, BadSidecar, OSError) as error:
            on_bad(name, str(error))
            continue
        yield Outgoing(name, outgoing.load, outgoing.facts, kind="clip")


def _said_in_table(root: Path, on_bad: Callable[[str, str], None]) -> dict[Path, Sequence[LabelledSegments]]:
    found = read_table_clips(root, lambda _: {})
    for clip in found:
        if clip.path is None:
            on_bad(clip.name, "; ".join(clip.problems))
    return {clip.path: clip.said for clip in found if clip.path is not None}
