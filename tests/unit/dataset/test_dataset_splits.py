"""Splits: no leakage group and no near-duplicate crosses them, and no sample ever moves."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from libs.common.manifests import Split
from libs.common.testing import NOON
from libs.common.workflows import SplitShares
from services.dataset.domain.groups import JOINS_TWO_SPLITS, RESEMBLES_OTHER_SPLIT, Assignment, Candidate, Place
from services.dataset.domain.splits import SplitPlan, plan_splits, split_at, unit_hash

SHARES = SplitShares()
HASH_OF_ONE = 0.4795184636032407
Pairs = list[tuple[UUID, UUID]]


def sample(number: int, key: str, *, camera: str = "line-1", labels: tuple[str, ...] = ("worn",)) -> Candidate:
    return Candidate(UUID(int=number), camera, NOON + timedelta(seconds=number % 1_000_000), key, frozenset(labels))


def place(candidate: Candidate, split: Split) -> Assignment:
    return Assignment(candidate.sample_id, Place(split, candidate.key), candidate.key, candidate.camera_id)


def given(*assignments: Assignment) -> dict[UUID, Assignment]:
    return {assignment.sample_id: assignment for assignment in assignments}


@dataclass
class History:
    """A plant over several versions: samples keep arriving, some are rejected or come back."""

    random: random.Random
    samples: dict[UUID, Candidate] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=list)
    given: dict[UUID, Assignment] = field(default_factory=dict)
    ever: dict[UUID, Split] = field(default_factory=dict)

    def arrive(self, count: int) -> None:
        for _ in range(count):
            number = self.random.getrandbits(64)
            camera = f"line-{self.random.randrange(6)}"
            labels = self.random.sample(["worn", "missing", "beard"], self.random.randrange(3))
            new = sample(number, f"{camera}/{self.random.randrange(25)}", camera=camera, labels=tuple(labels))
            if self.samples and self.random.random() < 0.2:
                self.pairs.append((new.sample_id, self.random.choice(list(self.samples))))
            if self.random.random() < 0.05:
                self.pairs.append((new.sample_id, UUID(int=self.random.getrandbits(64))))
            self.samples[new.sample_id] = new
        if self.random.random() < 0.5:  # two known ones turn out to be alike
            one, other = self.random.sample(list(self.samples), 2)
            self.pairs.append((one, other))

    def build(self) -> SplitPlan:
        live = [candidate for candidate in self.samples.values() if self.random.random() < 0.95]
        self.random.shuffle(live)
        self.random.shuffle(self.pairs)
        absent = {i: self.samples[i].key for i in self.samples.keys() - {candidate.sample_id for candidate in live}}
        plan = plan_splits(live, self.pairs, self.given, SHARES, absent)
        self.given |= given(*plan.new)
        assert plan.places.keys() | plan.left_out.keys() == {candidate.sample_id for candidate in live}
        assert not plan.places.keys() & plan.left_out.keys()
        return plan


@pytest.mark.parametrize("seed", range(12))
def test_nothing_leaks_and_nothing_moves_over_ten_versions(seed: int) -> None:
    history = History(random.Random(seed))
    for version in range(10):
        history.arrive(120 if version == 0 else 25)
        plan = history.build()
        keys: defaultdict[str, set[Split]] = defaultdict(set)
        groups: defaultdict[str, set[Split]] = defaultdict(set)
        for sample_id, where in plan.places.items():
            keys[history.samples[sample_id].key].add(where.split)
            groups[where.group].add(where.split)
            assert history.ever.setdefault(sample_id, where.split) == where.split
        assert all(len(splits) == 1 for splits in keys.values())
        assert all(len(splits) == 1 for splits in groups.values())
        for one, other in history.pairs:
            if one in plan.places and other in plan.places:
                assert plan.places[one].split == plan.places[other].split


@pytest.mark.parametrize("seed", range(6))
def test_new_groups_of_a_camera_with_test_samples_never_enter_test(seed: int) -> None:
    history = History(random.Random(seed))
    history.arrive(200)
    before: set[str] = set()
    for _ in range(5):
        known = {assignment.place.group for assignment in history.given.values()}
        plan = history.build()
        fresh = [a for a in plan.new if a.place.split == "test" and a.place.group not in known]
        assert not {assignment.camera_id for assignment in fresh} & before
        before = {a.camera_id for a in history.given.values() if a.place.split == "test"}
        history.arrive(40)
    assert before


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_arrival_does_not_matter(seed: int) -> None:
    history = History(random.Random(seed))
    history.arrive(300)
    candidates, pairs = list(history.samples.values()), history.pairs
    expected = plan_splits(candidates, pairs, {}, SHARES, {})
    assert not expected.left_out
    for _ in range(3):
        history.random.shuffle(candidates)
        history.random.shuffle(pairs)
        turned = [(b, a) for a, b in pairs]
        assert plan_splits(candidates, turned, {}, SHARES, {}).places == expected.places


@pytest.mark.parametrize("seed", range(30))
def test_small_data_fills_every_split_and_teaches_every_class(seed: int) -> None:
    rng = random.Random(seed)
    groups = [(f"line-{g % 3}", f"block-{seed}-{g}", ("rare",) if g in (3, 7, 11) else ("worn",)) for g in range(20)]
    candidates = [
        sample(rng.getrandbits(64), key, camera=camera, labels=labels)
        for camera, key, labels in groups
        for _ in range(3)
    ]
    plan = plan_splits(candidates, [], {}, SHARES, {})
    assert {where.split for where in plan.places.values()} == {"train", "val", "test"}
    assert any(plan.places[c.sample_id].split == "train" for c in candidates if "rare" in c.labels)


@pytest.mark.parametrize("seed", range(10))
def test_three_groups_are_enough_for_three_splits(seed: int) -> None:
    candidates = [sample(seed * 100 + i, f"block-{i}") for i in range(3)]
    plan = plan_splits(candidates, [], {}, SHARES, {})
    assert sorted(where.split for where in plan.places.values()) == ["test", "train", "val"]


def test_a_share_of_zero_stays_empty() -> None:
    shares = SplitShares(train=0.8, val=0.2, test=0)
    plan = plan_splits([sample(i, f"block-{i}") for i in range(400)], [], {}, shares, {})
    assert {where.split for where in plan.places.values()} == {"train", "val"}


def test_shares_are_kept_in_the_long_run() -> None:
    plan = plan_splits([sample(i, f"b{i}", camera=f"c{i}") for i in range(4000)], [], {}, SHARES, {})
    splits = [where.split for where in plan.places.values()]
    assert splits.count("train") / 4000 == pytest.approx(0.7, abs=0.03)
    assert splits.count("test") / 4000 == pytest.approx(0.15, abs=0.03)


def test_a_sample_that_would_join_two_splits_is_left_out() -> None:
    a, b, bridge = sample(1, "a"), sample(2, "b"), sample(3, "a")
    plan = plan_splits(
        [a, b, bridge], [(bridge.sample_id, b.sample_id)], given(place(a, "train"), place(b, "test")), SHARES, {}
    )
    assert plan.left_out == {bridge.sample_id: JOINS_TWO_SPLITS}
    assert plan.places.keys() == {a.sample_id, b.sample_id}


def test_a_chain_of_new_samples_between_two_splits_is_cut_once() -> None:
    a, b = sample(1, "a"), sample(2, "b")
    chain = [sample(3, "a"), sample(4, "x"), sample(5, "y"), sample(6, "b")]
    pairs = [(one.sample_id, other.sample_id) for one, other in pairwise(chain)]
    plan = plan_splits([a, b, *chain], pairs, given(place(a, "train"), place(b, "val")), SHARES, {})
    assert plan.left_out == {chain[3].sample_id: JOINS_TWO_SPLITS}
    assert {plan.places[c.sample_id].split for c in chain[:3]} == {"train"}


def test_samples_alike_through_an_absent_one_stay_together() -> None:
    absent = UUID(int=999)
    lonely = [sample(i, f"block-{i}") for i in range(60)]
    pairs = [(candidate.sample_id, absent) for candidate in lonely[:30]]
    plan = plan_splits(lonely, pairs, {}, SHARES, {})
    assert len({plan.places[candidate.sample_id].group for candidate in lonely[:30]}) == 1


def test_resembling_a_rejected_sample_joins_the_rest_of_its_group() -> None:
    rejected, neighbours = UUID(int=999), [sample(i, "its block") for i in range(3)]
    lonely = [sample(i, f"block-{i}") for i in range(10, 60)]
    pairs = [(candidate.sample_id, rejected) for candidate in lonely[:5]]
    plan = plan_splits([*neighbours, *lonely], pairs, {}, SHARES, {rejected: "its block"})
    assert len({plan.places[candidate.sample_id].group for candidate in (*neighbours, *lonely[:5])}) == 1


def test_two_old_samples_found_alike_lose_the_one_that_is_not_test() -> None:
    a, b, c = sample(1, "a"), sample(2, "b"), sample(3, "c")
    places = given(place(a, "train"), place(b, "test"), place(c, "val"))
    plan = plan_splits([a, b, c], [(a.sample_id, b.sample_id)], places, SHARES, {})
    assert plan.left_out == {a.sample_id: RESEMBLES_OTHER_SPLIT}
    assert plan.places[b.sample_id].split == "test"


def test_a_group_is_called_after_its_first_sample_and_keeps_the_name() -> None:
    early, late = sample(1, "early"), sample(2, "late")
    plan = plan_splits([late, early], [(late.sample_id, early.sample_id)], {}, SHARES, {})
    assert {where.group for where in plan.places.values()} == {"early"}
    earlier = Candidate(UUID(int=3), "line-1", NOON - timedelta(days=1), "late", frozenset())
    later = plan_splits([late, early, earlier], [], given(*plan.new), SHARES, {})
    assert later.places[earlier.sample_id] == plan.places[early.sample_id]


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert unit_hash(UUID(int=1)) == pytest.approx(HASH_OF_ONE, abs=1e-12)
    assert split_at(0.69, SHARES) == "train"
    assert split_at(0.7, SHARES) == "val"
    assert split_at(0.86, SHARES) == "test"
