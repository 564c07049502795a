"""Two reviewers never overwrite one another, and nothing they said is lost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from libs.common.errors import Permanent
from libs.common.events import Annotation, ReviewSubmitted
from libs.common.testing import snapshot
from libs.common.workflows import Workflow
from services.cleaner.domain.reviews import Ruling, rule_on
from services.cleaner.domain.samples import Sample, Seen, new_sample

HAIRNET = Annotation(label="hairnet", box=(10, 10, 40, 40))
SEEN = Seen(width=320, height=240, content_type="image/jpeg", measures={}, look=9)
Rule = Callable[..., Ruling]


@pytest.fixture
def waiting(workflow: Callable[..., Workflow]) -> Sample:
    sample = new_sample(workflow(), snapshot(), SEEN, UUID(int=1))
    return replace(sample, waiting=True, why="nobody has looked", priority=0.4)


@pytest.fixture
def rule(workflow: Callable[..., Workflow]) -> Rule:
    def ruling(sample: Sample, decision: str, *, reviewer: str = "alice", base: int = 0, **given: Any) -> Ruling:
        values = {"sample_id": sample.sample_id, "decision": decision, "based_on_revision": base, "reviewer": reviewer}
        return rule_on(ReviewSubmitted(**(values | given)), sample, workflow())

    return ruling


def test_an_approval_writes_the_next_revision_in_the_reviewers_name(waiting: Sample, rule: Rule) -> None:
    ruling = rule(waiting, "approve", annotations=(HAIRNET,))
    after = ruling.sample
    assert (ruling.outcome, ruling.announce) == ("approved", "approved")
    assert (after.verdict, after.revision, after.decided_by, after.annotated_by) == (
        "approved",
        1,
        "user:alice",
        "user:alice",
    )
    assert after.annotations == (HAIRNET,)
    assert not after.waiting


def test_a_rejection_carries_the_reviewers_comment(waiting: Sample, rule: Rule) -> None:
    ruling = rule(waiting, "reject", comment="a mop")
    assert (ruling.sample.verdict, ruling.sample.reason, ruling.sample.detail) == ("rejected", "reviewer", "a mop")
    assert ruling.announce == "rejected"


def test_a_skipped_sample_goes_to_the_end_of_the_queue(waiting: Sample, rule: Rule) -> None:
    ruling = rule(waiting, "skip")
    assert ruling.announce == "queued"
    assert ruling.sample.waiting
    assert ruling.sample.priority < waiting.priority
    assert ruling.sample.revision == waiting.revision


@pytest.mark.parametrize("first", ["approve", "reject"])
def test_the_second_reviewer_is_refused_and_the_sample_comes_back_once(waiting: Sample, rule: Rule, first: str) -> None:
    decided = rule(waiting, first, annotations=(HAIRNET,)).sample
    other = "reject" if first == "approve" else "approve"
    late = rule(decided, other, reviewer="bob")
    assert (late.outcome, late.announce) == ("refused", "queued")
    assert late.sample.verdict == decided.verdict
    assert late.sample.revision == decided.revision
    assert late.sample.annotations == decided.annotations
    assert "user:alice decided" in (late.sample.why or "")
    assert "bob says" in (late.sample.why or "")
    again = rule(late.sample, other, reviewer="carol")
    assert (again.outcome, again.announce, again.sample) == ("refused", None, late.sample)


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_reviewers_who_agree_change_nothing(waiting: Sample, rule: Rule, decision: str) -> None:
    decided = rule(waiting, decision, annotations=(HAIRNET,)).sample
    late = rule(decided, decision, reviewer="bob", annotations=(HAIRNET,))
    assert (late.outcome, late.announce, late.sample) == ("agreed", None, decided)


def test_a_decision_can_be_corrected_later(waiting: Sample, rule: Rule) -> None:
    approved = rule(waiting, "approve", annotations=(HAIRNET,)).sample
    moved = Annotation(label="no_hairnet", box=(10, 10, 50, 50))
    corrected = rule(approved, "approve", base=1, annotations=(moved,))
    assert (corrected.sample.revision, corrected.sample.annotations) == (2, (moved,))
    taken_back = rule(corrected.sample, "reject", base=2)
    assert (taken_back.announce, taken_back.sample.verdict, taken_back.sample.revision) == ("rejected", "rejected", 3)


def test_a_reviewer_may_approve_what_a_rule_rejected(waiting: Sample, rule: Rule) -> None:
    dark = replace(waiting, verdict="rejected", reason="dark", waiting=False)
    after = rule(dark, "approve", annotations=(HAIRNET,)).sample
    assert (after.verdict, after.reason) == ("approved", None)


@pytest.mark.parametrize(
    ("base", "annotations", "told"),
    [
        (0, (Annotation(label="helmet", box=(1, 1, 9, 9)),), "'helmet' is none of the classes"),
        (0, (Annotation(label="hairnet", box=(900, 1, 990, 9)),), "not inside the 320x240 snapshot"),
        (4, (HAIRNET,), "based on revision 4, but its newest is 0"),
    ],
)
def test_a_review_nobody_could_mean_is_refused_for_good(
    waiting: Sample, rule: Rule, base: int, annotations: tuple[Annotation, ...], told: str
) -> None:
    with pytest.raises(Permanent, match=told):
        rule(waiting, "approve", base=base, annotations=annotations)


def test_bytes_that_are_no_picture_cannot_be_approved(waiting: Sample, rule: Rule) -> None:
    broken = replace(waiting, verdict="rejected", reason="undecodable", detail="cut off", look=None, waiting=False)
    with pytest.raises(Permanent, match="cannot be approved: cut off"):
        rule(broken, "approve")
