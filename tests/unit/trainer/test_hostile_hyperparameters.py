"""Every hyper-parameter of the table, by all ways in: the trainer's check names it, whatever carried it there."""

import math
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError
from trainer_fakes import FakeConfiguration, FakeStore, workflow

from libs.common.errors import Permanent
from libs.common.events import TrainingRequested
from libs.common.testing import envelope_for
from libs.common.workflows import parse_workflow
from libs.local.commands.training import parse_settings
from services.trainer.domain import merged_hyperparameters
from services.trainer.handlers import queue_requested_run
from services.trainer.training.hyperparameters import UltralyticsHyperparameters, parse_hyperparameters
from services.trainer.training.protocol import TrainingFailed
from tests.support.hostile.hyperparameters import HYPERPARAMETERS, HyperparameterRow

every_row = pytest.mark.parametrize("row", HYPERPARAMETERS, ids=lambda row: row.name)


def refusal(asked: dict[str, Any]) -> str:
    """What the training child would say, and that trying again is no use."""
    with pytest.raises(TrainingFailed) as refused:
        parse_hyperparameters(UltralyticsHyperparameters, asked)
    assert refused.value.permanent
    assert "Allowed are: model, pretrained, epochs" in refused.value.hint
    return refused.value.reason


@every_row
def test_the_trainer_names_what_is_wrong(row: HyperparameterRow) -> None:
    assert row.told in refusal(row.asked)


@every_row
def test_what_a_workflow_file_says_is_checked_all_the_same(row: HyperparameterRow) -> None:
    flow = workflow(hyperparameters={"epochs": 60, **row.asked})
    assert row.told in refusal(merged_hyperparameters(flow, {}))


@every_row
async def test_what_a_request_says_is_checked_all_the_same(row: HyperparameterRow) -> None:
    store = FakeStore()
    known: dict[str, Any] = {"training_run_id": uuid4(), "workflow": "apron", "requested_by": "li", "reason": "x"}
    if not all(math.isfinite(value) for value in row.asked.values() if isinstance(value, float)):
        with pytest.raises(ValidationError, match="should be a finite number"):
            TrainingRequested(**known, hyperparameters=row.asked)
        return
    event = TrainingRequested(**known, hyperparameters=row.asked)
    await queue_requested_run(event, envelope_for(event), store, FakeConfiguration())
    (run,) = store.runs.values()
    assert row.told in refusal({**run.hyperparameters, "batch": row.asked.get("batch", 16)})


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("epochs", "is not NAME=VALUE"),
        ("=50", "is not NAME=VALUE"),
        (" =50", "is not NAME=VALUE"),
        ("learning_rate=NaN", "is no number a training takes"),
        ("learning_rate=Infinity", "is no number a training takes"),
        ("learning_rate=[1, -Infinity]", "is no number a training takes"),
        ("epochs=" + "[" * 100_000, "nested too deep"),
    ],
)
def test_the_command_line_refuses_what_no_request_could_carry(pair: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_settings([pair])


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"hyperparameters": [1]}, "training.hyperparameters: Input should be a valid dictionary"),
        ({"hyperparameter": {}}, "training.hyperparameter: Extra inputs are not permitted"),
        ({"backend": 7}, "training.backend: Input should be a valid string"),
        ({"seed": "x"}, "training.seed: Input should be a valid integer"),
        ({"maximum_attempts": 0}, "training.maximum_attempts: Input should be greater than or equal to 1"),
        ({"minutes_without_progress": -1}, "training.minutes_without_progress: Input should be greater than 0"),
    ],
)
def test_a_workflow_file_with_a_wrong_template_names_the_place(training: dict[str, Any], told: str) -> None:
    definition = workflow().model_dump(mode="json") | {"training": training}
    with pytest.raises(Permanent, match=r"apron\.yaml is no valid workflow") as refused:
        parse_workflow(definition, origin="apron.yaml")
    assert told in str(refused.value)
