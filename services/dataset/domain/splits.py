"""Train, val or test: a stable hash decides once per leakage group, and no sample ever moves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from libs.common.manifests import SPLITS, Split
from libs.common.workflows import SplitShares
from services.dataset.domain.groups import (
    Assignment,
    Candidate,
    Known,
    NewGroup,
    Place,
    both_ways,
    crossing,
    group_new,
    places_of_keys,
)

ENOUGH_GROUPS = 3
"""From so many groups on, no split is left empty and no class is kept from train by bad luck."""


@dataclass(frozen=True)
class SplitPlan:
    """The place of every sample of a version; places given for the first time; samples left out, with the reason."""

    places: Mapping[UUID, Place]
    new: Sequence[Assignment]
    left_out: Mapping[UUID, str]


def plan_splits(
    candidates: Iterable[Candidate],
    pairs: Iterable[tuple[UUID, UUID]],
    given: Mapping[UUID, Assignment],
    shares: SplitShares,
    absent_keys: Mapping[UUID, str],
) -> SplitPlan:
    """Place every candidate.

    `pairs`: all known near-duplicates; `given`: every place ever given, which stands; `absent_keys`: leakage keys of known
    samples that are no candidates (rejected since, or unusable).
    """
    live = {sample.sample_id: sample for sample in candidates}
    links = both_ways(pairs)
    out = crossing(live, links, given)
    newcomers = (sample for sample in live.values() if sample.sample_id not in given)
    grouping = group_new(newcomers, Known(links, given, places_of_keys(live, given.values()), absent_keys))
    standing = {i: given[i].place for i in live.keys() & given.keys() if i not in out} | dict(grouping.joined)
    seats = Seating(shares, _frozen_cameras(given.values()), _Standing.of(standing, live))
    placed = seats.place_all(grouping.new_groups)
    fresh = {member.sample_id: place for group, place in placed for member in group.members}
    new = [Assignment(i, place, live[i].key, live[i].camera_id) for i, place in (dict(grouping.joined) | fresh).items()]
    return SplitPlan(standing | fresh, new, out | dict(grouping.left_out))


def _frozen_cameras(given: Iterable[Assignment]) -> frozenset[str]:
    """Cameras with test samples in a version: their test split takes no new groups, so results stay comparable."""
    return frozenset(assignment.camera_id for assignment in given if assignment.place.split == "test")


@dataclass
class _Standing:
    """What the version has before new groups are placed."""

    groups: dict[Split, set[str]]
    label_groups: dict[str, set[str]]
    train_labels: set[str]

    @classmethod
    def of(cls, places: Mapping[UUID, Place], live: Mapping[UUID, Candidate]) -> "_Standing":
        found = cls({split: set() for split in SPLITS}, {}, set())
        for sample_id, place in places.items():
            found.groups[place.split].add(place.group)
            for label in live[sample_id].labels:
                found.label_groups.setdefault(label, set()).add(place.group)
                if place.split == "train":
                    found.train_labels.add(label)
        return found


@dataclass
class Seating:
    """Gives new groups their split: by hash, then the few moves that small data needs."""

    shares: SplitShares
    frozen: frozenset[str]
    standing: _Standing
    seats: dict[UUID, Split] = field(default_factory=dict[UUID, Split])

    def place_all(self, groups: Sequence[NewGroup]) -> list[tuple[NewGroup, Place]]:
        """Every group with its place. A group is called after the leakage key of its first sample."""
        self.seats = {group.first.sample_id: self._by_hash(group) for group in groups}
        if len(groups) >= ENOUGH_GROUPS:
            self._fill_empty_splits(groups)
            self._bring_classes_to_train(groups)
        return [(group, Place(self.seats[group.first.sample_id], group.first.key)) for group in groups]

    def _by_hash(self, group: NewGroup) -> Split:
        split = split_at(unit_hash(group.first.sample_id), self.shares)
        learnable = self.shares.train + self.shares.val
        if split == "test" and learnable > 0 and group.cameras & self.frozen:
            again = unit_hash(group.first.sample_id, "again") * learnable
            return "train" if again < self.shares.train else "val"
        return split

    def _fill_empty_splits(self, groups: Sequence[NewGroup]) -> None:
        for split in SPLITS:
            if share_of(self.shares, split) > 0 and not self._groups_in(split):
                free = [group for group in groups if split != "test" or not group.cameras & self.frozen]
                self._move_nearest(free or groups, split)

    def _bring_classes_to_train(self, groups: Sequence[NewGroup]) -> None:
        counts = Counter({label: len(names) for label, names in self.standing.label_groups.items()})
        counts.update(label for group in groups for label in group.labels)
        for label in sorted(counts):
            if counts[label] >= ENOUGH_GROUPS and self.shares.train > 0 and not self._learnable(label, groups):
                self._move_nearest([group for group in groups if label in group.labels], "train")

    def _learnable(self, label: str, groups: Sequence[NewGroup]) -> bool:
        return label in self.standing.train_labels or any(
            label in group.labels and self.seats[group.first.sample_id] == "train" for group in groups
        )

    def _groups_in(self, split: Split) -> int:
        return len(self.standing.groups[split]) + sum(seat == split for seat in self.seats.values())

    def _move_nearest(self, groups: Sequence[NewGroup], split: Split) -> None:
        """Move the group whose hash is nearest to the split's range, unless that would empty the split it leaves."""
        movable = [group for group in groups if self._groups_in(self.seats[group.first.sample_id]) > 1]
        if movable:
            nearest = min(movable, key=lambda group: (self._distance(group, split), group.first.sample_id))
            self.seats[nearest.first.sample_id] = split

    def _distance(self, group: NewGroup, split: Split) -> float:
        low, high = ranges(self.shares)[split]
        value = unit_hash(group.first.sample_id)
        return max(low - value, value - high, 0.0)


def ranges(shares: SplitShares) -> dict[Split, tuple[float, float]]:
    """The part of [0, 1) that belongs to each split."""
    return {
        "train": (0.0, shares.train),
        "val": (shares.train, shares.train + shares.val),
        "test": (shares.train + shares.val, 1.0),
    }


def share_of(shares: SplitShares, split: Split) -> float:
    """The share of a split."""
    return {"train": shares.train, "val": shares.val, "test": shares.test}[split]


def split_at(value: float, shares: SplitShares) -> Split:
    """The split whose range holds `value`."""
    if value < shares.train:
        return "train"
    return "val" if value < shares.train + shares.val or shares.test == 0 else "test"


def unit_hash(sample_id: UUID, salt: str = "") -> float:
    """A number in [0, 1) that belongs to a sample for ever, on every machine."""
    return int.from_bytes(sha256(f"{salt}{sample_id}".encode()).digest()[:8], "big") / 2**64
