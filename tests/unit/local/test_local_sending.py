"""Snapshots on their way to ingest, against a small HTTP server that answers as told."""

import json
import threading
from collections.abc import Callable

import httpx
import pytest

from libs.local import sending
from libs.local.client import Client, NotRunning, Refused
from libs.local.sending import Outgoing, send_all, send_one, stable_snapshot_id

Answer = Callable[[httpx.Request], httpx.Response]


def ingest_that(answers: Answer) -> Client:
    transport = httpx.MockTransport(answers)
    return Client(httpx.Client(transport=transport, base_url="http://ingest.test"))


def snapshot(name: str, data: bytes = b"picture") -> Outgoing:
    return Outgoing(name, lambda: data, {"snapshot_id": name, "camera_id": "line-1"})


def metadata_of(request: httpx.Request) -> dict[str, object]:
    body = request.read().decode("latin-1")
    return json.loads(body.split('name="metadata"')[1].split("\r\n\r\n")[1].split("\r\n")[0])


def accepted(request: httpx.Request) -> httpx.Response:
    return httpx.Response(202, json={"snapshot_id": metadata_of(request)["snapshot_id"]})


def problem(status: int, detail: str, title: str = "Permanent") -> httpx.Response:
    return httpx.Response(status, json={"title": title, "detail": detail})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_PAUSES_SECONDS", (0.0, 0.0))


def test_every_snapshot_arrives_once() -> None:
    lock, arrived = threading.Lock(), list[object]()

    def answers(request: httpx.Request) -> httpx.Response:
        with lock:
            arrived.append(metadata_of(request)["snapshot_id"])
        return accepted(request)

    names = [f"s{number}" for number in range(40)]
    sent = send_all(ingest_that(answers), map(snapshot, names))
    assert sorted(map(str, arrived)) == sorted(names)
    assert sent.snapshot_ids == {name: name for name in names}
    assert sent.refused == {}


def test_a_refused_snapshot_is_named_and_stops_no_other() -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        bad = metadata_of(request)["snapshot_id"] == "s1"
        return problem(422, "a GIF") if bad else accepted(request)

    sent = send_all(ingest_that(answers), map(snapshot, ["s0", "s1", "s2"]))
    assert list(sent.snapshot_ids) == ["s0", "s2"]
    assert sent.refused == {"s1": "Permanent: a GIF"}


def test_a_file_that_vanished_is_named() -> None:
    def vanished() -> bytes:
        raise FileNotFoundError("gone.jpg")

    sent = send_all(ingest_that(accepted), [Outgoing("gone.jpg", vanished, {}), snapshot("s1")])
    assert list(sent.snapshot_ids) == ["s1"]
    assert "gone.jpg" in sent.refused["gone.jpg"]


def test_a_token_nobody_knows_ends_it() -> None:
    with pytest.raises(Refused, match="Unknown"):
        send_all(ingest_that(lambda _: problem(401, "Unknown token")), map(snapshot, ["s0", "s1"]))


def test_trouble_that_passes_is_tried_again() -> None:
    answers = iter([problem(503, "not yet"), httpx.ConnectError("refused")])

    def answer(request: httpx.Request) -> httpx.Response:
        planned = next(answers, None)
        if isinstance(planned, Exception):
            raise planned
        return planned or accepted(request)

    assert send_one(ingest_that(answer), snapshot("s0")) == {"snapshot_id": "s0"}


def test_a_workflow_ingest_has_not_heard_of_yet_is_waited_for() -> None:
    answers = iter([problem(422, "no workflow 'new'", title="UnknownWorkflow")])
    ingest = ingest_that(lambda request: next(answers, None) or accepted(request))
    assert send_all(ingest, [snapshot("s0")]).refused == {}


def test_a_workflow_ingest_never_hears_of_is_said() -> None:
    ingest = ingest_that(lambda _: problem(422, "no workflow 'new'", title="UnknownWorkflow"))
    assert send_all(ingest, [snapshot("s0")]).refused == {"s0": "UnknownWorkflow: no workflow 'new'"}


def test_a_system_that_is_down_is_said_after_the_last_attempt() -> None:
    attempts = list[int]()

    def answers(_: httpx.Request) -> httpx.Response:
        attempts.append(1)
        raise httpx.ConnectError("refused")

    with pytest.raises(NotRunning, match="camloop status"):
        send_one(ingest_that(answers), snapshot("s0"))
    assert len(attempts) == 3


def test_ids_depend_on_what_is_sent_only() -> None:
    assert stable_snapshot_id("line-1", "abc") == stable_snapshot_id("line-1", "abc")
    assert stable_snapshot_id("line-1", "abc") != stable_snapshot_id("line-2", "abc")
