"""Brings the clips of an evaluation to this machine: as features, which are made once per video, and as strips for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.common.derived import DerivedObjects
from libs.common.errors import Permanent
from libs.common.events import Media
from libs.common.manifests import ManifestLine
from libs.common.warm_child import WarmChild
from libs.vision.extractors.extracting import extract_or_tell
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.extractors.registry import EXTRACTORS, load
from libs.vision.features import object_key
from libs.vision.segments import TimedSegment
from services.evaluator.domain.assignment import EvaluatedSplit
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.temporal_assignment import Clip


@dataclass(frozen=True)
class ClipFetcher:
    """`weights` for the extractors that need some. Videos are strangers' bytes: `child` decodes them."""

    derived: DerivedObjects
    child: WarmChild
    weights: Path | None = None

    async def features(self, video: Media, reads: str) -> Path:
        """The file of one clip's features `reads` ("<extractor>-<version>").

        Raises `Permanent` for a video that can't be read, or an extractor that is not here in this version.
        """
        name = reads.partition("-")[0]
        self._check(name, reads)
        weights = str(self.weights) if self.weights else None
        key = object_key(video.sha256, *reads.split("-", 1))
        return await self.derived.fetch_made_in(self.child, key, video, extract_or_tell, name, weights)

    def _check(self, name: str, reads: str) -> None:
        try:
            here = f"{name}-{load(name, self.weights).version}" if name in EXTRACTORS else "none of that name"
        except ExtractorUnavailable as error:
            raise Permanent(str(error)) from error
        if here != reads:
            raise Permanent(f"The model reads features {reads}, here is {here}: train it again with this release")

    async def strip(self, video: Media) -> Path:
        """A strip of thumbnails, for the report."""
        key = f"reports/strips/{video.sha256[:2]}/{video.sha256}.jpg"
        return await self.derived.fetch_made_in(self.child, key, video, write_strip)

    async def clips(
        self, lines: Sequence[ManifestLine], reads: Sequence[str], tell: Tell
    ) -> dict[EvaluatedSplit, tuple[Clip, ...]]:
        """The clips of the evaluated splits, with the features of every model that is to see them."""
        found: dict[EvaluatedSplit, list[Clip]] = {"test": [], "val": []}
        for number, line in enumerate(lines, start=1):
            features = {each: await self.features(line.media, each) for each in dict.fromkeys(reads)}
            clip = Clip(
                sample_id=line.sample_id,
                camera_id=line.camera_id,
                captured_at=line.captured_at,
                recording=line.leakage_group,
                features=features,
                uri=line.media.uri,
                seconds=line.media.duration_seconds or 0.0,
                truth=tuple(TimedSegment(s.step, s.start_seconds, s.end_seconds) for s in line.segments or ()),
                strip=await self.strip(line.media),
            )
            found["test" if line.split == "test" else "val"].append(clip)
            tell("reading the clips", number, len(lines))
        return {split: tuple(clips) for split, clips in found.items()}


def write_strip(video: str, target: str) -> None:
    """Runs in the child."""
    from libs.vision.previews import thumbnail_strip

    Path(target).write_bytes(thumbnail_strip(video))
