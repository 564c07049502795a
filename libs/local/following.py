"""Follows what was asked for to its end: a training run by its log or its epochs, a build by what became of it."""

import time
from collections.abc import Iterator
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from libs.local.client import Client, Refused
from libs.local.output import errors, pairs

ENDED = frozenset({"trained", "failed", "cancelled"})
LOOK_SECONDS = 1.0
_SHOWN_METRICS = ("map50", "map50_95")


def follow_log(client: Client, run_id: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The lines of a run's log, in order; with `follow` until the run has ended."""
    after = 0
    while True:
        ended = not follow or _state(client, run_id) in ENDED  # asked first: the last lines come with the end
        while page := _log_after(client, run_id, after, patient=follow):
            yield from page
            after = page[-1]["position"]
        if ended:
            return
        time.sleep(LOOK_SECONDS)


def follow_progress(client: Client, run_id: str) -> dict[str, Any]:
    """Wait until a run has ended, with a bar of its epochs on a terminal; returns the run."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("requested", total=None, said="")
        while (run := _run(client, run_id)).get("state") not in ENDED:
            epoch: int = run.get("epoch") or 0
            state = str(run.get("state", "requested"))
            progress.update(task, description=state, total=run.get("epochs"), completed=epoch, said=_said(run))
            time.sleep(LOOK_SECONDS)
    return run


def _said(run: dict[str, Any]) -> str:
    """Why it is in its state, or how far it is and how good."""
    if not run.get("epoch"):
        return str(run.get("reason") or "")
    metrics: dict[str, Any] = run.get("metrics") or {}
    shown = {name: metrics[name] for name in _SHOWN_METRICS if name in metrics}
    return f"epoch {run['epoch']}/{run['epochs']} {pairs(shown)}"


def _log_after(client: Client, run_id: str, after: int, *, patient: bool) -> list[dict[str, Any]]:
    try:
        return client.rows(f"/api/runs/{run_id}/logs", after=after)
    except Refused as error:
        if patient and error.status == 404:
            return []
        raise


def _run(client: Client, run_id: str) -> dict[str, Any]:
    """Empty as long as the console has not heard of it: what was asked for takes a moment to come round."""
    try:
        return client.get(f"/api/runs/{run_id}")
    except Refused as error:
        if error.status == 404:
            return {}
        raise


def _state(client: Client, run_id: str) -> str | None:
    return _run(client, run_id).get("state")


def outcome_of_build(client: Client, event_id: str, *, seconds: float) -> dict[str, Any] | None:
    """The event a request for a dataset version ended in; None when there is none within `seconds`."""
    topics, deadline = ["dataset.built", "dataset.build_failed"], time.monotonic() + seconds
    while True:
        found = client.rows("/api/events", correlation=event_id, topic=topics, limit=1)
        if found or time.monotonic() > deadline:
            return found[0] if found else None
        time.sleep(LOOK_SECONDS / 2)
