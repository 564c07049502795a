"""Exports against `cp` of the same bytes: 2,000 pictures of 640x480 from the local object store."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np

from benchmarks.rows import Row, at_least, middle
from benchmarks.stacks import settings_of
from libs.common import objects
from libs.common.events import Annotation
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.testing import NOON
from libs.local.exports import DatasetVersion, Format, export
from libs.local.stack import LocalStack

PICTURES = 2000
ROUNDS = 3


async def run() -> list[Row]:
    """A row for each format."""
    async with LocalStack() as stack:
        store = objects.connect(settings_of(stack))
        await store.ensure_bucket()
        with tempfile.TemporaryDirectory(prefix="camloop-bench-") as name:
            folder = Path(name)
            version, originals = await _made(store, folder)
            return [await _compared(version, store, folder, originals, kind) for kind in ("csv", "yolo", "coco")]


async def _compared(
    version: DatasetVersion, store: objects.S3Objects, folder: Path, originals: Path, kind: Format
) -> Row:
    ours, other = list[float](), list[float]()
    for number in range(ROUNDS):
        began = time.perf_counter()
        await export(
            version, store, format_name=kind, folder=folder / f"{kind}-{number}", on_start=lambda _: lambda: None
        )
        ours.append(time.perf_counter() - began)
        os.sync()
        began = time.perf_counter()
        await _cp(originals, folder / f"copy-{kind}-{number}")
        other.append(time.perf_counter() - began)
        os.sync()
    ratio = middle(other) / middle(ours)
    what = f"export to {kind} / `cp`, {PICTURES} pictures: speed"
    return at_least(what, f"{middle(ours):.2f} s", f"{middle(other):.2f} s", ratio, 0.8)


async def _cp(source: Path, target: Path) -> None:
    process = await asyncio.create_subprocess_exec("cp", "-r", str(source), str(target))
    assert await process.wait() == 0


async def _made(store: objects.S3Objects, folder: Path) -> tuple[DatasetVersion, Path]:
    originals = folder / "originals"
    originals.mkdir()
    dice, lines = np.random.default_rng(0), list[ManifestLine]()
    for number in range(PICTURES):
        coarse = dice.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        data = cv2.imencode(".jpg", cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC))[1].tobytes()
        (originals / f"{number:08}.jpg").write_bytes(data)
        media = await store.put(f"snapshots/bench/{number:08}.jpg", data, "image/jpeg")
        lines.append(
            ManifestLine(
                sample_id=UUID(int=number), kind="image", media=media.model_copy(update={"width": 640, "height": 480}),
                camera_id="line-1", captured_at=NOON, annotation_revision=1,
                annotations=(Annotation(label="worn", box=(10, 10, 50, 60)),), annotated_by="rule:annotated",
                split="train", leakage_group="g",
            )
        )  # fmt: skip
    path = folder / "manifest.jsonl.zst"
    write_manifest(path, lines)
    return DatasetVersion(await store.put_file("datasets/bench/v1/manifest.jsonl.zst", path), ("worn",)), originals
