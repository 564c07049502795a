"""What a link of a cause chain says."""

from uuid import uuid4

import pytest

from libs.common.events import Event, Gate, PromotionRejected, ReviewSubmitted, TrainingFailed, as_values
from libs.common.manifests import ManifestLine
from services.console.domain.chain import (
    FIRST,
    node_of,
    reason_of,
    sample_nodes,
    used_from_manifest,
    used_from_samples,
)
from services.console.domain.facts import LoggedEvent
from services.console.domain.samples import sample_of
from tests.unit.console.console_events import IMAGE, Round, at, fact

TOLD = Round()
RUN = {"training_run_id": TOLD.run_id, "workflow": "hairnet"}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (TOLD.registered(gate=Gate(passed=False, reasons=("a", "b"))), "the gate failed: a; b"),
        (TOLD.evaluated(), "the gate passed"),
        (TOLD.trained(), "trained with ultralytics in 61 s on cpu"),
        (TOLD.started(), "attempt 1 on a CPU"),
        (TOLD.train_queued(), "dataset version 1 was built; waits for a free trainer"),
        (TrainingFailed(**RUN, reason="out of memory", attempt=1, hint="Use less"), "out of memory. Use less"),
        (TOLD.built(), "asked for by the workflow's policy: 2 samples added, 0 changed, 0 removed"),
        (TOLD.built(requested_by="li", reused=True), "nothing changed since version 1; asked for by li"),
        (TOLD.rejected(0, detail="sharpness 3.5 < 20"), "blurred: sharpness 3.5 < 20"),
        (TOLD.queued(0), "no annotation came along"),
        (TOLD.approved(0), "approved by rule:annotated"),
        (
            ReviewSubmitted(sample_id=uuid4(), decision="skip", based_on_revision=0, reviewer="li", comment="later"),
            "skip: later",
        ),
        (PromotionRejected(model="m", version=1, alias="champion", by="li", reasons=("x", "y")), "x; y"),
        (TOLD.snapshot(0), None),
    ],
)
def test_every_link_says_why(event: Event, reason: str | None) -> None:
    assert reason_of(event) == reason


def logged(event: Event, **changes: object) -> LoggedEvent:
    values = {
        "seq": 1, "event_id": uuid4(), "topic": event.topic, "key": event.key, "workflow": "hairnet",
        "source": "/service/x", "at": at(0), "correlation_id": "c", "causation_id": None, "body": as_values(event),
    }  # fmt: skip
    return LoggedEvent(**(values | changes))


def test_a_link_names_person_source_and_what_mattered() -> None:
    node = node_of(logged(TOLD.rejected(0)))
    assert (node.what, node.who, node.source, node.reason) == ("sample.rejected", None, "/service/x", "blurred")
    assert node.details["measures"] == {"sharpness": 3.5}
    assert node_of(logged(TOLD.snapshot(0))).who == "line-1"
    assert node_of(logged(TOLD.promoted())).who == "rule:gate"


def test_a_body_nobody_can_read_is_a_link_all_the_same() -> None:
    node = node_of(logged(TOLD.built(), body={"workflow": 7}))
    assert node.reason is not None
    assert node.reason.startswith("no valid dataset.built")


def line(index: int, camera: str, split: str = "train") -> ManifestLine:
    return ManifestLine(
        sample_id=uuid4(), kind="image", media=IMAGE, camera_id=camera, captured_at=at(index), annotation_revision=1,
        annotated_by="camera", split=split, leakage_group="g",
    )  # fmt: skip


def test_samples_of_a_version_are_counted_and_the_first_named() -> None:
    lines = [line(index, f"line-{index % 3}", "test" if index % 5 == 0 else "train") for index in range(15)]
    approval = TOLD.approved(0, sample_id=lines[0].sample_id, approved_by="user:li", snapshot_id="snap-0")
    known = sample_of([fact(approval)])
    assert known is not None
    approved, captured = sample_nodes(used_from_manifest(lines, {known.sample_id: known}), source="the manifest")
    assert approved.details["count"] == 15
    assert approved.details["by"] == {"user:li": 1, "camera": 14}
    assert approved.details["splits"] == {"test": 3, "train": 12}
    assert [first["captured_at"] for first in approved.details["first"]] == [at(index) for index in range(FIRST)]
    assert captured.details["cameras"] == {"line-0": 5, "line-1": 5, "line-2": 5}
    assert captured.details["first"] == ["snap-0"]
    assert (captured.details["from"], captured.details["until"]) == (at(0), at(14))


def test_without_a_manifest_the_verdicts_are_counted() -> None:
    samples = [sample_of([fact(TOLD.approved(index))]) for index in range(4)]
    approved, captured = sample_nodes(used_from_samples([s for s in samples if s]), source="the verdicts")
    assert approved.reason == "4 by rule:annotated"
    assert captured.reason == "2 of line-1, 2 of line-2"
    assert approved.details["known_from"] == "the verdicts"


def test_a_version_of_nothing_has_links_too() -> None:
    approved, captured = sample_nodes([], source="the manifest")
    assert (approved.subject, captured.reason, approved.at) == ("0 samples", "none", None)
