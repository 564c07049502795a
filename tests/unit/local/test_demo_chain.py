"""What the demo makes of events: the state of the loop, the lines it tells, and who is blamed when it breaks."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.common.events import all_events
from libs.local.demo.chain import Chain
from libs.local.demo.summary import as_text, as_values, report_of

SAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "samples"


def body(topic: str, **changes: Any) -> dict[str, Any]:
    files = sorted(SAMPLES.glob(f"{topic}*.json"))
    content = json.loads(files[0].read_text())
    return (content.get("body") or content) | {"workflow": "hairnet"} | changes


def uuid(number: int) -> str:
    return str(UUID(int=number))


@pytest.fixture
def chain() -> Chain:
    return Chain("hairnet")


def test_samples_are_counted_by_their_last_verdict(chain: Chain) -> None:
    chain.hear("snapshot.captured", body("snapshot.captured", snapshot_id="a"))
    chain.hear("sample.queued_for_review", body("sample.queued_for_review", sample_id=uuid(1)))
    chain.hear("sample.approved", body("sample.approved", sample_id=uuid(2), approved_by="rule:annotated"))
    chain.hear("sample.rejected", body("sample.rejected", sample_id=uuid(3), reason="blurred"))
    assert chain.judged == 3
    assert chain.waiting == {UUID(int=1)}
    chain.hear("sample.approved", body("sample.approved", sample_id=uuid(1), approved_by="user:ann"))
    assert chain.waiting == set()
    assert chain.rules() == {"rule:annotated": 1, "user:ann": 1}
    assert chain.reasons() == {"blurred": 1}


def test_other_workflows_say_nothing(chain: Chain) -> None:
    assert chain.hear("dataset.built", body("dataset.built", workflow="behavior")) is None
    assert chain.versions == []


def test_a_run_is_told_by_tenths(chain: Chain) -> None:
    told = [
        chain.hear("training.progressed", body("training.progressed", epoch=epoch, epochs=60, training_run_id=uuid(9)))
        for epoch in range(1, 61)
    ]
    assert len([each for each in told if each]) == 11


@pytest.mark.parametrize(
    ("topic", "stage"),
    [("training.failed", "training"), ("dataset.build_failed", "dataset"), ("evaluation.failed", "evaluation")],
)
def test_a_failure_names_its_stage(chain: Chain, topic: str, stage: str) -> None:
    chain.hear("training.queued", body("training.queued", training_run_id=uuid(9)))
    chain.hear(topic, body(topic, reason="no memory", training_run_id=uuid(9)))
    assert chain.failure is not None
    assert chain.failure[0] == stage
    assert "no memory" in chain.failure[1]


def test_a_run_from_before_may_fail(chain: Chain) -> None:
    chain.hear("training.failed", body("training.failed", reason="cancelled: make room"))
    assert chain.failure is None


def test_every_event_can_be_heard(chain: Chain) -> None:
    for event in all_events():
        chain.hear(event.topic, body(event.topic))


def test_the_summary_tells_splits_metrics_gate_and_promotion(chain: Chain) -> None:
    ids = {"dataset_version_id": uuid(5), "training_run_id": uuid(6)}
    gate = {"passed": True, "reasons": []}
    metrics = {"map50": 0.91, "map50_95": 0.6, "precision": 0.9, "recall": 0.8, "f1": 0.85}
    html = {"name": "report.html", "uri": "s3://camloop/reports/report.html", "sha256": "0" * 64, "bytes": 3}
    built = body("dataset.built", **ids, version=4, counts={"train": 40, "val": 9, "test": 10}, reused=False)
    chain.hear("dataset.built", built)
    evaluated = body("model.evaluated", **ids, metrics=metrics, gate=gate, report_files=[html], split="test")
    chain.hear("model.evaluated", evaluated)
    chain.hear("model.registered", body("model.registered", **ids, model="hairnet", version=3, gate=gate))
    told = "\n".join(as_text(chain, [Path("var/reports/r.html")], seconds=300, hint=""))
    assert "hairnet@3  hairnet@4: train=40 val=9 test=10" in told
    assert "map50=0.910" in told
    assert "gate passed" in told
    assert "not promoted" in told
    chain.hear("model.promoted", body("model.promoted", model="hairnet", version=3, by="rule:automatic"))
    assert "promoted by rule:automatic" in "\n".join(as_text(chain, [], seconds=300, hint=""))
    (version,) = as_values(chain, [])["versions"]
    assert version["promoted"] is True
    assert version["dataset_version"] == 4
    found = chain.evaluated_on(UUID(int=5))
    assert found is not None
    assert report_of(found) == found.report_files[0]
