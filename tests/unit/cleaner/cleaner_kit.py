"""What the cleaner's tests are made of: a workflow, pictures, and a store in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import cv2
import numpy as np

from libs.common.envelope import Envelope
from libs.common.errors import AlreadyHandled, Conflict, Transient
from libs.common.events import Event, ReviewSubmitted, SnapshotCaptured
from libs.common.workflows import Workflow, parse_workflow
from libs.vision.hashing import hamming
from services.cleaner.domain.reviews import Ruling
from services.cleaner.domain.samples import Sample


def make_workflow(**changes: Any) -> Workflow:
    cleaning = {"approve": {"spot_check_share": 0.0}} | changes.pop("cleaning", {})
    values: dict[str, Any] = {
        "name": "hairnet",
        "title": {"en": "Hairnet", "zh": "发网"},
        "task": "detection",
        "classes": [
            {"id": 0, "name": "hairnet", "title": {"en": "a", "zh": "a"}},
            {"id": 1, "name": "no_hairnet", "title": {"en": "b", "zh": "b"}},
        ],
        "cleaning": cleaning,
    }
    return parse_workflow(values | changes, origin="test")


def make_picture(seed: int, *, width: int = 96, height: int = 72, quality: int = 95) -> bytes:
    """A sharp JPEG of coarse random blocks: two seeds look unlike, the same seed of another quality alike."""
    coarse = np.random.default_rng(seed).uniform(30, 220, (6, 8, 3))
    image = cv2.resize(coarse.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@dataclass
class FakeCleanerStore:
    """Rows in memory; what a failed transaction did is undone."""

    snapshots: dict[str, str] = field(default_factory=dict[str, str])
    samples: dict[UUID, Sample] = field(default_factory=dict[UUID, Sample])
    said: list[Event] = field(default_factory=list[Event])
    reviews: list[Ruling] = field(default_factory=list[Ruling])
    handled: set[UUID] = field(default_factory=set[UUID])

    @asynccontextmanager
    async def transaction(self, envelope: Envelope) -> AsyncIterator[None]:
        if envelope.event_id in self.handled:
            raise AlreadyHandled("again")
        kept = deepcopy(self.__dict__)
        try:
            self.handled.add(envelope.event_id)
            yield None
        except BaseException:
            self.__dict__.update(kept)
            raise

    async def has_handled(self, envelope: Envelope) -> bool:
        return envelope.event_id in self.handled

    async def announce(self, _: None, event: Event, cause: Envelope) -> None:
        self.said.append(event)

    async def check_content(self, snapshot: SnapshotCaptured) -> None:
        if self.snapshots.get(snapshot.snapshot_id, snapshot.image.sha256) != snapshot.image.sha256:
            raise Conflict("other content")

    async def check_known(self, snapshot: SnapshotCaptured) -> None:
        if snapshot.snapshot_id not in self.snapshots:
            raise Conflict("the event id was used before, for another snapshot")

    async def remember_snapshot(self, _: None, snapshot: SnapshotCaptured) -> None:
        self.snapshots.setdefault(snapshot.snapshot_id, snapshot.image.sha256)
        await self.check_content(snapshot)

    async def has_sample(self, _: None, sample_id: UUID) -> bool:
        return sample_id in self.samples

    async def lock_looks(self, _: None, workflow: str) -> None: ...

    async def duplicate_of(self, _: None, sample: Sample, distance: int) -> UUID | None:
        alike = [other for other in self._alike(sample, distance) if other.camera_id == sample.camera_id]
        return alike[0].sample_id if alike else None

    async def near_duplicates(self, _: None, sample: Sample, distance: int) -> tuple[UUID, ...]:
        return tuple(other.sample_id for other in self._alike(sample, distance))

    def _alike(self, sample: Sample, distance: int) -> list[Sample]:
        return [
            other
            for other in self.samples.values()
            if other.workflow == sample.workflow
            and other.verdict != "rejected"
            and other.sample_id != sample.sample_id
            and other.look is not None
            and sample.look is not None
            and hamming(other.look, sample.look) <= distance
        ]

    async def add_sample(self, _: None, sample: Sample) -> None:
        self.samples[sample.sample_id] = sample

    async def workflow_of(self, sample_id: UUID) -> str:
        if sample_id not in self.samples:
            raise Transient("not known (yet)")
        return self.samples[sample_id].workflow

    async def lock_sample(self, _: None, sample_id: UUID) -> Sample:
        return self.samples[sample_id]

    async def settle(self, _: None, before: Sample, after: Sample) -> None:
        self.samples[after.sample_id] = after

    async def add_review(self, _: None, review: ReviewSubmitted, ruling: Ruling, envelope: Envelope) -> None:
        self.reviews.append(ruling)


@dataclass
class FakeConfiguration:
    """The workflows a test knows."""

    known: list[Workflow]

    async def workflow(self, name: str) -> Workflow:
        for each in self.known:
            if each.name == name:
                return each
        raise Transient(f"Workflow {name!r} is not known (yet)")

    async def workflows(self) -> list[Workflow]:
        return self.known
