"""Who may point an alias where."""

from datetime import timedelta
from uuid import UUID

import pytest

from libs.common.testing import NOON, FakeObjects
from services.registry.domain import (
    AliasRequest,
    AliasState,
    completed_metadata,
    decide,
    lineage_of,
    promotes_by_itself,
)
from tests.unit.registry.registry_events import FAILED, PASSED, Run

GATES = {1: PASSED, 2: PASSED, 3: FAILED}
ON_TWO = AliasState(version=2, before=1, held=frozenset({1, 2}), asked_at=NOON)


def request(**changes: object) -> AliasRequest:
    values = {
        "request_id": UUID(int=1), "model": "hairnet", "alias": "champion", "version": 2, "deed": "promote",
        "by": "li", "reason": "better", "asked_at": NOON, "force": False,
    }  # fmt: skip
    return AliasRequest(**(values | changes))


def back(**changes: object) -> AliasRequest:
    return request(**({"deed": "roll back", "version": None} | changes))


@pytest.mark.parametrize(
    ("asked", "state", "before", "after"),
    [
        (request(), AliasState(), None, 2),
        (request(version=1), ON_TWO, 2, 1),
        (request(version=3, force=True), ON_TWO, 2, 3),
        (request(alias="challenger"), AliasState(), None, 2),
        (back(), ON_TWO, 2, 1),
        (back(version=1), ON_TWO, 2, 1),
    ],
)
def test_an_alias_moves(asked: AliasRequest, state: AliasState, before: int | None, after: int) -> None:
    outcome = decide(asked, state, GATES)
    assert (outcome.before, outcome.after, outcome.reasons, outcome.moved) == (before, after, (), True)


@pytest.mark.parametrize(
    ("asked", "state", "words"),
    [
        (request(version=3), AliasState(), "map50 0.41 is below the minimum 0.50"),
        (request(version=9), AliasState(), "no registered version 9 (registered: 1, 2, 3)"),
        (request(alias="previous"), ON_TWO, "follows the champion"),
        (request(alias="latest"), ON_TWO, "use champion or challenger"),
        (request(version=1, asked_at=NOON - timedelta(seconds=1)), ON_TWO, "superseded"),
        (back(), AliasState(), "no champion to roll back"),
        (back(), AliasState(version=1, held=frozenset({1}), asked_at=NOON), "had no champion before version 1"),
        (back(version=3), ON_TWO, "was never champion"),
        (back(version=2), ON_TWO, "is version 2 already"),
    ],
)
def test_a_refusal_says_why(asked: AliasRequest, state: AliasState, words: str) -> None:
    outcome = decide(asked, state, GATES)
    assert not outcome.accepted
    assert words in outcome.reasons[0]


def test_promoting_what_is_champion_already_is_accepted_and_moves_nothing() -> None:
    outcome = decide(request(version=2), ON_TWO, GATES)
    assert outcome.accepted
    assert not outcome.moved


@pytest.mark.parametrize(
    ("promotion", "gate", "version", "champion", "expected"),
    [
        ("automatic", PASSED, 1, AliasState(), True),
        ("automatic", PASSED, 3, ON_TWO, True),
        ("automatic", FAILED, 3, ON_TWO, False),
        ("manual", PASSED, 3, ON_TWO, False),
        ("automatic", PASSED, 1, ON_TWO, False),
        # somebody rolled version 2 back: a second evaluation of it must not undo that
        ("automatic", PASSED, 2, AliasState(version=1, before=2, held=frozenset({1, 2}), asked_at=NOON), False),
    ],
)
def test_the_rule_promotes_only_what_is_newer_and_was_not_taken_back(
    promotion: str, gate: object, version: int, champion: AliasState, expected: bool
) -> None:
    assert promotes_by_itself(promotion, gate, version, champion) is expected


def test_metadata_is_completed_and_keeps_the_rest() -> None:
    done = completed_metadata(
        {"abi": "detector/1", "version": None}, model="hairnet", version=2, operating_confidence={"bare": 0.3}
    )
    assert done == {"abi": "detector/1", "model": "hairnet", "version": 2, "operating_confidence": {"bare": 0.3}}


async def test_lineage_leads_back_to_run_dataset_and_environment() -> None:
    event = await Run(FakeObjects()).evaluated()
    lineage = lineage_of(event.trained, event.evaluation_id)
    assert lineage["training_run_id"] == str(event.training_run_id)
    assert lineage["dataset_version_id"] == str(event.dataset_version_id)
    assert (lineage["dataset_version"], lineage["seed"], lineage["backend"]) == (3, 7, "ultralytics")
    assert lineage["environment"] == {"torch": "2.9"}
    assert lineage["hyperparameters"] == {"epochs": 60}
    assert lineage["trainer_metrics"] == {"map50": 0.95}
