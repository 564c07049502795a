"""Clips in the console: their samples, their reviews, their links in a chain, what the washes come to, whose clock counts."""

from datetime import UTC, date, datetime, time
from itertools import permutations
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from libs.common.errors import Permanent
from libs.common.events import Annotation, ModelRef, Segment
from libs.common.workflows import Title, parse_workflow
from services.console.api.washing import period
from services.console.domain.chain import reason_of, sample_nodes, used_from_samples
from services.console.domain.facts import Fact
from services.console.domain.reviews import review_mistakes
from services.console.domain.samples import Sample, sample_of
from services.console.domain.shifts import Shift, ShiftPlan, zone_called
from services.console.domain.washes import judged_wash
from services.console.settings import Settings
from tests.unit.console.clip_events import (
    DEFINITION,
    PALMS,
    PREVIEW,
    STRIP,
    THUMB,
    approved,
    captured,
    judged,
    queued,
    rejected,
)
from tests.unit.console.console_events import Round, at, fact

WORKFLOW = parse_workflow(DEFINITION, origin="test")
SAMPLE = uuid4()
NOWHERE = {
    "kafka_bootstrap_servers": "localhost:9092", "database_url": "postgresql://localhost/camloop",
    "s3_endpoint": "http://localhost:9000", "s3_access_key": "none", "s3_secret_key": "none",
    "camloop_admin_token": "only-for-this-test-0123456789",
}  # fmt: skip
BERLIN = ShiftPlan(ZoneInfo("Europe/Berlin"))


def sample_from(*facts: Fact) -> Sample:
    """The sample, the same for every order of arrival."""
    samples = [sample_of(order) for order in permutations(facts)]
    assert len({repr(sample) for sample in samples}) == 1
    assert samples[0] is not None
    return samples[0]


def test_a_clips_sample_shows_what_each_event_knew_of_it() -> None:
    sample = sample_from(fact(queued(SAMPLE), 1), fact(approved(SAMPLE), 2))
    assert (sample.kind, sample.clip_id, sample.subject_id, sample.verdict) == (
        "clip",
        "clip-1",
        "person-3",
        "approved",
    )
    assert [each["step"] for each in sample.segments] == ["palms"]
    assert [each["step"] for each in sample.suggested_segments] == ["thumb_left"]
    assert sample.suggested_by == {"name": "washing", "version": 3}
    assert sample.strip is not None
    assert sample.preview is not None
    assert (sample.strip["uri"], sample.preview["uri"]) == (STRIP.uri, PREVIEW.uri)


def test_the_suggestion_of_the_last_model_counts_with_all_it_said() -> None:
    later = queued(SAMPLE, suggested_segments=(), suggested_by=ModelRef(name="washing", version=4))
    sample = sample_from(fact(queued(SAMPLE), 1), fact(later, 2), fact(queued(SAMPLE, suggested_by=None), 0))
    assert (sample.suggested_segments, sample.suggested_by) == ((), {"name": "washing", "version": 4})


def test_a_rejected_clip_keeps_its_segments_and_is_a_clip_from_the_start() -> None:
    assert sample_from(fact(rejected(SAMPLE))).kind == "clip"
    sample = sample_from(fact(queued(SAMPLE, segments=(PALMS,)), 1), fact(rejected(SAMPLE), 2))
    assert (sample.kind, len(sample.segments), sample.preview is not None) == ("clip", 1, True)


def segment(step: str, start: float, end: float) -> Segment:
    return Segment(step=step, start_seconds=start, end_seconds=end)


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ((), None),
        ((PALMS, THUMB), None),
        ((segment("palms", 0, 20.4),), None),  # players and decoders disagree about the last frames
        ((segment("elbow", 1, 2),), "has no step 'elbow': use palms, thumb_left, thumb_right"),
        ((segment("other", 1, 2),), "has no step 'other'"),  # the background is where nothing is marked
        ((segment("palms", 3, 3),), "must start before it ends"),
        ((segment("palms", 3, 2),), "must start before it ends"),
        ((segment("palms", -1, 2),), "is not inside the clip of 20.000 s"),
        ((segment("palms", 3, 20.6),), "is not inside the clip of 20.000 s"),
        ((segment("thumb_left", 4, 8), segment("palms", 1, 5)), "'palms' 1-5 s and 'thumb_left' 4-8 s overlap"),
    ],
)
def test_a_review_of_a_clip_names_steps_inside_it(segments: tuple[Segment, ...], words: str | None) -> None:
    sample = sample_from(fact(queued(SAMPLE)))
    wrong = "; ".join(review_mistakes(sample, WORKFLOW, (), segments))
    assert (words in wrong) if words else wrong == ""


def test_images_are_reviewed_by_boxes_and_clips_by_segments() -> None:
    clip, image = sample_from(fact(queued(SAMPLE))), sample_from(fact(Round().queued(0)))
    box = Annotation(label="palms", box=(0, 0, 1, 1))
    assert review_mistakes(clip, WORKFLOW, (box,), ()) == ["a clip is reviewed by `segments`, not by `annotations`"]
    assert review_mistakes(image, WORKFLOW, (box,), (PALMS,)) == [
        "an image is reviewed by `annotations`, not by `segments`"
    ]


def test_links_of_clips_say_what_they_are() -> None:
    assert reason_of(captured()) == "20.0 s of video, 1 segments came along"
    assert reason_of(judged()) == "non compliant by washing@3: Thumb is missing"
    assert reason_of(judged(verdict="compliant")) == "compliant by washing@3"


def test_a_dataset_version_of_clips_comes_from_clips() -> None:
    _, behind = sample_nodes(used_from_samples([sample_from(fact(approved(SAMPLE)))]), source="the verdicts")
    assert (behind.what, behind.subject, behind.details["first"]) == ("clip.captured", "1 clips", ["clip-1"])


def test_a_wash_is_counted_with_its_models_error() -> None:
    event = judged()
    wash = judged_wash(fact(event), event).counted()
    assert (wash.clip_id, wash.verdict, wash.missing_steps, wash.seconds) == (
        "clip-1",
        "non_compliant",
        ("thumb",),
        5.0,
    )
    assert (wash.model.reference, wash.model.sensitivity, wash.model.specificity) == ("washing@3", 0.9, 0.75)
    nobody_knows = judged(measured_error={})
    assert judged_wash(fact(nobody_knows), nobody_knows).counted().model.sensitivity is None


def test_days_begin_with_their_first_shift_by_the_plants_clock() -> None:
    first, end = period(BERLIN, date(2026, 3, 28), date(2026, 3, 28))
    assert first == datetime(2026, 3, 28, 5, tzinfo=UTC)  # 06:00 in winter
    assert end == datetime(2026, 3, 29, 4, tzinfo=UTC)  # 06:00 in summer: this day had 23 hours
    assert period(BERLIN, at(1), None) == (at(1), None)


@pytest.mark.parametrize(
    ("since", "to", "words"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "must be before"),
        (at(1), at(1), "must be before"),
        (None, date.max, "after them"),
    ],
)
def test_a_period_that_is_none_is_refused(since: date | None, to: date, words: str) -> None:
    with pytest.raises(Permanent, match=words):
        period(BERLIN, since, to)


def test_shifts_and_zone_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_TIME_ZONE", "Asia/Shanghai")
    monkeypatch.setenv("CONSOLE_SHIFTS", '[{"title": {"en": "day", "zh": "白班"}, "begins": "07:30"}]')
    plan = Settings(_env_file=None, **NOWHERE).shift_plan
    assert plan == ShiftPlan(ZoneInfo("Asia/Shanghai"), (Shift(Title(en="day", zh="白班"), time(7, 30)),))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TIME_ZONE", "Mars/Base", "is no time zone"),
        ("SHIFTS", "[]", "needs a shift"),
        ("SHIFTS", '[{"title": {"en": "a", "zh": "b"}, "begins": "06:00Z"}]', "without a zone"),
    ],
)
def test_a_plan_that_is_none_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"CONSOLE_{name}", value)
    with pytest.raises(ValidationError, match=words):
        Settings(_env_file=None, **NOWHERE)


@pytest.mark.parametrize("name", ["Mars/Base", "", "America", "/etc/passwd", "../UTC", "a\x00b", "x" * 5000])
def test_a_time_zone_nobody_knows_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="use a name like"):
        zone_called(name)
