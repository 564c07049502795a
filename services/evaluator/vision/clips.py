"""Runs shipped clip models over the features of clips, and judges what they say beside what people marked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from libs.common.errors import Permanent
from libs.vision.features import Features, UnreadableFeatures, from_bytes
from libs.vision.inference import SignatureError
from libs.vision.procedures import Procedure
from libs.vision.segments import TimedSegment, labels_at
from libs.vision.temporal_inference import TemporalModel, decode
from libs.vision.temporal_metrics import LabelledClip
from services.evaluator.domain.compliance import WashPair
from services.evaluator.domain.temporal_assignment import Clip, ShippedClipModel
from services.evaluator.domain.washes import judged_wash


@dataclass(frozen=True, slots=True)
class SeenClip:
    """What a model said about one clip, and the seconds it took (features given)."""

    clip: Clip
    labelled: LabelledClip
    washes: WashPair
    visible_share: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Looker:
    """A loaded model with all it needs to come to verdicts."""

    contender: ShippedClipModel
    model: TemporalModel
    background: str
    procedure: Procedure

    def look(self, clips: Sequence[Clip], tell: Callable[[int], None]) -> tuple[SeenClip, ...]:
        """Show each clip to the model. `tell` hears how many are done."""
        seen: list[SeenClip] = []
        for clip in clips:
            features = read_features(clip, self.contender.reads)
            if not seen:
                self._say(clip, features)  # the first inference also allocates: not what a plant sees
            started = time.perf_counter()
            said = self._say(clip, features)
            seen.append(self._seen(clip, features, said, time.perf_counter() - started))
            tell(len(seen))
        return tuple(seen)

    def _say(self, clip: Clip, features: Features) -> tuple[TimedSegment, ...]:
        if len(features.values) == 0:
            return ()
        try:
            posteriors = self.model.posteriors(features)
        except SignatureError as error:
            raise Permanent(f"The model fails on sample {clip.sample_id}: {error}") from error
        return decode(
            posteriors,
            self.contender.classes,
            frames_per_second=features.frames_per_second,
            smooth_seconds=self.contender.decoding.smooth_seconds,
            shortest_seconds=self.contender.decoding.shortest_seconds,
            background=self.background,
        )

    def _seen(self, clip: Clip, features: Features, said: tuple[TimedSegment, ...], seconds: float) -> SeenClip:
        visible = min(1.0, max(0.0, features.visible_share))
        pair = WashPair(
            truth=judged_wash(clip.truth, self.procedure, visible_share=1.0),  # the person saw enough to mark it
            said=judged_wash(said, self.procedure, visible_share=visible),
        )
        return SeenClip(clip, self._labelled(clip, features, said), pair, visible, seconds)

    def _labelled(self, clip: Clip, features: Features, said: Sequence[TimedSegment]) -> LabelledClip:
        rows = np.arange(len(features.values), dtype=np.float64)
        rate, background = features.frames_per_second, self.background
        return LabelledClip(
            clip_id=str(clip.sample_id),
            truth=labels_at(clip.truth, (rows / rate).tolist(), background=background),
            # Half a row on: the model's segments begin and end exactly at rows, where a rounding error would decide.
            said=labels_at(said, ((rows + 0.5) / rate).tolist(), background=background),
            frames_per_second=rate,
        )


def load_looker(contender: ShippedClipModel, background: str, procedure: Procedure, *, threads: int) -> Looker:
    """Raises `Permanent` where the file has not the signature temporal/1, or knows no background."""
    if background not in contender.classes:
        raise Permanent(f"{contender.name} has no class {background!r} for what is no step: train it again")
    try:
        model = TemporalModel(contender.path, contender.classes, threads=threads)
    except SignatureError as error:
        raise Permanent(f"{contender.name} can't be run: {error}") from error
    return Looker(contender, model, background, procedure)


def read_features(clip: Clip, reads: str) -> Features:
    """The features a model reads. Raises `Permanent` naming the sample where they are not there or no features."""
    path = clip.features.get(reads)
    if path is None:
        raise Permanent(f"Sample {clip.sample_id} ({clip.uri}) has no features {reads}, only {sorted(clip.features)}")
    try:
        features = from_bytes(path.read_bytes())
    except UnreadableFeatures as error:
        raise Permanent(f"Features {reads} of sample {clip.sample_id} ({clip.uri}) can't be read: {error}") from error
    made_by = f"{features.extractor}-{features.extractor_version}"
    if made_by != reads:
        raise Permanent(f"Features of sample {clip.sample_id} were made by {made_by}, the model reads {reads}")
    return features


def check_steps(clips: Sequence[Clip], classes: Sequence[str]) -> None:
    """Raises `Permanent` where people marked what the dataset version does not know."""
    for clip in clips:
        unknown = sorted({each.step for each in clip.truth} - set(classes))
        if unknown:
            raise Permanent(
                f"Sample {clip.sample_id} is marked with {unknown}, but the classes are {list(classes)}:"
                " correct its segments, or build the dataset version again"
            )
