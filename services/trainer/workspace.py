"""A run's folder on this machine: the dataset version's images from a cache by digest, its manifest, the spec."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from libs.common.events import DatasetBuilt, Media
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.objects import Objects
from libs.common.workflows import Workflow
from services.trainer.domain import TrainingRun
from services.trainer.settings import Settings

PARALLEL_DOWNLOADS = 8
SUFFIXES = {"image/png": ".png", "image/webp": ".webp", "image/bmp": ".bmp"}


@dataclass(frozen=True)
class Workspace:
    """Where one attempt of a run works. `dataset` and `output` are what the child is given."""

    folder: Path

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def spec_file(self) -> Path:
        return self.folder / "run.json"

    def remove(self) -> None:
        """Delete the folder; cached images stay."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # the folder of the run, unless another attempt uses it
            self.folder.parent.rmdir()


def workspace_for(settings: Settings, run_id: UUID, prefix: str) -> Workspace:
    """A fresh folder no other attempt uses."""
    run_folder = settings.work_folder.resolve() / "runs" / str(run_id)
    # What an attempt left that was killed: its lease is gone, so nobody needs it.
    shutil.rmtree(run_folder, ignore_errors=True)
    workspace = Workspace(run_folder / prefix)
    workspace.dataset.mkdir(parents=True)
    workspace.output.mkdir(parents=True)
    return workspace


async def read_lines(objects: Objects, built: DatasetBuilt, kind: Literal["image", "clip"]) -> list[ManifestLine]:
    """The manifest of a dataset version. Raises `Permanent` when it is gone or is not the one announced."""
    data = await objects.get(built.manifest.uri, expected_sha256=built.manifest.sha256)
    return await asyncio.to_thread(lambda: [line for line in read_manifest(data) if line.kind == kind])


async def fetch_dataset(objects: Objects, settings: Settings, built: DatasetBuilt, workspace: Workspace) -> int:
    """Lay out a dataset version as the child expects it; returns the number of images.

    Raises `Permanent` when the manifest or an image is gone or is not the one announced.
    """
    lines = await read_lines(objects, built, "image")
    cache = settings.work_folder.resolve() / "images"
    await _fetch_images(objects, cache, [line.media for line in lines])
    await asyncio.to_thread(_lay_out, workspace, cache, lines)
    await asyncio.to_thread(trim_cache, cache, int(settings.cache_gigabytes * 1e9))
    return len(lines)


async def _fetch_images(objects: Objects, cache: Path, images: Iterable[Media]) -> None:
    gate = asyncio.Semaphore(PARALLEL_DOWNLOADS)

    async def fetch(image: Media) -> None:
        path = cached_path(cache, image)
        if not path.exists():
            async with gate:
                await objects.get_file(image.uri, path, expected_sha256=image.sha256)

    try:
        async with asyncio.TaskGroup() as group:
            for image in {image.sha256: image for image in images}.values():
                group.create_task(fetch(image))
    except ExceptionGroup as failures:
        # The first one says it: a missing picture must stay `Permanent`, which a group of errors is not. (What an
        # `except*` raises is put into a group again.)
        raise failures.exceptions[0] from None


def cached_path(cache: Path, image: Media) -> Path:
    """Images are cached by content: a second run on the same pictures fetches none."""
    return cache / image.sha256[:2] / (image.sha256 + SUFFIXES.get(image.content_type, ".jpg"))


def _lay_out(workspace: Workspace, cache: Path, lines: list[ManifestLine]) -> None:
    folder = workspace.dataset / "images"
    folder.mkdir()
    with (workspace.dataset / "manifest.jsonl").open("w", encoding="utf-8") as file:
        for line in lines:
            source = cached_path(cache, line.media)
            target = folder / source.name
            if not target.exists():
                os.link(source, target)
            row = line.model_dump(mode="json", exclude_none=True) | {"file": f"images/{source.name}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def lay_out_clips(workspace: Workspace, lines: Sequence[ManifestLine], features: Sequence[Path]) -> None:
    """Features beside the manifest that names them."""
    folder = workspace.dataset / "features"
    folder.mkdir()
    with (workspace.dataset / "manifest.jsonl").open("w", encoding="utf-8") as file:
        for line, source in zip(lines, features, strict=True):
            target = folder / source.name
            if not target.exists():
                os.link(source, target)
            row = line.model_dump(mode="json", exclude_none=True) | {"features": f"features/{target.name}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def keep(source: Path, target: Path) -> bool:
    """Hold on to a file that its owner may delete at any time; False if it is gone already."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    return True


def trim_cache(cache: Path, limit_bytes: int) -> None:
    """Drop the least recently used images until the cache fits; hard links of running attempts keep theirs."""
    files = sorted((path.stat().st_atime, path.stat().st_size, path) for path in cache.glob("*/*") if path.is_file())
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total <= limit_bytes:
            return
        path.unlink(missing_ok=True)
        total -= size


def write_spec(
    workspace: Workspace,
    settings: Settings,
    run: TrainingRun,
    workflow: Workflow,
    built: DatasetBuilt,
    resume_from: Path | None,
    notes: tuple[str, ...] = (),
) -> None:
    """The child's whole input."""
    spec = {
        "training_run_id": str(run.run_id),
        "workflow": run.workflow,
        "backend": run.backend,
        "task": built.task,
        "classes": [{"id": c.id, "name": c.name, "title": c.title.model_dump()} for c in workflow.all_classes],
        "dataset_version_id": str(built.dataset_version_id),
        "dataset": str(workspace.dataset),
        "output": str(workspace.output),
        "hyperparameters": run.hyperparameters,
        "seed": run.seed,
        "device": settings.device,
        "threads": settings.threads,
        "resume_from": str(resume_from) if resume_from else None,
        "notes": list(notes),
        "weights_folder": str(settings.weights_folder.resolve()) if settings.weights_folder else None,
    }
    workspace.spec_file.write_text(json.dumps(spec, indent=2, ensure_ascii=False), encoding="utf-8")
