"""Pictures in a folder as a camera: the snapshots it would have sent."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from libs.local.sending import Outgoing
from libs.vision.formats.files import existing_folder, image_files, spoken
from libs.vision.formats.segment_files import LabelledSegments, read_segment_table

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class BadSidecar(ValueError):
    """What lies beside a picture, or was given as its labels, is not what it should be; the text names the file."""


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
    facts: dict[str, JsonValue] = {"captured_at": taken_at(path)} | camera.facts()
    if labels is not None:
        facts["segments"] = segments_of_table(labels)
    known = {"source_group": recording, "subject_id": person}
    facts |= {name: value for name, value in known.items() if value}
    return Outgoing(spoken(Path(path.name)), path.read_bytes, facts, kind="clip")


def segments_of_table(table: Path) -> list[JsonValue]:
    """The steps of one clip, from a table of start, stop and label. Raises FormatError, BadSidecar."""
    return [
        {"step": each.step, "start_seconds": each.start, "end_seconds": each.end} for each in _one_clip(table).segments
    ]


def _one_clip(table: Path) -> LabelledSegments:
    entries = read_segment_table(table.parent, table.name)
    if len(entries) > 1:
        raise BadSidecar(f"{table} tells of {len(entries)} clips or annotators: give one file for each")
    for entry in entries:
        if entry.problems:
            raise BadSidecar(f"{table}: {'; '.join(entry.problems)}")
        return entry
    return LabelledSegments("", "", ())


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
