"""Clips as features: worked out once per video in a child with limits, kept in the object store, never twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.common.derived import DerivedObjects
from libs.common.errors import Permanent
from libs.common.events import Media
from libs.common.manifests import ManifestLine
from libs.common.warm_child import WarmChild
from libs.vision.extractors.extracting import extract_or_tell
from libs.vision.extractors.fallback import choose, reason
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.extractors.registry import load
from libs.vision.features import from_bytes, object_key

PROBED_CLIPS = 8
Tell = Callable[[int, int], None]
"""(done, of how many)"""


@dataclass(frozen=True)
class ClipFeatures:
    """Makes features of clips, or fetches those somebody made before. `weights` for the extractors that need some."""

    derived: DerivedObjects
    child: WarmChild
    weights: Path | None = None

    async def fetch(self, video: Media, extractor: str) -> Path:
        """The file of one clip's features. Raises `Permanent` for a video that can't be read, or without the extractor."""
        try:
            key = object_key(video.sha256, extractor, load(extractor, self.weights).version)
        except ExtractorUnavailable as error:
            raise Permanent(str(error)) from error
        weights = str(self.weights) if self.weights else None
        return await self.derived.fetch_made_in(self.child, key, video, extract_or_tell, extractor, weights)

    async def fetch_all(self, lines: Sequence[ManifestLine], extractor: str, tell: Tell) -> list[Path]:
        """The features of every clip, in their order."""
        paths: list[Path] = []
        for line in lines:  # one after the other: an extractor takes all cores by itself
            paths.append(await self.fetch(line.media, extractor))
            tell(len(paths), len(lines))
        return paths

    async def choose(self, lines: Sequence[ManifestLine], asked: str) -> tuple[str, str]:
        """The extractor for these clips, and why: hand points where hands are in sight often enough in a few of the clips."""
        if asked != "auto":
            return asked, f"Features: {asked}, as asked"
        probed = [line for line in lines if line.split == "train"][:PROBED_CLIPS]
        try:
            found = [from_bytes((await self.fetch(line.media, "hands")).read_bytes()) for line in probed]
        except Permanent as error:
            return "classic", f"Features: classic, because the hand points can't be had: {error}"
        share = sum(each.visible_share for each in found) / max(len(found), 1)
        return choose(share), f"Features: {choose(share)}. {reason(share)} (in {len(found)} clips)"
