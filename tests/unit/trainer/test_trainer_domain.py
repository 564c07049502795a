"""What to train, how a run says what it waits for, and what a child says."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from trainer_fakes import built, workflow

from libs.common.events import to_json
from libs.common.workflows import Workflow
from services.trainer.child import HINTS, MODULES, missing_modules, parse_line
from services.trainer.domain import (
    CheckpointWritten,
    Competitor,
    Finished,
    LogBuffer,
    Logged,
    Progressed,
    Started,
    Throttle,
    merged_hyperparameters,
    trains_by_itself,
    waits_for,
)
from services.trainer.training.protocol import BACKENDS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE = Competitor(UUID(int=1), "hairnet", "gpu-1")


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        ({}, {"epochs": 60, "batch": 16}),
        ({"epochs": 5}, {"epochs": 5, "batch": 16}),
        ({"seed_of_doubt": None}, {"epochs": 60, "batch": 16, "seed_of_doubt": None}),
    ],
)
def test_a_request_overrides_single_hyperparameters(asked: dict[str, Any], merged: dict[str, Any]) -> None:
    template = workflow()
    assert merged_hyperparameters(template, asked) == merged
    assert template.training.hyperparameters == {"epochs": 60, "batch": 16}, "the template stays as it is"


@pytest.mark.parametrize(
    ("template", "reused", "trains"),
    [(workflow(), False, True), (workflow(), True, False), (workflow(automatic=False), False, False)],
)
def test_only_a_new_version_trains_by_itself(template: Workflow, reused: bool, trains: bool) -> None:
    assert trains_by_itself(template, built(reused=reused)) is trains


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, None),
        (
            {"dataset": False, "competitors": [ONE], "missing": ["torch"]},
            "the first dataset version of apron: none was built yet (uv run camloop build apron says what is missing)",
        ),
        (
            {"missing": ["torch", "onnx"]},
            "a trainer with the back-end installed (torch, onnx missing here). Install it with: x",
        ),
        (
            {"competitors": [ONE]},
            "a free trainer: in training now: run 00000000-0000-0000-0000-000000000001 of hairnet on gpu-1",
        ),
        ({"failure": "disk full"}, "its next try: the one before failed: disk full"),
        (
            {"failure": "disk full", "missing": ["torch"]},
            "a trainer with the back-end installed (torch missing here). ",
        ),
    ],
)
def test_a_queued_run_says_what_it_waits_for(facts: dict[str, Any], text: str | None) -> None:
    known: dict[str, Any] = {"dataset": True, "missing": [], "competitors": [], "hint": "Install it with: x"}
    said = waits_for(**(known | facts), workflow="apron")
    assert said == text or (text is not None and said is not None and said.startswith(text))


def test_trainers_with_and_without_the_back_end_say_the_same_while_one_trains() -> None:
    texts = {
        waits_for(dataset=True, missing=missing, competitors=[ONE], hint="", workflow="apron")
        for missing in ([], ["torch"])
    }
    assert len(texts) == 1


def test_a_back_end_nobody_knows_lacks_itself() -> None:
    assert missing_modules("invented") == ["invented"]
    assert "ultralytics" in HINTS["ultralytics"]


def test_the_trainer_and_its_child_agree_on_what_a_back_end_needs() -> None:
    assert {name: known.modules for name, known in BACKENDS.items()} == MODULES
    assert {name: known.hint() for name, known in BACKENDS.items()} == HINTS


# --- log lines -------------------------------------------------------------------------------------------------------


def line(seq: int, text: str = "x") -> Logged:
    return Logged(type="log", seq=seq, at=NOON, level="info", text=text)


def test_log_lines_are_announced_once_in_order() -> None:
    logs = LogBuffer(attempt=2)
    for seq in range(1, 8):
        logs.add(line(seq))
    assert [entry.seq for entry in logs.take(5)] == [1, 2, 3, 4, 5]
    assert [entry.seq for entry in logs.take(5)] == [6, 7]
    assert logs.take() == ()
    assert {entry.attempt for entry in logs.last} == {2}


def test_the_last_lines_are_kept_for_a_failure() -> None:
    logs = LogBuffer(attempt=1)
    for seq in range(1, 101):
        logs.add(line(seq))
    logs.take()
    assert [entry.seq for entry in logs.last] == list(range(71, 101))


def test_a_talkative_child_does_not_burst_an_event() -> None:
    logs = LogBuffer(attempt=1)
    for seq in range(1, 501):
        logs.add(line(seq, "\u53d1" * 5000))
    sizes, seen = [], 0
    while taken := logs.take():
        sizes.append(sum(len(to_json(entry)) for entry in taken))
        seen += len(taken)
    assert seen == 500
    assert max(sizes) < 960_000


@pytest.mark.parametrize(
    ("moments", "allowed"),
    [([0, 0.5, 1.0, 1.5, 2.5], [True, False, True, False, True]), ([5], [True]), ([0, 100], [True, True])],
)
def test_at_most_one_announcement_a_second(moments: list[float], allowed: list[bool]) -> None:
    throttle = Throttle(1.0)
    assert [throttle.allows(moment) for moment in moments] == allowed


# --- lines of the child ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"type":"started","device":"cpu","device_name":"x","threads":2,"environment":{"torch":"2"}}\n', Started),
        (b'{"type":"log","seq":1,"at":"2026-03-02T12:00:00Z","level":"info","text":"hello"}\n', Logged),
        (b'{"type":"progress","epoch":1,"epochs":2,"metrics":{"map50":0.5,"loss":null},"eta_seconds":3}\n', Progressed),
        (b'{"type":"checkpoint","path":"/x/epoch-00001.ckpt","epoch":1,"of_later":true}\n', CheckpointWritten),
        (b'{"type":"finished","artifacts":[],"metrics":{},"metadata":{},"duration_seconds":1}\n', Finished),
    ],
)
def test_lines_of_the_protocol(raw: bytes, kind: type) -> None:
    assert type(parse_line(raw)) is kind


@pytest.mark.parametrize(
    "raw",
    [
        b"Segmentation fault\n",
        b"\n",
        b"{}\n",
        b"[1]\n",
        b'{"type":"invented"}\n',
        b'{"type":"progress","epoch":"one"}\n',
        b"\xff\xfe\n",
        b'{"type":"log"',
        b"[" * 100_000,
    ],
    ids=lambda raw: repr(raw)[:20],
)
def test_junk_is_passed_over(raw: bytes) -> None:
    assert parse_line(raw) is None
