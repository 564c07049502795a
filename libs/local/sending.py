"""Sends snapshots and clips to ingest as cameras do: several at a time, again after trouble, and no refusal goes unnoticed."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

from libs.common.errors import UnknownWorkflow
from libs.local.client import Client, NotRunning, Refused

_AT_ONCE = 4
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
# What is wrong with this one snapshot; every other refusal would meet all that follow.
_ITS_OWN_FAULT = frozenset({400, 409, 413, 415, 422})
_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Outgoing:
    """A snapshot or clip to send. `load` reads its bytes when its turn comes; `name` is what people call it."""

    name: str
    load: Callable[[], bytes]
    facts: Mapping[str, JsonValue]
    kind: Literal["snapshot", "clip"] = "snapshot"


@dataclass
class Sent:
    """How it went: ids of snapshots (or clips) that were taken, by name, and what was refused, with the reason."""

    snapshot_ids: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, str] = field(default_factory=dict[str, str])


def stable_snapshot_id(*facts: object) -> str:
    """The same id whenever the same thing is sent: sending it again does no harm."""
    return str(uuid5(NAMESPACE_URL, " ".join(map(str, facts))))


def send_one(ingest: Client, outgoing: Outgoing) -> dict[str, Any]:
    """Post one snapshot or clip; ingest's answer. Raises `NotRunning` after the last attempt, `Refused`."""
    form = {"metadata": json.dumps(outgoing.facts)}
    part = "image" if outgoing.kind == "snapshot" else "video"
    file = {part: (outgoing.name, outgoing.load(), "application/octet-stream")}
    for pause in (*_PAUSES_SECONDS, None):
        try:
            return ingest.request("POST", f"/v1/{outgoing.kind}s", files=file, data=form)
        except (NotRunning, Refused) as error:
            if pause is None or not _may_pass(error):
                raise
            time.sleep(pause)
    raise AssertionError("the loop returns or raises")


def send_all(ingest: Client, snapshots: Iterable[Outgoing], *, on_each: Callable[[str], None] | None = None) -> Sent:
    """Post all of them, a few at a time, in about their order; one that is refused does not stop the others.

    Raises `NotRunning` or `Refused` for trouble that would meet every snapshot (no system, a token without the scope).
    """
    sent, waiting = Sent(), deque[tuple[Outgoing, Future[dict[str, Any]]]]()
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        try:
            for snapshot in snapshots:
                waiting.append((snapshot, pool.submit(send_one, ingest, snapshot)))
                if len(waiting) >= 2 * _AT_ONCE:
                    _settle(*waiting.popleft(), sent, on_each)
            while waiting:
                _settle(*waiting.popleft(), sent, on_each)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sent


def _settle(
    snapshot: Outgoing, answer: "Future[dict[str, Any]]", sent: Sent, on_each: Callable[[str], None] | None
) -> None:
    try:
        sent.snapshot_ids[snapshot.name] = str(answer.result()[f"{snapshot.kind}_id"])
    except Refused as error:
        if error.status not in _ITS_OWN_FAULT:
            raise
        sent.refused[snapshot.name] = str(error)
    except OSError as error:
        sent.refused[snapshot.name] = f"cannot be read: {error}"
    if on_each is not None:
        on_each(snapshot.name)


def _may_pass(error: NotRunning | Refused) -> bool:
    # The commands looked the workflow up before they send: ingest will hear of it in a moment.
    return isinstance(error, NotRunning) or error.status in _BUSY or error.title == UnknownWorkflow.__name__
