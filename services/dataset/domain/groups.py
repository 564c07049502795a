"""Leakage groups: what is connected by a leakage key or by being near-duplicates, and must stay in one split."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.common.manifests import Split

JOINS_TWO_SPLITS = "joins_two_splits"
RESEMBLES_OTHER_SPLIT = "resembles_other_split"
UNKNOWN_LABEL = "unknown_label"
# Test results stay comparable, so a test sample stays; next, the smaller split.
KEEP_ORDER: tuple[Split, ...] = ("test", "val", "train")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample that may enter the version. `key`: camera and time block, or what its snapshot was derived from."""

    sample_id: UUID
    camera_id: str
    captured_at: datetime
    key: str
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample belongs, for ever: its split and the name of its leakage group."""

    split: Split
    group: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """A place as it was given, with the sample's leakage key and camera at that time."""

    sample_id: UUID
    place: Place
    key: str
    camera_id: str


@dataclass(frozen=True)
class NewGroup:
    """Samples that belong together and have no place yet. `first`: the earliest captured."""

    members: Sequence[Candidate]

    @property
    def first(self) -> Candidate:
        return self.members[0]

    @property
    def cameras(self) -> frozenset[str]:
        return frozenset(member.camera_id for member in self.members)

    @property
    def labels(self) -> frozenset[str]:
        return frozenset[str]().union(*(member.labels for member in self.members))


@dataclass(frozen=True)
class Grouping:
    """Who goes with whom: samples that join a place, groups that have none yet, samples left out with their reason."""

    joined: Mapping[UUID, Place]
    new_groups: Sequence[NewGroup]
    left_out: Mapping[UUID, str]


Links = Mapping[UUID, Sequence[UUID]]


def both_ways(pairs: Iterable[tuple[UUID, UUID]]) -> Links:
    """Near-duplicate links as neighbours of either end."""
    neighbours: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for one, other in pairs:
        neighbours[one].append(other)
        neighbours[other].append(one)
    return neighbours


def crossing(live: Mapping[UUID, Candidate], links: Links, given: Mapping[UUID, Assignment]) -> dict[UUID, str]:
    """Samples with a place that turned out to resemble one of another split: of each such pair, one is left out."""
    out: dict[UUID, str] = {}
    for one in sorted(links.keys() & given.keys() & live.keys()):
        for other in links[one]:
            if other not in given or other not in live or one in out or other in out:
                continue
            if given[one].place.split != given[other].place.split:
                out[max(one, other, key=lambda i: KEEP_ORDER.index(given[i].place.split))] = RESEMBLES_OTHER_SPLIT
    return out


KeyPlaces = Mapping[str, frozenset[Place]]


@dataclass(frozen=True)
class Known:
    """What stands before new samples are grouped. `absent_keys`: leakage keys of known samples that are not candidates."""

    links: Links
    given: Mapping[UUID, Assignment]
    key_places: KeyPlaces
    absent_keys: Mapping[UUID, str]

    def keys_near(self, sample: Candidate) -> list[str]:
        """The leakage keys a sample joins: its own, and those of absent near-duplicates (a link joins a whole group)."""
        near = self.links.get(sample.sample_id, ())
        return [sample.key, *(self.absent_keys[i] for i in near if i in self.absent_keys)]

    def places_near(self, sample: Candidate) -> set[Place]:
        """The places of what a sample would be connected with."""
        near = self.links.get(sample.sample_id, ())
        places = {self.given[i].place for i in near if i in self.given}
        return places.union(*(self.key_places.get(key, ()) for key in self.keys_near(sample)))


def group_new(newcomers: Iterable[Candidate], known: Known) -> Grouping:
    """Group the samples without a place: with those that have one, or among themselves.

    One that would connect two splits is left out and connects nothing. Earlier captured samples go first, so the
    result does not depend on the order in which samples arrived.
    """
    ordered = sorted(newcomers, key=lambda sample: (sample.captured_at, sample.sample_id))
    waiting = {sample.sample_id for sample in ordered}
    forest = _Forest()
    left_out: dict[UUID, str] = {}
    admitted: list[Candidate] = []
    for sample in ordered:
        near = known.links.get(sample.sample_id, ())
        touched = [*known.keys_near(sample), *(i for i in near if i in waiting and i in forest.parent)]
        if not forest.connect(sample.sample_id, touched, known.places_near(sample)):
            left_out[sample.sample_id] = JOINS_TWO_SPLITS
            continue
        admitted.append(sample)
        for absent in near:
            # Not in this version, so it may stand on both sides; where it does not, it connects what resembles it.
            if absent not in waiting and absent not in known.given:
                forest.connect(sample.sample_id, [absent], frozenset())
    return _collect(admitted, forest, left_out)


def places_of_keys(live: Mapping[UUID, Candidate], given: Iterable[Assignment]) -> KeyPlaces:
    """The places of a leakage key: those of the samples that had it when they got theirs, or have it now."""
    places: defaultdict[str, set[Place]] = defaultdict(set)
    for assignment in given:
        places[assignment.key].add(assignment.place)
        current = live.get(assignment.sample_id)
        if current is not None and current.key != assignment.key:
            places[current.key].add(assignment.place)
    return {key: frozenset(found) for key, found in places.items()}


def _collect(admitted: Iterable[Candidate], forest: "_Forest", left_out: dict[UUID, str]) -> Grouping:
    joined: dict[UUID, Place] = {}
    fresh: defaultdict[Hashable, list[Candidate]] = defaultdict(list)
    for sample in admitted:
        root = forest.root(sample.sample_id)
        place = forest.place.get(root)
        if place is None:
            fresh[root].append(sample)
        else:
            joined[sample.sample_id] = place
    return Grouping(joined, [NewGroup(members) for members in fresh.values()], left_out)


@dataclass
class _Forest:
    """Union-find whose trees know their place, if they have one. No tree ever spans two splits."""

    parent: dict[Hashable, Hashable] = field(default_factory=dict[Hashable, Hashable])
    place: dict[Hashable, Place] = field(default_factory=dict[Hashable, Place])
    size: dict[Hashable, int] = field(default_factory=dict[Hashable, int])

    def root(self, node: Hashable) -> Hashable:
        """The tree `node` is in; a new one if it was in none. Halves the path it walked."""
        parent = self.parent
        parent.setdefault(node, node)
        while (above := parent[node]) != node:
            parent[node] = node = parent[above]
        return node

    def connect(self, node: Hashable, others: Iterable[Hashable], places: Iterable[Place]) -> bool:
        """Join the trees of all nodes, and these places; False, changing nothing, if that would span two splits."""
        roots = {self.root(other) for other in others}
        if node in self.parent:
            roots.add(self.root(node))
        found = {*places, *(self.place[root] for root in roots if root in self.place)}
        if len({place.split for place in found}) > 1:
            return False
        top = self._join(self.root(node), roots)
        if found:
            self.place[top] = min(found, key=lambda place: place.group)
        return True

    def _join(self, top: Hashable, roots: Iterable[Hashable]) -> Hashable:
        for root in roots:
            if root == top:
                continue
            if self.size.get(root, 1) > self.size.get(top, 1):
                top, root = root, top
            self.parent[root] = top
            self.size[top] = self.size.get(top, 1) + self.size.get(root, 1)
        return top
