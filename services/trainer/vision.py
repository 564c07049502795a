"""Clips as features: worked out once per video in a child with limits, kept in the object store, never twice."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from libs.common.children import limit_memory, run_in_child
from libs.common.derived import fetch_or_make
from libs.common.errors import Permanent, Transient
from libs.common.events import Media
from libs.common.manifests import ManifestLine
from libs.common.objects import Objects
from libs.vision.features import from_bytes, object_key
from services.trainer.settings import Settings

log = structlog.get_logger()
PROBED_CLIPS = 8
Tell = Callable[[int, int], None]
"""(done, of how many)"""


@dataclass(frozen=True)
class ClipFeatures:
    """Makes features of clips, or fetches those somebody made before."""

    objects: Objects
    settings: Settings

    async def fetch(self, video: Media, extractor: str) -> Path:
        """The file of one clip's features. Raises `Permanent` for a video that can't be read."""
        from libs.vision.extractors.known import version_of

        folder = self.settings.work_folder.resolve() / "features"
        folder.mkdir(parents=True, exist_ok=True)
        key = object_key(video.sha256, extractor, version_of(extractor))
        make = partial(self._make, extractor=extractor)
        return await fetch_or_make(
            self.objects, key, bucket=self.settings.s3_bucket, source=video, folder=folder, make=make
        )

    async def _make(self, video: Path, target: Path, *, extractor: str) -> None:
        try:
            async with asyncio.timeout(self.settings.features_seconds):
                await run_in_child(
                    extract, self.settings.features_memory_bytes, str(video), str(target), extractor, self._weights
                )
        except TimeoutError as error:
            raise Transient(f"No features of {video.name} within {self.settings.features_seconds:.0f} s") from error

    @property
    def _weights(self) -> str | None:
        folder = self.settings.weights_folder
        return str(folder.resolve()) if folder else None

    async def fetch_all(self, lines: Sequence[ManifestLine], extractor: str, tell: Tell) -> list[Path]:
        """The features of every clip, in their order."""
        paths: list[Path] = []
        for line in lines:  # one after the other: an extractor takes all cores by itself
            paths.append(await self.fetch(line.media, extractor))
            tell(len(paths), len(lines))
        return paths

    async def choose(self, lines: Sequence[ManifestLine], asked: str) -> tuple[str, str]:
        """The extractor for these clips, and why: keypoints where hands are seen often enough in a few of the clips."""
        from libs.vision.extractors.known import choose, installed

        if asked != "auto":
            return asked, f"Features: {asked}, as asked"
        if not installed("hands"):
            return "classic", "Features: classic, for the hand keypoints are not installed (uv sync --extra temporal)"
        probed = [line for line in lines if line.split == "train"][:PROBED_CLIPS]
        features = [from_bytes((await self.fetch(line.media, "hands")).read_bytes()) for line in probed]
        share = sum(each.visible_share for each in features) / max(len(features), 1)
        chosen = choose(share)
        told = f"hands are in sight {100 * share:.0f} % of the time in {len(probed)} clips"
        return chosen, f"Features: {chosen}, because {told}"


def extract(memory_bytes: int, video: str, target: str, extractor: str, weights: str | None) -> None:
    """Runs in the child. Raises `Permanent` for a video that can't be read, or an extractor that is not there."""
    limit_memory(memory_bytes)
    from libs.vision.clip_types import UnreadableVideo
    from libs.vision.extractors import extract_to_file
    from libs.vision.extractors.known import MissingExtractor

    try:
        extract_to_file(video, target, extractor, weights)
    except (UnreadableVideo, MissingExtractor) as error:
        raise Permanent(str(error)) from error
