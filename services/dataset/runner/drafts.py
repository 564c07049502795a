"""A draft: the manifest of a version that may become one, written to a local file from one look at the samples."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps
from pathlib import Path
from uuid import UUID

from libs.common.errors import Permanent
from libs.common.manifests import SPLITS, ManifestWriter, placed_line
from libs.common.workflows import Workflow
from services.dataset.domain.groups import UNKNOWN_LABEL, Assignment, Candidate, Place
from services.dataset.domain.policy import empty_split, shortage
from services.dataset.domain.splits import SplitPlan, plan_splits
from services.dataset.store.samples import Look, SampleStore, StoredLine


class TooLittle(Permanent):
    """There are not enough samples for a version; the text says which and what to do."""


@dataclass(frozen=True)
class Draft:
    """What a version would be. `seen`: the changes it accounts for."""

    path: Path
    content_sha256: str
    counts: dict[str, int]
    boxes_per_class: dict[str, int]
    seconds_per_step: dict[str, float]
    left_out: Mapping[UUID, str]
    places: Sequence[Assignment]
    seen: list[int]

    @property
    def reasons(self) -> dict[str, int]:
        """How many samples were left out, by reason."""
        return dict(sorted(Counter(self.left_out.values()).items()))


async def draft_version(samples: SampleStore, workflow: Workflow, path: Path) -> Draft:
    """Plan the splits and write the manifest. Raises `TooLittle`. Nothing is changed outside `path`."""
    async with samples.look(workflow.name) as look:
        seen = await look.pending_numbers()
        plan = await _plan(look, workflow)
        with ManifestWriter(path) as writer:
            lines = LineCounter(writer, plan.places)
            async for batch in look.batches():
                await asyncio.to_thread(lines.add, batch)
    return Draft(
        path=path,
        content_sha256=content_digest(workflow, writer.content_sha256),
        counts={split: lines.counts[split] for split in SPLITS},
        boxes_per_class={name: lines.boxes[name] for name in workflow.given_labels},
        seconds_per_step={name: round(lines.seconds[name], 3) for name in workflow.given_labels if workflow.procedure},
        left_out=plan.left_out,
        places=plan.new,
        seen=seen,
    )


async def _plan(look: Look, workflow: Workflow) -> SplitPlan:
    candidates, links, places = await look.candidates(), await look.links(), await look.places()
    absent = await look.absent_keys()

    def work() -> SplitPlan:
        classes = frozenset(workflow.given_labels)
        usable = [sample for sample in candidates if sample.labels <= classes]
        unknown = {sample.sample_id: sample.key for sample in candidates if not sample.labels <= classes}
        plan = plan_splits(usable, links, places, workflow.dataset.split, absent | unknown)
        _require_enough(workflow, usable, plan)
        return SplitPlan(plan.places, plan.new, dict(plan.left_out) | dict.fromkeys(unknown, UNKNOWN_LABEL))

    return await asyncio.to_thread(work)


def _require_enough(workflow: Workflow, usable: Sequence[Candidate], plan: SplitPlan) -> None:
    placed = [sample for sample in usable if sample.sample_id in plan.places]
    per_class = Counter(label for sample in placed for label in sample.labels)
    counts = Counter(place.split for place in plan.places.values())
    reason = shortage(workflow.dataset, workflow.given_labels, len(placed), per_class) or empty_split(
        workflow.dataset, counts
    )
    if reason is not None:
        raise TooLittle(f"No dataset version of {workflow.name}: {reason}")


def content_digest(workflow: Workflow, lines_sha256: str) -> str:
    """What makes two versions the same: task, classes in order, and every line."""
    return sha256(dumps([workflow.task, workflow.class_names, lines_sha256]).encode()).hexdigest()


@dataclass
class LineCounter:
    """Adds the lines of placed samples to a manifest and counts them."""

    writer: ManifestWriter
    places: Mapping[UUID, Place]
    counts: Counter[str] = field(default_factory=Counter[str])
    boxes: Counter[str] = field(default_factory=Counter[str])
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, samples: Sequence[StoredLine]) -> None:
        """Write and count the samples that have a place."""
        for sample_id, line, labels, seconds in samples:
            place = self.places.get(sample_id)
            if place is not None:
                self.writer.add_raw(placed_line(line, place.split, place.group))
                self.counts[place.split] += 1
                self.boxes.update(labels)
                for label, lasting in zip(labels, seconds, strict=False):  # boxes last no time
                    self.seconds[label] += lasting
