"""Which snapshots are believed, refused or asked about."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from libs.common.events import Annotation, Detection, ModelRef
from libs.common.testing import snapshot
from libs.common.workflows import CleaningRules, Workflow
from services.cleaner.domain.samples import Seen, Unreadable
from services.cleaner.domain.verdicts import Approved, Queued, Rejected, drawn, judge, unusable

SAMPLE = UUID(int=7)
HAIRNET = Annotation(label="hairnet", box=(10, 10, 40, 40))


def seen(**changes: Any) -> Seen:
    measures = {"brightness": 120.0, "sharpness": 300.0} | changes.pop("measures", {})
    values: dict[str, Any] = {"width": 320, "height": 240, "content_type": "image/jpeg", "look": 5}
    return Seen(measures=measures, **(values | changes))


def found(confidence: float, label: str = "hairnet", box: tuple[float, ...] = (10, 10, 40, 40)) -> Detection:
    return Detection(label=label, box=box, confidence=confidence)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (seen(), None),
        (Unreadable("cut off"), "undecodable"),
        (seen(width=63), "too_small"),
        (seen(height=63), "too_small"),
        (seen(width=64, height=64), None),
        (seen(measures={"brightness": 29.9}), "dark"),
        (seen(measures={"brightness": 30.0}), None),
        (seen(measures={"brightness": 230.1}), "overexposed"),
        (seen(measures={"brightness": 230.0}), None),
        (seen(measures={"sharpness": 19.9}), "blurred"),
        (seen(measures={"sharpness": 20.0}), None),
        (seen(measures={"brightness": 5.0, "sharpness": 1.0}), "dark"),
    ],
)
def test_unusable_snapshots_are_rejected_for_their_reason(what: Seen | Unreadable, reason: str | None) -> None:
    rejected = unusable(what, CleaningRules())
    assert (rejected and rejected.reason) == reason
    assert rejected is None or rejected.detail


def test_good_annotations_are_believed(workflow: Callable[..., Workflow]) -> None:
    verdict = judge(snapshot(annotations=(HAIRNET,)), workflow(), seen(), SAMPLE)
    assert verdict == Approved("rule:annotated", (HAIRNET,), "camera")


def test_an_annotated_snapshot_without_boxes_is_believed_to_show_nothing(workflow: Callable[..., Workflow]) -> None:
    assert judge(snapshot(annotations=()), workflow(), seen(), SAMPLE) == Approved("rule:annotated", (), "camera")


def test_a_box_that_passes_the_border_a_little_is_cut_there(workflow: Callable[..., Workflow]) -> None:
    wide = Annotation(label="hairnet", box=(300, 200, 325, 245))
    verdict = judge(snapshot(annotations=(wide,)), workflow(), seen(), SAMPLE)
    assert isinstance(verdict, Approved)
    assert verdict.annotations[0].box == (300, 200, 320, 240)


@pytest.mark.parametrize(
    ("label", "box", "told"),
    [
        ("helmet", (10, 10, 40, 40), "'helmet' is none of the classes of hairnet (hairnet, no_hairnet)"),
        ("hairnet", (40, 10, 10, 40), "box [40, 10, 10, 40]"),
        ("hairnet", (10, 10, 10, 40), "is empty or not inside the 320x240 snapshot"),
        ("hairnet", (400, 10, 500, 40), "box [400, 10, 500, 40]"),
        ("hairnet", (300, 10, 400, 40), "box [300, 10, 400, 40]"),
    ],
)
def test_wrong_annotations_go_to_a_person_who_is_told_what_is_wrong(
    workflow: Callable[..., Workflow], label: str, box: tuple[float, float, float, float], told: str
) -> None:
    wrong = Annotation(label=label, box=box)
    verdict = judge(snapshot(annotations=(HAIRNET, wrong)), workflow(), seen(), SAMPLE)
    assert isinstance(verdict, Queued)
    assert told in verdict.why
    assert verdict.annotations == (HAIRNET,)


def test_annotations_are_not_believed_where_the_workflow_says_so(workflow: Callable[..., Workflow]) -> None:
    careful = workflow(cleaning={"approve": {"annotated": False}})
    verdict = judge(snapshot(annotations=(HAIRNET,)), careful, seen(), SAMPLE)
    assert isinstance(verdict, Queued)
    assert verdict.annotations == (HAIRNET,)
    assert verdict.annotated_by == "camera"


@pytest.mark.parametrize("confident", [False, True])
def test_a_spot_check_asks_a_person_although_a_rule_would_approve(
    workflow: Callable[..., Workflow], confident: bool
) -> None:
    checked = workflow(cleaning={"approve": {"spot_check_share": 1.0, "minimum_confidence": 0.5}})
    event = snapshot(detections=(found(0.9),)) if confident else snapshot(annotations=(HAIRNET,))
    verdict = judge(event, checked, seen(), SAMPLE)
    assert isinstance(verdict, Queued)
    assert "spot check" in verdict.why


def test_confident_detections_are_believed_with_their_model_as_provenance(workflow: Callable[..., Workflow]) -> None:
    trusting = workflow(cleaning={"approve": {"minimum_confidence": 0.9, "spot_check_share": 0.0}})
    event = snapshot(detections=(found(0.95), found(0.9)), detected_by=ModelRef(name="hairnet", version=3))
    verdict = judge(event, trusting, seen(), SAMPLE)
    assert verdict == Approved("rule:confident", (HAIRNET, HAIRNET), "model:hairnet@3")


@pytest.mark.parametrize(
    "detections", [(found(0.95), found(0.89)), (), (found(0.95, label="helmet"),), (found(0.95, box=(9, 9, 9, 9)),)]
)
def test_detections_with_any_doubt_go_to_a_person(
    workflow: Callable[..., Workflow], detections: tuple[Detection, ...]
) -> None:
    trusting = workflow(cleaning={"approve": {"minimum_confidence": 0.9, "spot_check_share": 0.0}})
    assert isinstance(judge(snapshot(detections=detections), trusting, seen(), SAMPLE), Queued)


def test_detections_are_suggestions_while_no_confidence_is_set(workflow: Callable[..., Workflow]) -> None:
    verdict = judge(snapshot(detections=(found(0.99),)), workflow(), seen(), SAMPLE)
    assert isinstance(verdict, Queued)
    assert verdict.suggestions == (found(0.99),)
    assert verdict.annotated_by is None


def test_the_queue_asks_first_about_violations_then_about_doubt(workflow: Callable[..., Workflow]) -> None:
    events = {
        "violation": snapshot(violation_type="no_hairnet"),
        "doubt": snapshot(detections=(found(0.5),)),
        "unknown": snapshot(),
        "sure": snapshot(detections=(found(0.99),)),
    }
    verdicts = {name: judge(event, workflow(), seen(), SAMPLE) for name, event in events.items()}
    order = sorted(verdicts, key=lambda name: -getattr(verdicts[name], "priority"))  # noqa: B009 a union's member
    assert order == ["violation", "doubt", "unknown", "sure"]


def test_only_a_share_is_reviewed(workflow: Callable[..., Workflow]) -> None:
    verdict = judge(snapshot(), workflow(cleaning={"review_share": 0.0}), seen(), SAMPLE)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "sampled_out"


def test_lots_fall_in_the_asked_share_and_alike_for_ever() -> None:
    ids = [UUID(int=number) for number in range(2000)]
    first = [drawn(each, "review", 0.3) for each in ids]
    assert 0.25 < sum(first) / len(ids) < 0.35
    assert first == [drawn(each, "review", 0.3) for each in ids]
    assert first != [drawn(each, "spot-check", 0.3) for each in ids]
    assert all(drawn(each, "review", 1.0) for each in ids)
    assert not any(drawn(each, "review", 0.0) for each in ids)
