"""Brings what an evaluation needs to this machine: the manifest, the pictures of test and val, the models."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from libs.common.errors import Permanent
from libs.common.events import Artifact, DatasetBuilt
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.objects import Objects
from libs.vision.boxes import Annotation, clip_box, valid_box
from services.evaluator.domain.assignment import C, Champion, EvaluatedSplit, same_model, unreadable
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.detection_assignment import Picture, ShippedDetector
from services.evaluator.domain.temporal_assignment import Decoding, ShippedClipModel
from services.evaluator.runner.cache import Cache
from services.evaluator.store import RunningVersion

MODEL_FILE = "best.onnx"
METADATA_FILE = "metadata.json"
PARALLEL_DOWNLOADS = 8
SPLITS: tuple[EvaluatedSplit, ...] = ("test", "val")
Load = Callable[[str, tuple[Artifact, ...], tuple[str, ...] | None], Awaitable[C]]
"""(name, artifacts, classes where metadata.json names none)"""


@dataclass(frozen=True)
class Fetcher:
    """Lays files out on the desk of one attempt. Errors as `Objects.get`."""

    objects: Objects
    cache: Cache
    desk: Path

    async def lines(self, dataset: DatasetBuilt) -> list[ManifestLine]:
        """The evaluated samples of a dataset version."""
        data = await self.objects.get(dataset.manifest.uri, expected_sha256=dataset.manifest.sha256)
        return await asyncio.to_thread(lambda: [line for line in read_manifest(data) if line.split in SPLITS])

    async def pictures(self, lines: list[ManifestLine], tell: Tell) -> list[Path]:
        """The lines' pictures, in their order."""
        gate, done = asyncio.Semaphore(PARALLEL_DOWNLOADS), 0

        async def fetch(line: ManifestLine) -> Path:
            nonlocal done
            async with gate:
                media = line.media
                path = await self.cache.fetch(self.objects, self.desk, media.uri, sha256=media.sha256, size=media.bytes)
            done += 1
            tell("fetching the pictures", done, len(lines))
            return path

        return await all_of(fetch(line) for line in lines)

    async def detector(
        self, name: str, artifacts: tuple[Artifact, ...], classes: tuple[str, ...] | None
    ) -> ShippedDetector:
        """A model from its artifacts. What metadata.json says of its classes counts; without it, `classes`.

        Raises `Permanent` where the artifact that ships is missing, or where nobody says what it tells apart.
        """
        model = await self.model(name, artifacts)
        metadata = await self.metadata(artifacts)
        known = _class_names(metadata, "classes") or classes
        if not known:
            raise Permanent(f"{name} has no {METADATA_FILE} that names its classes: register it again with one")
        sha256 = _required(artifacts, MODEL_FILE, name).sha256
        return ShippedDetector(name, model, sha256, known, _operating_confidence(metadata, known))

    async def clip_model(
        self, name: str, artifacts: tuple[Artifact, ...], classes: tuple[str, ...] | None
    ) -> ShippedClipModel:
        """A clip model from its artifacts. Raises `Permanent` where metadata.json does not say what it reads."""
        model = await self.model(name, artifacts)
        metadata = await self.metadata(artifacts)
        known = _class_names(metadata, "steps") or classes
        sha256 = _required(artifacts, MODEL_FILE, name).sha256
        try:
            read, decoding = metadata["input"], metadata["decoding"]
            settings = Decoding(float(decoding["smooth_seconds"]), float(decoding["shortest_seconds"]))
            reads = f"{read['extractor']}-{read['extractor_version']}"
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent(
                f"The {METADATA_FILE} of {name} does not say how it is run ({error}): train it again"
            ) from error
        if not known:
            raise Permanent(f"{name} has no {METADATA_FILE} that names its steps: register it again with one")
        return ShippedClipModel(name, model, sha256, known, settings, reads)

    async def model(self, name: str, artifacts: tuple[Artifact, ...]) -> Path:
        """The file that ships. Raises `Permanent` where there is none."""
        return await self._artifact(_required(artifacts, MODEL_FILE, name))

    async def metadata(self, artifacts: tuple[Artifact, ...]) -> dict[str, Any]:
        """What metadata.json says; empty without one."""
        about = next((each for each in artifacts if each.name == METADATA_FILE), None)
        return {} if about is None else _parsed(await self.objects.get(about.uri, expected_sha256=about.sha256), about)

    async def champion(
        self, running: RunningVersion | None, challenger_sha256: str, load: "Load[C]"
    ) -> Champion[C] | None:
        """What runs now, loaded and ready to be measured; its own faults are told, not raised."""
        if running is None:
            return None
        reference = f"{running.model}@{running.version}"
        if challenger_sha256 in {each.sha256 for each in running.artifacts if each.name == MODEL_FILE}:
            return Champion(running.model, running.version, same_model(reference))
        try:
            contender = await load(f"champion {reference}", running.artifacts, None)
        except Permanent as error:
            return Champion(running.model, running.version, unreadable(reference, error))
        return Champion(running.model, running.version, contender)

    async def _artifact(self, artifact: Artifact) -> Path:
        return await self.cache.fetch(
            self.objects, self.desk, artifact.uri, sha256=artifact.sha256, size=artifact.bytes
        )


async def all_of(work: Iterable[Coroutine[Any, Any, Path]]) -> list[Path]:
    """The results in order. Raises the first error itself, not a group: whether it is permanent decides what follows."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


def evaluated_pictures(
    lines: list[ManifestLine], paths: list[Path]
) -> tuple[Mapping[EvaluatedSplit, tuple[Picture, ...]], int]:
    """Pictures by split, and how many annotations were left out because nothing of them lies inside the picture."""
    pictures: dict[EvaluatedSplit, list[Picture]] = {split: [] for split in SPLITS}
    dropped = 0
    for line, path in zip(lines, paths, strict=True):
        truth = _truth(line)
        dropped += len(line.annotations) - len(truth)
        picture = Picture(line.sample_id, line.camera_id, line.captured_at, path, line.media.uri, truth)
        pictures["test" if line.split == "test" else "val"].append(picture)
    return {split: tuple(found) for split, found in pictures.items()}, dropped


def _truth(line: ManifestLine) -> tuple[Annotation, ...]:
    """Annotations as far as they lie inside the picture: a detector is not asked for what nobody can see."""
    width, height = line.media.width, line.media.height
    if width is None or height is None:
        return tuple(Annotation(each.label, each.box) for each in line.annotations)
    return tuple(
        Annotation(each.label, clip_box(each.box, width, height))
        for each in line.annotations
        if valid_box(each.box, width, height)
    )


def _required(artifacts: tuple[Artifact, ...], name: str, of: str) -> Artifact:
    for each in artifacts:
        if each.name == name:
            return each
    raise Permanent(
        f"{of} has no artifact {name}, only {sorted(each.name for each in artifacts)}: export it and train again"
    )


def _parsed(data: bytes, artifact: Artifact) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise Permanent(f"{artifact.uri} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise Permanent(f"{artifact.uri} is no JSON object")
    return cast(dict[str, Any], value)


def _class_names(metadata: dict[str, Any], key: str) -> tuple[str, ...] | None:
    try:
        return tuple(str(each["name"]) for each in metadata[key]) or None
    except (KeyError, TypeError):
        return None


def _operating_confidence(metadata: dict[str, Any], classes: tuple[str, ...]) -> dict[str, float] | None:
    said: Any = metadata.get("operating_confidence")
    try:
        return {label: float(said[label]) for label in classes}
    except (KeyError, TypeError, ValueError):
        return None
