"""What the segments of a clip come to: the verdict that is announced and counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from libs.vision.procedures import Outcome, Procedure, Reason, in_words, judge
from libs.vision.segments import TimedSegment
from services.evaluator.domain.words import Words


@dataclass(frozen=True, slots=True)
class JudgedWash:
    """One clip. `seconds` are those of each label that shows a step; `total_seconds` is their sum.

    `undetermined` says nothing about steps: what was not in sight is not missing.
    """

    segments: tuple[TimedSegment, ...]
    seconds: Mapping[str, float]
    total_seconds: float
    verdict: Outcome
    missing_steps: tuple[str, ...]
    reasons: tuple[Reason, ...]

    @property
    def determined(self) -> bool:
        """Could it be judged at all?"""
        return self.verdict != "undetermined"


def judged_wash(segments: Iterable[TimedSegment], procedure: Procedure, *, visible_share: float) -> JudgedWash:
    """Hold the segments of a clip to the procedure; `visible_share` of 0..1 is how much of the hands was in sight.

    Below the procedure's `minimum_visible` a clip is undetermined, whatever was seen. Raises ValueError for a share that is
    none.
    """
    if not 0 <= visible_share <= 1:
        raise ValueError(f"{visible_share} is no share of 0..1")
    seen = tuple(sorted(segments, key=lambda each: (each.start, each.end, each.step)))
    found = judge(seen, procedure, visible_share=visible_share)
    if found.outcome == "undetermined":
        hidden = tuple(each for each in found.reasons if each.code == "hands_not_visible")
        return JudgedWash(seen, found.seconds, found.total, "undetermined", (), hidden)
    return JudgedWash(seen, found.seconds, found.total, found.outcome, found.missing, found.reasons)


def reason_values(reason: Reason) -> dict[str, str | float]:
    """The reason as an event carries it: `code`, and of the rest what is known."""
    values = {
        "code": reason.code,
        "step": reason.step,
        "other": reason.other,
        "seconds": reason.seconds,
        "needed": reason.needed,
    }
    return {name: value for name, value in values.items() if value is not None}


def reason_words(reason: Reason, procedure: Procedure, titles: Mapping[str, Words]) -> Words:
    """The reason for people; `titles` are those of the labels."""
    return Words(
        en=in_words(reason, procedure, "en", {label: words.en for label, words in titles.items()}),
        zh=in_words(reason, procedure, "zh", {label: words.zh for label, words in titles.items()}),
    )
