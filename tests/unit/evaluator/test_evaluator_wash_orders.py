"""What is announced of a judged wash."""

from datetime import UTC, datetime
from uuid import UUID

from libs.common.clip_orders import ClipOrder
from libs.common.events import ClipCaptured, Media, ModelRef
from libs.vision.procedures import Procedure, ProcedureStep
from libs.vision.segments import TimedSegment
from services.evaluator.domain.wash_orders import announcement
from services.evaluator.domain.washes import judged_wash
from services.evaluator.domain.words import Words

CLIP = ClipCaptured(
    clip_id="c-1",
    camera_id="sink-1",
    captured_at=datetime(2026, 3, 2, tzinfo=UTC),
    workflow="handwash",
    video=Media(uri="s3://b/clips/a.mp4", sha256="ab" * 32, content_type="video/mp4", bytes=9),
)
PROCEDURE = Procedure(
    (
        ProcedureStep("palm", {"en": "Palm", "zh": "掌心"}, order=1),
        ProcedureStep("thumb", {"en": "Thumb", "zh": "拇指"}, order=2),
    ),
    ordered=True,
)
TITLES = {"palm": Words("Palm", "掌心"), "thumb": Words("Thumb", "拇指")}
MODEL = ModelRef(name="handwash", version=3)
MEASURED = {"sensitivity": 0.9, "specificity": None, "clips": 40.0}


def said(*segments: TimedSegment, visible: float = 1.0):
    wash = judged_wash(segments, PROCEDURE, visible_share=visible)
    return announcement(CLIP, wash, PROCEDURE, TITLES, model=MODEL, measured=MEASURED, visible_share=visible)


def test_a_missing_step_is_named_in_both_languages_with_the_models_own_error() -> None:
    event = said(TimedSegment("palm", 1.0, 4.0, 0.8))
    assert (event.verdict, event.missing_steps, event.seconds, event.total_seconds) == (
        "non_compliant", ("thumb",), {"palm": 3.0}, 3.0,
    )  # fmt: skip
    (reason,) = event.reasons
    assert (reason.code, reason.step) == ("missing", "thumb")
    assert "拇指" in reason.words["zh"]
    assert event.measured_error == {"sensitivity": 0.9, "specificity": None}
    assert event.segments[0].confidence == 0.8
    assert event.proof == CLIP.video


def test_a_wrong_order_names_both_steps() -> None:
    event = said(TimedSegment("thumb", 0, 2), TimedSegment("palm", 2, 4))
    assert [(reason.code, reason.step, reason.other) for reason in event.reasons] == [("order", "thumb", "palm")]


def test_hands_out_of_sight_are_undetermined_and_nothing_is_missing() -> None:
    event = said(visible=0.1)
    assert (event.verdict, event.missing_steps) == ("undetermined", ())
    assert [reason.code for reason in event.reasons] == ["hands_not_visible"]


def test_an_order_is_read_as_it_was_written() -> None:
    order = ClipOrder(CLIP, UUID(int=3), "cause", "00-aa-bb-01")
    assert ClipOrder.read(order.spec()) == order
    assert order.cause.correlation_id == "cause"
