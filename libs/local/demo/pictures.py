"""What the demo's cameras will see, drawn beforehand, and the truth a reviewer finds in it."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.local.drawing.sensor import Spoil
from libs.local.scenes import SceneShot, Workflow, camera_series

CAMERAS: Mapping[Workflow, Sequence[str]] = {
    "hairnet": ("kitchen-1", "kitchen-2", "packing-1"),
    "behavior": ("behavior-1", "behavior-2", "behavior-3"),
}
SPOILED: Mapping[Spoil, int] = {"blurred": 2, "dark": 2, "overexposed": 2, "near_duplicate": 4}
EVERY = timedelta(minutes=20)
ANNOTATED_SHARE = 0.55
# A usable picture in so many that a person sees is sent back, as people do.
SENT_BACK_ONE_IN = 8


@dataclass(frozen=True)
class Shot:
    """A snapshot to be sent, with its annotations or for a reviewer, who approves it or sends it back."""

    scene: SceneShot
    annotated: bool
    sent_back: bool = False

    @property
    def digest(self) -> str:
        """What it is recognised by, whatever id its camera gives it."""
        return self.scene.sha256


@dataclass(frozen=True)
class Batch:
    """What all cameras send in one go, by camera, in the order of time."""

    shots: Mapping[str, Sequence[Shot]]

    def __iter__(self) -> Iterator[Shot]:
        return (shot for shots in self.shots.values() for shot in shots)

    @property
    def size(self) -> int:
        """How many snapshots it has."""
        return sum(map(len, self.shots.values()))


def draw_batches(
    workflow: Workflow, *, cameras: Sequence[str], usable: Sequence[int], now: datetime, seed: int
) -> list[Batch]:
    """As many batches as `usable` has numbers (of good snapshots per camera), drawn as one series and cut.

    The last snapshot was taken just before `now`. Another seed draws other scenes before the same cameras.
    """
    series = {camera: _series(workflow, camera, usable, now, seed) for camera in cameras}
    return [Batch({camera: parts[number] for camera, parts in series.items()}) for number in range(len(usable))]


def _series(workflow: Workflow, camera: str, usable: Sequence[int], now: datetime, seed: int) -> list[list[Shot]]:
    shots = sum(usable) + sum(SPOILED.values())
    scenes = list(camera_series(
        camera, sum(usable), seed, spoiled=SPOILED, start=now - (shots + 1) * EVERY, every=EVERY, workflow=workflow
    ))  # fmt: skip
    lots, reviewed, taken = random.Random(f"{camera} {seed}"), 0, list[Shot]()
    for scene in scenes:
        annotated = lots.random() < ANNOTATED_SHARE
        reviewed += not annotated and scene.expect == "usable"
        taken.append(Shot(scene, annotated, sent_back=not annotated and reviewed % SENT_BACK_ONE_IN == 0))
    return list(cut(taken, usable))


def cut(shots: Sequence[Shot], usable: Sequence[int]) -> Iterator[list[Shot]]:
    """Parts with so many usable shots each; a near duplicate stays with its original, the last part takes the rest."""
    rest = list(shots)
    for number in usable[:-1]:
        good, at = 0, 0
        while good < number or (at < len(rest) and rest[at].scene.expect == "near_duplicate"):
            good += rest[at].scene.expect == "usable"
            at += 1
        yield rest[:at]
        rest = rest[at:]
    yield rest
