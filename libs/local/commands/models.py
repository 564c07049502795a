"""`models`: what was registered, which version cameras run, and moving that."""

from typing import Annotated, Any

import typer

from libs.local.connections import registry
from libs.local.output import Json, answer, table

app = typer.Typer()
models = typer.Typer(invoke_without_command=True, help="Models, their versions and where their aliases point.")
app.add_typer(models, name="models")
Model = Annotated[str, typer.Argument(help="The model's name: that of its workflow.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="For the audit trail.")]
Alias = Annotated[str, typer.Option(help="Which pointer is moved.")]


@models.callback(invoke_without_command=True)
def overview(context: typer.Context, as_json: Json = False) -> None:
    """Every version of every model, newest first."""
    if context.invoked_subcommand is not None:
        return
    with registry() as client:
        known = client.get("/v1/models")["models"]
        versions = {each["name"]: client.get(f"/v1/models/{each['name']}/versions")["versions"] for each in known}
    rows = [_row(model, version) for model in known for version in versions[model["name"]]]
    columns = ("model", "alias", "mAP50", "mAP50-95", "gate", "dataset", "registered")
    values = [model | {"versions": versions[model["name"]]} for model in known]
    answer(values, as_json=as_json, text=table(columns, rows) if rows else "No model is registered yet")


def _row(model: dict[str, Any], version: dict[str, Any]) -> tuple[object, ...]:
    aliases = [alias for alias, number in sorted(model["aliases"].items()) if number == version["version"]]
    metrics, gate = version["metrics"], version["gate"]
    return (
        f"{version['model']}@{version['version']}",
        " ".join(aliases),
        _short(metrics.get("map50")),
        _short(metrics.get("map50_95")),
        "passed" if gate["passed"] else "failed",
        f"{version['workflow']}@{version['dataset_version']}",
        str(version["registered_at"] or "")[:19],
    )


@models.command("promote")
def promote(
    model: Model,
    version: Annotated[int, typer.Argument(min=1)],
    reason: Reason = "asked for on the command line",
    alias: Alias = "champion",
    force: Annotated[bool, typer.Option(help="Although its gate failed.")] = False,
    as_json: Json = False,
) -> None:
    """Point an alias at a version: cameras take it over within seconds."""
    body = {"alias": alias, "reason": reason, "force": force}
    with registry() as client:
        moved = client.post(f"/v1/models/{model}/versions/{version}/promote", body)
    answer(moved, as_json=as_json, text=_moved(moved))


@models.command("rollback")
def roll_back(
    model: Model,
    to: Annotated[int | None, typer.Option(min=1, help="The version before, if it is not given.")] = None,
    reason: Reason = "asked for on the command line",
    alias: Alias = "champion",
    as_json: Json = False,
) -> None:
    """Point an alias at an earlier version again."""
    with registry() as client:
        moved = client.post(f"/v1/models/{model}/rollback", {"alias": alias, "to_version": to, "reason": reason})
    answer(moved, as_json=as_json, text=_moved(moved))


@models.command("compare")
def compare(
    model: Model,
    first: Annotated[int | None, typer.Argument(min=1, help="The version before the newest.")] = None,
    second: Annotated[int | None, typer.Argument(min=1, help="The newest version.")] = None,
    as_json: Json = False,
) -> None:
    """Metrics of two versions side by side, as each was judged on the test split of its own dataset version."""
    with registry() as client:
        newest = [each["version"] for each in client.get(f"/v1/models/{model}/versions")["versions"]]
        right = second or newest[0]
        left = first or next((number for number in newest if number < right), right)
        pair = [client.get(f"/v1/models/{model}/versions/{number}") for number in (left, right)]
    rows = [(name, _short(one), _short(other), _difference(one, other)) for name, one, other in _measured(*pair)]
    columns = ("metric", f"{model}@{left}", f"{model}@{right}", "difference")
    answer(dict(zip(columns[1:3], pair, strict=True)), as_json=as_json, text=table(columns, rows))


def _measured(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The metrics of the whole, then of each class."""
    rows = [(name, value, other["metrics"].get(name)) for name, value in one["metrics"].items()]
    for label, metrics in one["per_class"].items():
        theirs = other["per_class"].get(label, {})
        rows += [(f"{label}: {name}", value, theirs.get(name)) for name, value in metrics.items()]
    return rows


def _difference(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else f"{other - one:+.3f}"


def _moved(moved: dict[str, Any]) -> str:
    where = f"{moved['model']} {moved['alias']}: version {moved['version']}"
    if not moved["moved"]:
        return f"{where}, as before"
    before = moved["previous_version"]
    return f"{where} (before: {before if before is not None else 'none'})"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
