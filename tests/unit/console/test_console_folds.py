"""Rows are made from events in whatever order those came: the same events give the same row."""

from itertools import permutations
from random import Random
from uuid import uuid4

import pytest

from libs.common.events import (
    Annotation,
    DatasetBuilt,
    EvaluationFailed,
    EvaluationRequested,
    Gate,
    ModelRolledBack,
    PromotionRejected,
    TrainingCancelRequested,
    TrainingFailed,
    TrainingRequested,
)
from services.console.domain.facts import Fact, read_event, shown_body
from services.console.domain.runs import TrainingRun, run_of
from services.console.domain.samples import Sample, sample_of
from services.console.domain.versions import alias_change_of, aliases_of, dataset_version_of, model_version_of
from tests.unit.console.console_events import Round, at, fact


def run_from(*facts: Fact) -> TrainingRun:
    """The run, the same for fifty orders of arrival."""
    runs = {repr(run_of(Random(seed).sample(facts, len(facts)))) for seed in range(50)}
    assert len(runs) == 1
    run = run_of(facts)
    assert run is not None
    return run


def sample_from(*facts: Fact) -> Sample:
    """The sample, the same for every order of arrival."""
    assert len({repr(sample_of(order)) for order in permutations(facts)}) == 1
    sample = sample_of(facts)
    assert sample is not None
    return sample


def test_a_reviewed_sample_is_approved_by_its_reviewer() -> None:
    told = Round()
    sample = sample_from(
        fact(told.queued(0), 1),
        fact(told.approved(0, annotation_revision=1, approved_by="user:li"), 2),
    )
    assert (sample.verdict, sample.decided_by, sample.reason, sample.revision) == ("approved", "user:li", None, 1)
    assert sample.decided_at == at(2)


def test_a_rejection_keeps_what_earlier_events_said_of_the_snapshot() -> None:
    told = Round()
    sample = sample_from(
        fact(told.queued(0, annotation_revision=3), 1),
        fact(told.rejected(0, reason="reviewer", camera_id=None, snapshot_id=None, detail="hand in front"), 2),
    )
    assert (sample.verdict, sample.reason, sample.detail) == ("rejected", "reviewer", "hand in front")
    assert (sample.camera_id, sample.snapshot_id) == ("line-1", f"snap-{told.samples[0]}")
    assert (sample.revision, sample.captured_at) == (3, at(0))
    assert sample.media is not None


def test_a_verdict_on_older_annotations_does_not_undo_one_on_newer_ones() -> None:
    told = Round()
    other = Annotation(label="bare", box=(0, 0, 1, 1))
    sample = sample_from(
        fact(told.approved(0, annotation_revision=2, annotations=(other,)), 1),
        fact(told.queued(0, annotation_revision=1), 2),  # a replica whose clock is ahead
    )
    assert (sample.verdict, sample.revision) == ("approved", 2)
    assert [annotation["label"] for annotation in sample.annotations] == ["bare"]


def test_an_approval_without_annotations_shows_none() -> None:
    told = Round()
    sample = sample_from(
        fact(told.queued(0, annotations=(Annotation(label="hairnet", box=(0, 0, 1, 1)),)), 1),
        fact(told.approved(0, annotations=()), 2),
    )
    assert sample.annotations == ()


def test_a_run_that_waits_says_for_what() -> None:
    told = Round()
    asked = TrainingRequested(
        training_run_id=told.run_id, workflow="hairnet", requested_by="li", reason="try 50 epochs"
    )
    run = run_from(fact(asked, 1), fact(told.train_queued(requested_by="li", reason="try 50 epochs"), 2))
    assert (run.state, run.waits_for, run.reason) == ("queued", "a free trainer", "waits for a free trainer")
    assert (run.requested_by, run.requested_because, run.requested_at) == ("li", "try 50 epochs", at(1))


def test_a_run_shows_its_newest_epoch_and_then_its_end() -> None:
    told = Round()
    running = run_from(fact(told.train_queued(), 1), fact(told.started(), 2), fact(told.progressed(2), 4))
    assert (running.state, running.epoch, running.waits_for) == ("running", 2, None)
    assert running.reason == "attempt 1 on a CPU"
    ended = run_from(
        fact(told.train_queued(), 1), fact(told.started(), 2), fact(told.progressed(2), 4), fact(told.trained(), 5)
    )
    assert (ended.state, ended.metrics, ended.epoch) == ("trained", {"map50": 0.9}, 2)
    assert (ended.started_at, ended.finished_at, ended.licence) == (at(2), at(5), "AGPL-3.0")


def test_a_run_that_has_ended_stays_ended_whatever_a_zombie_says() -> None:
    told = Round()
    run = run_from(
        fact(told.started(2), 3), fact(told.trained(), 5), fact(told.progressed(1, attempt=3), 6), fact(told.started(3), 7),
        fact(told.train_queued(), 8),
    )  # fmt: skip
    assert (run.state, run.metrics, run.waits_for) == ("trained", {"map50": 0.9}, None)


def test_a_run_that_goes_back_to_the_queue_waits_again() -> None:
    told = Round()
    run = run_from(fact(told.started(), 2), fact(told.progressed(1), 3), fact(told.train_queued(), 4))
    assert (run.state, run.waits_for) == ("queued", "a free trainer")


@pytest.mark.parametrize(("reason", "state"), [("cancelled: enough (li)", "cancelled"), ("out of memory", "failed")])
def test_a_failed_run_says_why(reason: str, state: str) -> None:
    told = Round()
    cancel = TrainingCancelRequested(training_run_id=told.run_id, requested_by="li", reason="enough")
    failed = TrainingFailed(
        training_run_id=told.run_id, workflow="hairnet", reason=reason, attempt=2, hint="use a smaller batch"
    )
    run = run_from(fact(cancel, 1), fact(told.started(), 2), fact(failed, 3))
    assert (run.state, run.reason, run.hint, run.attempt) == (state, reason, "use a smaller batch", 2)
    assert (run.cancel_requested, run.workflow) == ("enough (li)", "hairnet")


def test_a_run_shows_its_newest_evaluation() -> None:
    told = Round()
    ids = {"evaluation_id": uuid4(), "training_run_id": told.run_id, "workflow": "hairnet"}
    gate = Gate(passed=False, reasons=("too low",))
    run = run_from(fact(told.trained(), 1), fact(told.evaluated(gate), 2))
    assert run.evaluation is not None
    assert (run.evaluation["state"], run.evaluation["gate"]) == ("evaluated", {"passed": False, "reasons": ["too low"]})
    again = run_from(
        fact(told.trained(), 1),
        fact(told.evaluated(gate), 2),
        fact(EvaluationRequested(**ids, requested_by="li", reason="new gate"), 3),
        fact(EvaluationFailed(**ids, reason="no such object"), 4),
    )
    assert again.evaluation is not None
    assert (again.evaluation["state"], again.evaluation["reason"]) == ("failed", "no such object")
    assert again.state == "trained"


def test_a_reused_dataset_version_keeps_the_day_it_was_built() -> None:
    told = Round()
    facts = [fact(told.built(), 1), fact(told.built(reused=True, added=0), 5), fact(told.built(reused=True), 9)]
    for order in permutations(facts):
        version = dataset_version_of(order)
        assert version is not None
        assert (version.built_at, version.added, version.reused_times) == (at(1), 2, 2)


def test_a_model_version_keeps_its_day_and_shows_its_newest_metrics() -> None:
    told = Round()
    facts = [
        fact(told.registered(), 1),
        fact(told.registered(metrics={"map50": 0.95}), 4),
        fact(told.registered(version=2), 5),
    ]
    for order in permutations(facts):
        version = model_version_of(order, 1)
        assert version is not None
        assert (version.registered_at, version.evaluated_at, version.metrics) == (at(1), at(4), {"map50": 0.95})


def test_aliases_follow_moves_in_time_and_no_refusal() -> None:
    told = Round()
    facts = [
        fact(told.promoted(version=1), 1),
        fact(told.promoted(version=2, previous_version=1), 2),
        fact(ModelRolledBack(model="hairnet", from_version=2, to_version=1, alias="champion", by="li", reason="bad",
                             workflow="hairnet"), 3),
        fact(PromotionRejected(model="hairnet", version=3, alias="champion", by="li", reasons=("gate",)), 4),
        fact(told.promoted(version=3, alias="challenger"), 5),
        fact(told.promoted(version=1, previous_version=1), 6),
    ]  # fmt: skip
    for seed in range(20):
        changes = [alias_change_of(each) for each in Random(seed).sample(facts, len(facts))]
        aliases = aliases_of([change for change in changes if change is not None])
        assert aliases == {"champion": 1, "previous": 2, "challenger": 3}


def test_events_of_one_moment_have_one_order() -> None:
    told = Round()
    facts = [fact(told.queued(0), 1), fact(told.approved(0), 1), fact(told.rejected(0), 1)]
    assert len({repr(sample_of(order)) for order in permutations(facts)}) == 1


def test_a_body_that_does_not_fit_its_type_says_where() -> None:
    event, problem = read_event("dataset.built", {"workflow": "hairnet", "version": "two"})
    assert event is None
    assert problem is not None
    assert problem.startswith("no valid dataset.built: dataset_version_id: Field required")
    assert read_event("no.such", {})[1] == "camloop knows no event 'no.such'"


def test_unknown_fields_do_no_harm_and_digests_of_tokens_stay_here() -> None:
    told = Round()
    event, problem = read_event("dataset.built", told.built().model_dump(mode="json") | {"new_in_v9": 1})
    assert isinstance(event, DatasetBuilt)
    assert problem is None
    assert shown_body("token.changed", {"sha256": "x", "label": "l"}) == {"label": "l"}
    assert shown_body("dataset.built", {"sha256": "x"}) == {"sha256": "x"}
