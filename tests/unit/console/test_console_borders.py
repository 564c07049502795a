"""What comes in at the console's borders: odd bodies, dead letters, workflow files, readers of the stream."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from libs.common.testing import envelope_for
from services.console.api.streaming import follow, sent
from services.console.domain.facts import LoggedEvent
from services.console.runner.dead_letters import letter_of
from services.console.runner.workflow_files import read_changed
from services.console.store.dead_letters import replay_headers
from services.console.store.log import Filter, arrival_of, storable
from tests.unit.console.console_events import Round, at
from tests.unit.registry.registry_events import workflow_definition


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"text": "a\x00b"}, {"text": "a\ufffdb"}),
        ({"text": "\ud800 alone"}, {"text": "? alone"}),
        ({"value": float("nan"), "more": [float("inf")]}, {"value": None, "more": [None]}),
        ({"text": "面罩 ✓", "n": 1}, {"text": "面罩 ✓", "n": 1}),
    ],
)
def test_a_body_is_kept_as_the_database_can_hold_it(body: dict[str, Any], kept: dict[str, Any]) -> None:
    assert storable(body) == kept


def test_an_event_without_a_time_happened_when_it_arrived() -> None:
    event = Round().built()
    arrival = arrival_of(event.model_dump(mode="json"), envelope_for(event, time=None), at(7))
    assert (arrival.at, arrival.key, arrival.workflow, arrival.problem) == (at(7), event.key, "hairnet", None)


def test_a_body_that_is_no_event_is_kept_with_its_problem() -> None:
    event = Round().built()
    arrival = arrival_of({"workflow": ["odd"]}, envelope_for(event, subject="s\x00"), at(7))
    assert arrival.problem is not None
    assert (arrival.key, arrival.workflow, arrival.body) == ("s", None, {"workflow": ["odd"]})


def record(value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> Any:
    return SimpleNamespace(
        topic="snapshot.captured.dlq.cleaner", partition=0, offset=5, timestamp=at(3).timestamp() * 1000, key=None,
        headers=headers, value=value,
    )  # fmt: skip


@pytest.mark.parametrize("value", [b"junk", b"\xff\xfe", None, b""])
def test_a_dead_letter_is_kept_byte_by_byte(value: bytes | None) -> None:
    identity = uuid4()
    letter = letter_of(record(value, [("ce_id", str(identity).encode()), ("x-error", b"Boom\x00"), ("odd", b"\xff")]))
    assert (letter.topic, letter.consumer, letter.value) == ("snapshot.captured", "cleaner", value)
    assert (letter.event_id, letter.at) == (identity, at(3))
    assert letter.headers == {"ce_id": str(identity), "x-error": "Boom", "odd": "base64:/w=="}


def test_a_replay_starts_again_and_is_marked() -> None:
    headers = {"ce_id": "i", "x-attempt": "5", "x-error": "e", "x-consumer": "c", "x-origin-offset": "9"}
    assert replay_headers(headers, 2) == {"ce_id": "i", "x-origin-offset": "9", "x-replay": "2"}


def write(folder: Path, name: str, definition: object) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(definition, allow_unicode=True))
    return sha256(path.read_bytes()).hexdigest()


def test_only_changed_files_are_read_and_a_wrong_one_does_not_hide_the_others(tmp_path: Path) -> None:
    same = write(tmp_path, "gloves", workflow_definition("gloves"))
    write(tmp_path, "hairnet", workflow_definition("hairnet"))
    write(tmp_path, "wrong", workflow_definition("other-name"))
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "notes.txt").write_text("no workflow")
    found = read_changed(tmp_path, {"gloves": same, "hairnet": "another"})
    by_name = {file.name: file for file in found.changed}
    assert found.names == {"gloves", "hairnet", "wrong", "broken"}
    assert set(by_name) == {"hairnet", "wrong", "broken"}
    assert by_name["hairnet"].definition is not None
    assert by_name["hairnet"].definition["promotion"] == "manual"
    assert "name the file other-name.yaml" in (by_name["wrong"].error or "")
    assert "is no YAML" in (by_name["broken"].error or "")


class FakeLog:
    """A log in memory, as far as a stream needs one."""

    def __init__(self, seqs: Sequence[int]) -> None:
        self.events = [self.event(seq) for seq in seqs]

    @staticmethod
    def event(seq: int) -> LoggedEvent:
        return LoggedEvent(seq, UUID(int=seq), "dataset.built", "k", None, "/s", at(seq), "c", None, {"n": seq})

    async def page(self, wanted: Filter, *, after: int = 0, limit: int = 100) -> list[LoggedEvent]:
        return [event for event in self.events if event.seq > after][:limit]


async def test_a_stream_goes_on_where_it_broke_off_and_ends_with_the_service() -> None:
    log, closing, heard = FakeLog([1, 2, 3]), asyncio.Event(), []
    async for text in follow(log, Filter(), 1, closing=closing, poll_seconds=0.01):  # type: ignore[arg-type]
        heard += [line for line in text.splitlines() if line.startswith("id:")]
        if len(heard) == 2:
            log.events.append(FakeLog.event(4))
        if len(heard) == 3:
            closing.set()
    assert heard == ["id: 2", "id: 3", "id: 4"]


def test_an_event_is_sent_with_position_topic_and_body() -> None:
    first, second, third = sent(FakeLog.event(7)).splitlines()[:3]
    assert (first, second) == ("id: 7", "event: dataset.built")
    assert third.startswith('data: {"position":7,')
    assert '"body":{"n":7}' in third
