"""A dataset version written to a folder, from a manifest and an object store."""

from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest

from libs.common.errors import Permanent
from libs.common.events import Annotation, Segment
from libs.common.manifests import ManifestLine, Split, write_manifest
from libs.common.testing import NOON, FakeObjects
from libs.local.exports import DatasetVersion, Format, export
from libs.vision.formats.clip_folders import ExportedClips
from libs.vision.formats.coco import read_coco
from libs.vision.formats.csv_file import read_csv
from libs.vision.formats.items import Exported, FormatError
from libs.vision.formats.segment_files import read_bundle, read_mstcn, read_segment_table
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
    assert (wrote, len(steps)) == (Exported(images=4, boxes=4), 4)
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


SAID = (
    (
        Segment(step="掌心对掌心", start_seconds=0.1234, end_seconds=2.0 / 3),
        Segment(step="thumb_left", start_seconds=1, end_seconds=2.5),
    ),
    (),
    None,
    (Segment(step="thumb_left", start_seconds=0, end_seconds=3),),
)
CLASSES = ("other", "掌心对掌心", "thumb_left")


async def stored_clips(objects: FakeObjects, folder: Path) -> DatasetVersion:
    lines: list[ManifestLine] = []
    for number, (split, segments) in enumerate(zip(SPLITS, SAID, strict=True)):
        video = await objects.put(f"clips/{number}.mp4", b"video %d" % number, "video/mp4")
        lines.append(
            ManifestLine(
                sample_id=UUID(int=number + 1), kind="clip", camera_id="sink-1", captured_at=NOON, segments=segments,
                media=video.model_copy(update={"duration_seconds": 3.0, "fps": 24.0 + number}),
                annotation_revision=1, annotated_by="user:ann", split=split, leakage_group=f"source:r{number // 2}",
            )
        )  # fmt: skip
    path = folder / "manifest.jsonl.zst"
    write_manifest(path, lines)
    manifest = await objects.put("datasets/handwash/v1/manifest.jsonl.zst", path.read_bytes(), "application/zstd")
    return DatasetVersion(manifest, CLASSES)


@pytest.mark.parametrize("format_name", ["segments", None])
async def test_clips_and_their_segments_read_back_as_they_were(tmp_path: Path, format_name: Format | None) -> None:
    objects, out = FakeObjects(), tmp_path / "out"
    version = await stored_clips(objects, tmp_path)
    wrote = await export(version, objects, format_name=format_name, folder=out, on_start=lambda _: lambda: None)
    assert wrote == ExportedClips(clips=4, segments=3)
    names = [f"{split}/{UUID(int=number + 1)}.mp4" for number, split in enumerate(SPLITS)]
    assert [(out / "clips" / name).read_bytes() for name in names] == [b"video %d" % number for number in range(4)]
    found = {entry.clip: entry for entry in read_segment_table(out)}
    # Of the third nobody said anything; the second is known to be empty.
    assert list(found) == [names[0], names[1], names[3]]
    for name, given in zip(names, SAID, strict=True):
        if given is not None:
            assert not found[name].problems
            read = [(each.step, each.start, each.end) for each in found[name].segments]
            assert read == [(each.step, each.start_seconds, each.end_seconds) for each in given]
    assert (out / "groups.csv").read_text().splitlines()[1:] == [
        f"{UUID(int=number + 1)}.mp4,source:r{number // 2}" for number in range(4)
    ]


async def test_clips_as_labels_of_their_own_frames(tmp_path: Path) -> None:
    objects, out = FakeObjects(), tmp_path / "out"
    version = await stored_clips(objects, tmp_path)
    await export(version, objects, format_name="mstcn", folder=out, on_start=lambda _: lambda: None)
    entries, mapping = read_mstcn(out, frames_per_second=1.0)
    assert mapping == ("background", *CLASSES[1:])
    found = {entry.clip: entry for entry in entries}
    for number, given in enumerate(SAID):
        clip, rate = str(UUID(int=number + 1)), 24.0 + number
        if given is None:
            assert clip not in found
            continue
        frames = (out / "groundTruth" / f"{clip}.txt").read_text(encoding="utf-8").splitlines()
        assert len(frames) == 3 * rate
        read = [(each.step, each.start / rate, each.end / rate) for each in found[clip].segments]
        half = 0.5 / rate + 1e-9
        assert [step for step, _, _ in read] == [each.step for each in given]
        for (_, start, end), segment in zip(read, given, strict=True):
            assert (start, end) == (
                pytest.approx(segment.start_seconds, abs=half), pytest.approx(segment.end_seconds, abs=half),
            )  # fmt: skip
    assert [read_bundle(out, name) for name in ("train", "val", "test")] == [
        [str(UUID(int=1)), str(UUID(int=2))], [], [str(UUID(int=4))],
    ]  # fmt: skip
    assert sorted(path.suffix for path in (out / "clips").rglob("*.mp4")) == [".mp4"] * 4


@pytest.mark.parametrize(
    ("clips", "format_name", "which"),
    [(True, "yolo", "segments or mstcn"), (False, "segments", "yolo or coco or csv"), (False, "mstcn", "yolo or")],
)
async def test_a_format_that_does_not_fit_says_which_do(
    tmp_path: Path, clips: bool, format_name: Format, which: str
) -> None:
    objects, out = FakeObjects(), tmp_path / "out"
    version = await (stored_clips if clips else stored_version)(objects, tmp_path)
    with pytest.raises(FormatError, match=f"use --format {which}"):
        await export(version, objects, format_name=format_name, folder=out, on_start=lambda _: lambda: None)
    assert not out.exists()
