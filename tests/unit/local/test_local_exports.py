"""A dataset version written to a folder, from a manifest and an object store."""

from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest

from libs.common.errors import Permanent
from libs.common.events import Annotation
from libs.common.manifests import ManifestLine, Split, write_manifest
from libs.common.testing import NOON, FakeObjects
from libs.local.exports import DatasetVersion, Format, export
from libs.vision.formats.coco import read_coco
from libs.vision.formats.csv_file import read_csv
from libs.vision.formats.items import FormatError
from libs.vision.formats.yolo import read_yolo

SPLITS: tuple[Split, ...] = ("train", "train", "val", "test")
READERS = {"yolo": read_yolo, "coco": read_coco, "csv": read_csv}


def picture(shade: int) -> bytes:
    return cv2.imencode(".jpg", np.full((40, 60, 3), shade, np.uint8))[1].tobytes()


async def stored_version(objects: FakeObjects, folder: Path) -> DatasetVersion:
    lines: list[ManifestLine] = []
    for number, split in enumerate(SPLITS):
        image = await objects.put(f"snapshots/{number}.jpg", picture(60 + number), "image/jpeg")
        lines.append(
            ManifestLine(
                sample_id=UUID(int=number + 1), kind="image", media=image.model_copy(update={"width": 60, "height": 40}),
                camera_id="line-1", captured_at=NOON, annotations=(Annotation(label="hairnet", box=(1, 2, 30, 20)),),
                annotation_revision=1, annotated_by="user:ann", split=split, leakage_group=f"g{number}",
            )
        )  # fmt: skip
    path = folder / "manifest.jsonl.zst"
    write_manifest(path, lines)
    manifest = await objects.put("datasets/hairnet/v1/manifest.jsonl.zst", path.read_bytes(), "application/zstd")
    return DatasetVersion(manifest, ("hairnet", "no_hairnet"))


@pytest.mark.parametrize("format_name", ["yolo", "coco", "csv"])
async def test_an_export_reads_back_as_it_was(tmp_path: Path, format_name: Format) -> None:
    objects, steps = FakeObjects(), list[int]()
    version = await stored_version(objects, tmp_path)

    def on_start(images: int) -> "object":
        assert images == 4
        return lambda: steps.append(1)

    out = tmp_path / "out"
    wrote = await export(version, objects, format_name=format_name, folder=out, on_start=on_start)
    assert (wrote.images, wrote.boxes, len(steps)) == (4, 4, 4)
    found = sorted(READERS[format_name](out), key=lambda image: image.path.name)
    assert [image.split for image in found] == list(SPLITS)
    assert [image.path.read_bytes() for image in found] == [picture(60 + number) for number in range(4)]
    for image in found:
        assert image.annotations[0].label == "hairnet"
        assert image.annotations[0].box == pytest.approx((1, 2, 30, 20), abs=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.jsonl.zst", "out"]


async def test_a_changed_object_is_refused(tmp_path: Path) -> None:
    objects = FakeObjects()
    version = await stored_version(objects, tmp_path)
    objects.stored["snapshots/2.jpg"] = b"something else"
    with pytest.raises(Permanent, match=r"snapshots/2.jpg has sha256"):
        await export(version, objects, format_name="csv", folder=tmp_path / "out", on_start=lambda _: lambda: None)


async def test_two_exports_never_mix(tmp_path: Path) -> None:
    objects = FakeObjects()
    version = await stored_version(objects, tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    with pytest.raises(FormatError, match="not empty"):
        await export(version, objects, format_name="csv", folder=tmp_path / "out", on_start=lambda _: lambda: None)
