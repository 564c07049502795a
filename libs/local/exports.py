"""From a dataset version to a folder in somebody's format: the manifest, then every object, checked by its digest."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from libs.common.errors import Permanent
from libs.common.events import Media
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.objects import Objects
from libs.vision.boxes import Annotation
from libs.vision.formats.coco import write_coco
from libs.vision.formats.csv_file import write_csv
from libs.vision.formats.files import empty_folder
from libs.vision.formats.items import Exported, ExportItem
from libs.vision.formats.yolo import write_yolo

Format = Literal["yolo", "coco", "csv"]
_AT_ONCE = 16
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/bmp": ".bmp"}


@dataclass(frozen=True)
class DatasetVersion:
    """What has to be known of a dataset version to export it."""

    manifest: Media
    classes: Sequence[str]


async def export(
    version: DatasetVersion,
    objects: Objects,
    *,
    format_name: Format,
    folder: Path,
    on_start: Callable[[int], Callable[[], None]],
) -> Exported:
    """Write the version to `folder`, which must be empty. `on_start(images)` gives what to call after each image.

    Raises FormatError for a folder that is not empty, `Permanent` for an object that is not what the manifest says.
    """
    empty_folder(folder)
    lines = list(read_manifest(await objects.get(version.manifest.uri, expected_sha256=version.manifest.sha256)))
    # Beside the export, so that files are linked into it and not copied.
    with tempfile.TemporaryDirectory(dir=folder.resolve().parent, prefix=f".{folder.name}-") as temporary:
        cache = Path(temporary)
        await _fetch(lines, objects, cache, on_start(len(lines)))
        items = (_item(line, cache) for line in lines)
        return await asyncio.to_thread(_write, items, format_name, folder, version.classes)


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


def _write(items: Iterable[ExportItem], format_name: Format, folder: Path, classes: Sequence[str]) -> Exported:
    if format_name == "csv":
        return write_csv(items, folder)
    return (write_yolo if format_name == "yolo" else write_coco)(items, folder, classes)
