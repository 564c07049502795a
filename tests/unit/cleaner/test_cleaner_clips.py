"""Verdicts on clips and on the segments that come along, by hand."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from libs.common.clip_orders import ClipOrder
from libs.common.errors import Permanent
from libs.common.events import ClipCaptured, Media, ReviewSubmitted, Segment
from services.cleaner.domain.clips import ClipSeen, judge_clip, new_clip_sample, recording_of
from services.cleaner.domain.reviews import rule_on
from services.cleaner.domain.samples import Unreadable
from services.cleaner.domain.segments import segment_mistakes, sound_segments
from services.cleaner.domain.verdicts import Approved, Queued, Rejected, with_verdict
from tests.unit.cleaner.clip_kit import wash_workflow

SAMPLE = UUID(int=7)
VIDEO = Media(uri="s3://b/clips/a.mp4", sha256="ab" * 32, content_type="video/mp4", bytes=9)


def segment(step: str, start: float, end: float) -> Segment:
    return Segment(step=step, start_seconds=start, end_seconds=end)


def clip(**changes: Any) -> ClipCaptured:
    values = {"clip_id": "c-1", "camera_id": "sink-1", "captured_at": datetime(2026, 3, 2, tzinfo=UTC)}
    return ClipCaptured.model_validate({**values, "workflow": "handwash", "video": VIDEO, **changes})


def seen(**changes: Any) -> ClipSeen:
    measures = {"brightness": 120.0, "sharpness": 90.0, "frozen_share": 0.1} | changes.pop("measures", {})
    values = {"width": 320, "height": 240, "content_type": "video/mp4", "seconds": 20.0, "frames_per_second": 10.0}
    return ClipSeen(**(values | {"measures": measures, "fingerprint": b"f"} | changes))


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (Unreadable("junk"), "undecodable"),
        (seen(width=32), "too_small"),
        (seen(seconds=1.0), "too_short"),
        (seen(seconds=1000.0), "too_long"),
        (seen(measures={"frozen_share": 0.9}), "frozen"),
        (seen(measures={"brightness": 3.0}), "dark"),
        (seen(measures={"sharpness": 1.0}), "blurred"),
    ],
)
def test_an_unusable_clip_is_rejected_with_its_reason(look: ClipSeen | Unreadable, reason: str) -> None:
    verdict = judge_clip(clip(segments=(segment("thumb_left", 0, 3),)), wash_workflow(), look, SAMPLE)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == reason


def test_segments_that_came_along_are_believed() -> None:
    given = (segment("thumb_left", 3, 6), segment("palm_to_palm", 0, 3))
    verdict = judge_clip(clip(segments=given), wash_workflow(), seen(), SAMPLE)
    assert verdict == Approved("rule:annotated", (), "camera", (given[1], given[0]))


def test_a_clip_without_segments_is_a_question() -> None:
    assert isinstance(judge_clip(clip(), wash_workflow(), seen(), SAMPLE), Queued)


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_hands_out_of_sight_ask_a_person(share: float) -> None:
    workflow, look = (
        wash_workflow(cleaning={"clips": {"minimum_hands_share": 0.05}}),
        seen(measures={"skin_share": share}),
    )
    bare, empty = judge_clip(clip(), workflow, look, SAMPLE), judge_clip(clip(segments=()), workflow, look, SAMPLE)
    marked = judge_clip(clip(segments=(segment("thumb_left", 0, 3),)), workflow, look, SAMPLE)
    assert isinstance(bare, Queued)
    assert bare.why.startswith(f"hands are in sight in {100 * share:.0f} % of the clip")
    assert isinstance(marked, Queued)
    assert "steps came along, but hands are in sight" in marked.why
    assert marked.priority > bare.priority
    assert isinstance(empty, Approved)  # nothing is marked, and nothing is seen: they agree


def test_hands_in_sight_or_gloves_ask_nobody() -> None:
    strict, gloves = wash_workflow(cleaning={"clips": {"minimum_hands_share": 0.05}}), wash_workflow()
    given = clip(segments=(segment("thumb_left", 0, 3),))
    assert isinstance(judge_clip(given, strict, seen(measures={"skin_share": 0.05}), SAMPLE), Approved)
    assert isinstance(judge_clip(given, gloves, seen(measures={"skin_share": 0.0}), SAMPLE), Approved)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([segment("thumb", 0, 3)], "step of 'thumb' 0-3 s is none of handwash"),
        ([segment("thumb_left", 3, 3)], "ends before it starts"),
        ([segment("thumb_left", -1, 3)], "is not inside the 20.000 s"),
        ([segment("thumb_left", 15, 25)], "is not inside the 20.000 s"),
        ([segment("thumb_left", 0, 5), segment("palm_to_palm", 4, 8)], "overlap"),
    ],
)
def test_a_mistake_in_the_segments_asks_a_person(given: list[Segment], told: str) -> None:
    verdict = judge_clip(clip(segments=tuple(given)), wash_workflow(), seen(), SAMPLE)
    assert isinstance(verdict, Queued)
    assert told in verdict.why
    assert verdict.annotated_by == "camera"


def test_sound_segments_do_not_overlap_nor_pass_the_end() -> None:
    given = [segment("thumb_left", 0, 5.05), segment("palm_to_palm", 5, 20.4), segment("elbow", 6, 7)]
    kept = sound_segments(given, wash_workflow(), seconds=20.0)
    assert [(s.step, s.start_seconds, s.end_seconds) for s in kept] == [("thumb_left", 0, 5), ("palm_to_palm", 5, 20)]
    assert segment_mistakes(kept, wash_workflow(), seconds=20.0) == []


def test_what_never_crosses_splits() -> None:
    assert recording_of(clip(source_group="rec", subject_id="ann")) == "source:rec"
    assert recording_of(clip(subject_id="ann")) == "subject:ann"
    assert recording_of(clip()) == "clip:c-1"


def test_an_order_is_read_as_it_was_written() -> None:
    order = ClipOrder(clip(segments=(segment("thumb_left", 0, 1),)), UUID(int=3), "cause", None)
    assert ClipOrder.read(order.spec()) == order


def test_a_review_of_a_clip_is_about_its_segments() -> None:
    workflow = wash_workflow()
    sample = with_verdict(new_clip_sample(clip(), seen(), SAMPLE), Queued("?", 0.5))
    good = (segment("thumb_left", 0, 5),)
    review = ReviewSubmitted(sample_id=SAMPLE, decision="approve", segments=good, based_on_revision=0, reviewer="ann")
    ruling = rule_on(review, sample, workflow)
    assert (ruling.outcome, ruling.sample.segments, ruling.sample.revision) == ("approved", good, 1)
    again = rule_on(review.model_copy(update={"reviewer": "bob"}), ruling.sample, workflow)
    assert again.outcome == "agreed"
    other = review.model_copy(update={"segments": (segment("thumb_right", 0, 5),), "reviewer": "bob"})
    assert rule_on(other, ruling.sample, workflow).outcome == "refused"
    wrong = review.model_copy(update={"segments": (segment("thumb_left", 0, 50),)})
    with pytest.raises(Permanent, match=r"not inside the 20\.000 s"):
        rule_on(wrong, sample, workflow)


def test_what_cannot_be_decoded_cannot_be_approved() -> None:
    sample = with_verdict(new_clip_sample(clip(), Unreadable("junk"), SAMPLE), Rejected("undecodable", "junk"))
    review = ReviewSubmitted(sample_id=SAMPLE, decision="approve", based_on_revision=0, reviewer="ann")
    with pytest.raises(Permanent, match="cannot be approved: junk"):
        rule_on(review, sample, wash_workflow())
