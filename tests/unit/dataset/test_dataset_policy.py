"""When a build is due, and what it lacks: a table of cases."""

from datetime import datetime, timedelta

import pytest

from libs.common.testing import NOON
from libs.common.workflows import DatasetPolicy, SplitShares
from services.dataset.domain.policy import Changes, build_due, empty_split, shortage

POLICY = DatasetPolicy(build_after_samples=10, build_after_hours=2, debounce_seconds=30)


def at(**after: float) -> datetime:
    return NOON + timedelta(**after)


def changes(count: int, *, oldest: datetime = NOON, newest: datetime = NOON, enough: datetime | None = None) -> Changes:
    return Changes(count, oldest, newest, enough)


@pytest.mark.parametrize(
    ("pending", "last_built_at", "now", "due"),
    [
        pytest.param(None, NOON, at(days=9), False, id="nothing new, however long ago"),
        pytest.param(changes(9), at(hours=-1), at(minutes=59), False, id="too few, too young"),
        pytest.param(changes(9), at(hours=-1), at(hours=1), True, id="few, but two hours since the last version"),
        pytest.param(changes(1), None, at(hours=1.9), False, id="no version yet: the hours count from the oldest"),
        pytest.param(changes(1), None, at(hours=2), True, id="no version yet, two hours since the oldest"),
        pytest.param(changes(1), at(days=-9), at(seconds=29), False, id="old version: debounced all the same"),
        pytest.param(changes(1), at(days=-9), at(seconds=30), True, id="old version: a single change is enough"),
        pytest.param(changes(10, enough=NOON), NOON, at(seconds=29), False, id="enough, not quiet yet"),
        pytest.param(changes(10, enough=NOON), NOON, at(seconds=30), True, id="enough and quiet"),
        pytest.param(
            changes(90, enough=NOON, newest=at(seconds=299)), NOON, at(seconds=299), False, id="a steady stream waits"
        ),
        pytest.param(
            changes(90, enough=NOON, newest=at(seconds=300)), NOON, at(seconds=300), True, id="but not for ever"
        ),
        pytest.param(
            changes(10, oldest=at(hours=-1), enough=NOON, newest=NOON),
            at(hours=-1),
            at(seconds=10),
            False,
            id="a slow trickle is debounced from the moment it is enough",
        ),
    ],
)
def test_a_build_is_due(pending: Changes | None, last_built_at: datetime | None, now: datetime, due: bool) -> None:
    assert build_due(POLICY, pending, last_built_at, now).build is due


def test_no_debounce_builds_at_once() -> None:
    policy = POLICY.model_copy(update={"debounce_seconds": 0})
    assert build_due(policy, changes(10, enough=NOON), NOON, NOON).build


def test_the_reason_stands_still_while_nothing_happens() -> None:
    first = build_due(POLICY, changes(9), NOON, at(minutes=1))
    assert first == build_due(POLICY, changes(9), NOON, at(minutes=2))
    assert first.reason == "9 of 10 new samples; builds anyway at 2026-03-02 14:00:00 UTC"


@pytest.mark.parametrize(
    ("samples", "per_class", "words"),
    [
        (19, {"a": 9, "b": 9}, "approve 1 more"),
        (20, {"a": 9, "b": 4}, "there are: b 4"),
        (20, {"a": 9}, "there are: b 0"),
        (20, {"a": 5, "b": 5}, None),
    ],
)
def test_a_shortage_names_what_is_missing(samples: int, per_class: dict[str, int], words: str | None) -> None:
    reason = shortage(DatasetPolicy(minimum_samples=20, minimum_per_class=5), ["a", "b"], samples, per_class)
    assert reason is None if words is None else reason is not None and words in reason


def test_an_empty_split_is_named_unless_its_share_is_zero() -> None:
    reason = empty_split(DatasetPolicy(), {"train": 60})
    assert reason is not None
    assert "nothing for val and test" in reason
    no_test = DatasetPolicy(split=SplitShares(train=0.8, val=0.2, test=0))
    assert empty_split(no_test, {"train": 50, "val": 10}) is None
