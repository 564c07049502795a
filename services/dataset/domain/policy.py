"""When is a build worth it, and is there enough to build from?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.common.manifests import SPLITS
from libs.common.workflows import DatasetPolicy
from services.dataset.domain.splits import share_of

LONGEST_WAIT = 10
"""A steady stream of samples postpones a build by this many debounce times at most."""


@dataclass(frozen=True)
class Changes:
    """What happened to a workflow's samples since its last version.

    `enough_at`: when their number reached the policy's `build_after_samples`, if it did.
    """

    count: int
    oldest_at: datetime
    newest_at: datetime
    enough_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """Build now or wait, and why. The text changes only when the situation does, not every second."""

    build: bool
    reason: str


def build_due(
    policy: DatasetPolicy, changes: Changes | None, last_built_at: datetime | None, now: datetime
) -> Decision:
    """Is it time for a new version: enough changes, or old enough ones, and then a moment of quiet?"""
    if changes is None:
        return Decision(False, "nothing has changed since the last version")
    aged_at = _aged_at(policy, changes, last_built_at)
    worth_since = min(aged_at, changes.enough_at or aged_at)
    if now < worth_since:
        return Decision(
            False, f"{changes.count} of {policy.build_after_samples} new samples; builds anyway at {_clock(aged_at)}"
        )
    return _debounced(policy, changes, worth_since, now)


def _aged_at(policy: DatasetPolicy, changes: Changes, last_built_at: datetime | None) -> datetime:
    """When even a single change is worth a version."""
    return max((last_built_at or changes.oldest_at) + timedelta(hours=policy.build_after_hours), changes.oldest_at)


def _debounced(policy: DatasetPolicy, changes: Changes, worth_since: datetime, now: datetime) -> Decision:
    debounce = timedelta(seconds=policy.debounce_seconds)
    latest = worth_since + LONGEST_WAIT * debounce
    if now < min(changes.newest_at + debounce, latest):
        return Decision(
            False,
            f"enough for a version; waits until no sample came for {policy.debounce_seconds:g} s,"
            f" at the latest until {_clock(latest)}",
        )
    return Decision(True, f"{changes.count} new or changed samples")


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def shortage(policy: DatasetPolicy, classes: Sequence[str], samples: int, per_class: Mapping[str, int]) -> str | None:
    """What is missing for a version at all, and what to do; None if nothing is. `per_class`: samples that show it."""
    if samples < policy.minimum_samples:
        return (
            f"{samples} usable samples, at least {policy.minimum_samples} are needed:"
            f" approve {policy.minimum_samples - samples} more, or lower dataset.minimum_samples"
        )
    lacking = [
        f"{name} {per_class.get(name, 0)}" for name in classes if per_class.get(name, 0) < policy.minimum_per_class
    ]
    if lacking:
        return (
            f"at least {policy.minimum_per_class} samples of every class are needed, there are: {', '.join(lacking)}:"
            " approve more that show them, or lower dataset.minimum_per_class"
        )
    return None


def empty_split(policy: DatasetPolicy, counts: Mapping[str, int]) -> str | None:
    """Which split would stay empty although it has a share, and what to do; None if none would."""
    empty = [split for split in SPLITS if share_of(policy.split, split) > 0 and not counts.get(split)]
    if not empty:
        return None
    return (
        f"nothing for {' and '.join(empty)}: the samples form fewer leakage groups (same camera and time, or near-duplicates)"
        " than there are splits; approve samples of other cameras or times, or shorten dataset.time_block_minutes"
    )
