"""From a dataset version to a folder in somebody's format: the manifest, then every object, checked by its digest."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from libs.common.errors import Permanent
from libs.common.events import Media
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.objects import Objects
from libs.vision.boxes import Annotation
from libs.vision.formats.clip_folders import ClipItem, ExportedClips, write_clip_frames, write_clip_table
from libs.vision.formats.coco import write_coco
from libs.vision.formats.csv_file import write_csv
from libs.vision.formats.files import empty_folder
from libs.vision.formats.items import Exported, ExportItem, FormatError
from libs.vision.formats.yolo import write_yolo
from libs.vision.segments import TimedSegment

Format = Literal["yolo", "coco", "csv", "segments", "mstcn"]
Kind = Literal["image", "clip"]
FORMATS: Mapping[Kind, tuple[Format, ...]] = {"image": ("yolo", "coco", "csv"), "clip": ("segments", "mstcn")}
"""Which formats hold samples of a kind; the first is taken where none is named."""
_AT_ONCE = 16
_SUFFIXES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/bmp": ".bmp", "video/mp4": ".mp4",
    "video/quicktime": ".mov", "video/webm": ".webm", "video/x-matroska": ".mkv", "video/x-msvideo": ".avi",
    "video/mp2t": ".ts",
}  # fmt: skip


@dataclass(frozen=True)
class DatasetVersion:
    """What has to be known of a dataset version to export it."""

    manifest: Media
    classes: Sequence[str]


async def export(
    version: DatasetVersion,
    objects: Objects,
    *,
    format_name: Format | None,
    folder: Path,
    on_start: Callable[[int], Callable[[], None]],
) -> Exported | ExportedClips:
    """Write the version to `folder`, which must be empty. `on_start(samples)` gives what to call after each sample.

    Without a format, the first of FORMATS that fits. Raises FormatError for a folder that is not empty and a format that
    can't hold such samples, `Permanent` for an object that is not what the manifest says.
    """
    lines = list(read_manifest(await objects.get(version.manifest.uri, expected_sha256=version.manifest.sha256)))
    format_name = fitting_format(format_name, lines)
    empty_folder(folder)
    # Beside the export, so that files are linked into it and not copied.
    with tempfile.TemporaryDirectory(dir=folder.resolve().parent, prefix=f".{folder.name}-") as temporary:
        cache = Path(temporary)
        await _fetch(lines, objects, cache, on_start(len(lines)))
        return await asyncio.to_thread(_write, lines, cache, format_name, folder, version.classes)


def fitting_format(wanted: Format | None, lines: Sequence[ManifestLine]) -> Format:
    """The format wanted, or the usual one. Raises FormatError for one that can't hold these samples; it says which can."""
    kind: Kind = lines[0].kind if lines else "image"
    fitting = FORMATS[kind]
    if wanted is not None and wanted not in fitting:
        raise FormatError(
            f"The format {wanted} holds no {kind}s, and {kind}s are what this version is made of: use --format {' or '.join(fitting)}"
        )
    return wanted or fitting[0]


async def _fetch(lines: Sequence[ManifestLine], objects: Objects, cache: Path, step: Callable[[], None]) -> None:
    waiting = iter(lines)

    async def worker() -> None:
        for line in waiting:
            await objects.get_file(line.media.uri, cache / file_name(line), expected_sha256=line.media.sha256)
            step()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(lines))):
                group.create_task(worker())
    except ExceptionGroup as troubles:
        raise troubles.exceptions[0] from None  # the others say the same of other objects


def _item(line: ManifestLine, cache: Path) -> ExportItem:
    width, height = line.media.width, line.media.height
    if width is None or height is None:
        raise Permanent(f"Sample {line.sample_id} has no size in the manifest: build a new dataset version")
    annotations = tuple(Annotation(each.label, each.box) for each in line.annotations)
    return ExportItem(file_name(line), cache / file_name(line), width, height, annotations, line.split)


def file_name(line: ManifestLine) -> str:
    """How a sample's file is called in every export."""
    return f"{line.sample_id}{_SUFFIXES.get(line.media.content_type, Path(line.media.uri).suffix)}"


def _clip_item(line: ManifestLine, cache: Path) -> ClipItem:
    seconds, rate = line.media.duration_seconds, line.media.fps
    if not seconds or not rate:
        raise Permanent(f"Sample {line.sample_id} has no length or rate in the manifest: build a new dataset version")
    given = line.segments
    segments = (
        None
        if given is None
        else tuple(TimedSegment(each.step, each.start_seconds, each.end_seconds) for each in given)
    )
    name = file_name(line)
    return ClipItem(name, cache / name, seconds, rate, segments, line.split, line.leakage_group, line.annotated_by)


def _write(
    lines: Iterable[ManifestLine], cache: Path, format_name: Format, folder: Path, classes: Sequence[str]
) -> Exported | ExportedClips:
    if format_name == "segments":
        return write_clip_table((_clip_item(line, cache) for line in lines), folder)
    if format_name == "mstcn":
        # The first class of a procedure is its background, which MS-TCN's files have by their own name.
        return write_clip_frames((_clip_item(line, cache) for line in lines), folder, classes[1:])
    items = (_item(line, cache) for line in lines)
    if format_name == "csv":
        return write_csv(items, folder)
    return (write_yolo if format_name == "yolo" else write_coco)(items, folder, classes)
