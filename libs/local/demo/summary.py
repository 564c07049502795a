"""What the demo shows at its end: what was rejected, the splits, both versions' metrics, the gate, and where to look."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from libs.common.events import Artifact, ModelEvaluated, ModelRegistered
from libs.local.demo.chain import Chain, chosen_metrics
from libs.local.output import pairs

_RULE = "-" * 78


def report_of(evaluated: ModelEvaluated) -> Artifact | None:
    """The page a plant manager reads."""
    return next((file for file in evaluated.report_files if file.name.endswith("report.html")), None)


def as_text(chain: Chain, reports: Sequence[Path], *, seconds: float, hint: str) -> Iterator[str]:
    """The summary, line by line."""
    yield _RULE
    yield f"The loop of {chain.workflow} went round {len(chain.registered)} times in {seconds / 60:.1f} minutes."
    yield f"snapshots  {len(chain.captured)} captured; approved: {pairs(chain.rules())}"
    yield f"           rejected: {pairs(chain.reasons())}"
    for model in chain.registered:
        yield from version_lines(chain, model)
    yield from (f"report     {path}" for path in reports)
    newest = chain.registered[-1]
    steps = {
        "uv run camloop status": "what runs, and where",
        f"uv run camloop why {newest.model}@{newest.version}": "from the model back to its snapshots",
        f"uv run camloop models compare {newest.model}": "two versions side by side",
        "make down": "stops it; until then it goes on in the background",
    }
    for number, (command, meaning) in enumerate(steps.items()):
        yield f"{'' if number else 'next':<10} {command:<40} {meaning}"
    yield f"           {hint}"
    yield _RULE


def version_lines(chain: Chain, model: ModelRegistered) -> Iterator[str]:
    """Of one model version: its dataset version, its metrics, and its gate."""
    evaluated, built = chain.evaluated[model.training_run_id], chain.dataset_version(model.dataset_version_id)
    yield f"{model.model}@{model.version}  {built.workflow}@{built.version}: {pairs(built.counts)}"
    yield f"           {evaluated.split} split: {pairs(chosen_metrics(evaluated.metrics))}"
    yield f"           {_verdict(chain, model, evaluated)}"


def _verdict(chain: Chain, model: ModelRegistered, evaluated: ModelEvaluated) -> str:
    gate = "gate passed" if evaluated.gate.passed else f"gate failed: {'; '.join(evaluated.gate.reasons)}"
    baseline = evaluated.baseline
    if baseline is not None:
        theirs = {name: baseline.metrics.get(name) for name in ("map50", "map50_95")}
        gate += f", judged against {baseline.model} on the same split ({pairs(theirs)})"
    promotion = chain.promoted.get(model.version)
    return f"{gate}; " + (f"promoted by {promotion.by}" if promotion else "not promoted")


def as_values(chain: Chain, reports: Sequence[Path]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "workflow": chain.workflow,
        "snapshots": len(chain.captured),
        "approved": dict(chain.rules()),
        "rejected": dict(chain.reasons()),
        "versions": [
            {
                "model": f"{model.model}@{model.version}",
                "dataset_version": chain.dataset_version(model.dataset_version_id).version,
                "counts": chain.dataset_version(model.dataset_version_id).counts,
                "metrics": chain.evaluated[model.training_run_id].metrics,
                "gate": chain.evaluated[model.training_run_id].gate.model_dump(),
                "promoted": model.version in chain.promoted,
            }
            for model in chain.registered
        ],
        "reports": [str(path) for path in reports],
    }
