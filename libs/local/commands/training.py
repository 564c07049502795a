"""`train` and `runs`: asking for training runs, and what becomes of them."""

import json
from typing import Annotated, Any

import typer

from libs.local.client import Client
from libs.local.connections import console
from libs.local.following import follow_log, follow_progress
from libs.local.output import Json, answer, fail, pairs, screen, table

app = typer.Typer()
runs = typer.Typer(invoke_without_command=True, help="Training runs: what they do, wait for, and said.")
app.add_typer(runs, name="runs")
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", "-r")]
FAILED = frozenset({"failed", "cancelled"})
_SHOWN = ("state", "reason", "waits_for", "requested_by", "requested_because", "dataset_version_id", "backend", "device",
          "epoch", "epochs", "seed", "licence", "hint", "requested_at", "started_at", "finished_at")  # fmt: skip


@app.command()
def train(
    workflow: Annotated[str, typer.Argument()],
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyper-parameter: epochs=50.")] = None,
    dataset: Annotated[str, typer.Option(help="`latest`, or the id of a dataset version.")] = "latest",
    backend: Annotated[str | None, typer.Option(help="Another than the workflow's.")] = None,
    reason: Reason = "asked for on the command line",
    wait: Annotated[bool, typer.Option("--wait", help="Return when the run has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for a training run; what is not set comes from the workflow."""
    try:
        values = parse_settings(settings or [])
    except ValueError as error:
        fail(str(error), as_json=as_json)
    body = {"workflow": workflow, "dataset_version_id": dataset, "hyperparameters": values, "reason": reason}
    with console() as client:
        asked = client.post("/api/trainings", body | ({"backend": backend} if backend else {}))
        run_id = str(asked["training_run_id"])
        run = follow_progress(client, run_id) if wait else None
    told = f"run {run_id} is asked for\nnext: uv run camloop runs logs -f {run_id}"
    answer(run or asked, as_json=as_json, text=described(run) if run else told)
    if run and run["state"] in FAILED:
        raise typer.Exit(1)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`["epochs=50", "model=yolo11n"]` as values. Raises ValueError for what is not NAME=VALUE."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--set {pair!r} is not NAME=VALUE, like epochs=50")
        values[name.strip()] = _value(pair, text)
    return values


def _value(pair: str, text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except RecursionError as error:
        raise ValueError(f"--set {pair[:80]!r} is nested too deep for a hyper-parameter") from error
    except ValueError as error:
        if "JSON compliant" in str(error):
            raise ValueError(f"--set {pair!r} is no number a training takes") from error
        return text
    return value


@runs.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w")] = None,
    as_json: Json = False,
) -> None:
    """Every run, newest first; a run that waits says for what."""
    if context.invoked_subcommand is not None:
        return
    with console() as client:
        found = client.rows("/api/runs", workflow=workflow, limit=50)
    rows = [(str(run["training_run_id"]), run["workflow"], run["state"], _far(run), run["reason"]) for run in found]
    columns = ("run", "workflow", "state", "epoch", "why")
    answer(found, as_json=as_json, text=table(columns, rows) if rows else "No run yet: uv run camloop train WORKFLOW")


@runs.command("show")
def show(run: Run, as_json: Json = False) -> None:
    """One run, with its settings, metrics and evaluation."""
    with console() as client:
        found = client.get(f"/api/runs/{whole_id(client, run)}")
    answer(found, as_json=as_json, text=described(found))


@runs.command("logs")
def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    as_json: Json = False,
) -> None:
    """What a run said; with --json one line an object."""
    with console() as client:
        for line in follow_log(client, whole_id(client, run), follow=follow):
            if as_json:
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                screen.print(f"{str(line['at'])[:19]} {line['level']:<7} {line['text']}", markup=False)


@runs.command("cancel")
def cancel(run: Run, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Stop a run, queued or running."""
    with console() as client:
        run_id = whole_id(client, run)
        asked = client.post(f"/api/trainings/{run_id}/cancel", {"reason": reason})
    answer(asked, as_json=as_json, text=f"run {run_id} is to be stopped\nnext: uv run camloop runs show {run_id}")


def whole_id(client: Client, start: str) -> str:
    """The id of the one run that begins like this."""
    if len(start) == 36:
        return start
    found = [str(run["training_run_id"]) for run in client.rows("/api/runs", limit=500)]
    fitting = [run_id for run_id in found if run_id.startswith(start)]
    if len(fitting) != 1:
        fail(f"{len(fitting)} runs begin with {start!r}: uv run camloop runs lists them")
    return fitting[0]


def described(run: dict[str, Any]) -> str:
    """A run as people read it."""
    lines = [f"{name:<20} {run[name]}" for name in _SHOWN if run.get(name) is not None]
    lines += [f"{name:<20} {pairs(run[name])}" for name in ("hyperparameters", "metrics") if run.get(name)]
    evaluation: dict[str, Any] = run.get("evaluation") or {}
    if evaluation.get("metrics"):
        lines.append(f"{'evaluation':<20} {_judgement(evaluation)}")
    return "\n".join([f"{'run':<20} {run['training_run_id']} of {run['workflow']}", *lines])


def _judgement(evaluation: dict[str, Any]) -> str:
    gate = evaluation["gate"]
    verdict = "passed" if gate["passed"] else f"failed: {'; '.join(gate.get('reasons', ()))}"
    return f"{evaluation['split']} split: {pairs(evaluation['metrics'])}; gate {verdict}"


def _far(run: dict[str, Any]) -> str:
    return f"{run['epoch']}/{run['epochs']}" if run.get("epoch") else ""
