"""Workflow files and dead letters: each change announced once, nothing lost, nothing said twice."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml

from libs.common.errors import Conflict
from libs.common.events import WorkflowChanged
from libs.common.testing import NOON
from services.console.runner.workflow_files import WorkflowFiles
from services.console.store.dead_letters import DeadLetterStore, Letter
from services.console.store.workflows import WorkflowStore
from tests.unit.console.console_events import fact
from tests.unit.registry.registry_events import workflow_definition

pytestmark = pytest.mark.connected


def write(folder: Path, name: str, **changes: object) -> None:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(workflow_definition(name) | changes))


async def revisions(console) -> list[tuple[str, int, str]]:
    said = await console.said(WorkflowChanged)
    return [(event["workflow"], event["revision"], event["changed_by"]) for event in said]


async def test_a_new_file_and_a_changed_one_are_revisions(console, tmp_path: Path) -> None:
    files = WorkflowFiles(WorkflowStore(console.pool), tmp_path, 1)
    write(tmp_path, "hairnet")
    for _ in range(2):
        await files.look()
    write(tmp_path, "hairnet", promotion="automatic")
    await files.look()
    (tmp_path / "hairnet.yaml").write_text("# a comment\n" + (tmp_path / "hairnet.yaml").read_text())
    await files.look()
    assert await revisions(console) == [("hairnet", 1, "file:hairnet.yaml"), ("hairnet", 2, "file:hairnet.yaml")]


async def test_replicas_announce_a_file_once(console, tmp_path: Path) -> None:
    write(tmp_path, "hairnet")
    write(tmp_path, "gloves")
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(WorkflowFiles(WorkflowStore(console.pool), tmp_path, 1).look())
    assert sorted(await revisions(console)) == [
        ("gloves", 1, "file:gloves.yaml"),
        ("hairnet", 1, "file:hairnet.yaml"),
    ]


async def test_a_wrong_file_is_shown_with_its_error_and_the_rest_goes_on(console, tmp_path: Path) -> None:
    files = WorkflowFiles(WorkflowStore(console.pool), tmp_path, 1)
    write(tmp_path, "hairnet")
    write(tmp_path, "gloves")
    await files.look()
    write(tmp_path, "hairnet", classes=[])
    (tmp_path / "broken.yaml").write_text("a: [")
    write(tmp_path, "gloves", promotion="automatic")
    await files.look()
    shown = {entry["name"]: entry for entry in (await console.get("/api/workflows"))["workflows"]}
    assert (shown["hairnet"]["revision"], shown["gloves"]["revision"]) == (1, 2)
    assert "classes" in shown["hairnet"]["error"]
    assert (shown["broken"]["revision"], shown["broken"]["definition"]) == (None, None)
    write(tmp_path, "hairnet")
    (tmp_path / "broken.yaml").unlink()
    await files.look()
    shown = {entry["name"]: entry for entry in (await console.get("/api/workflows"))["workflows"]}
    assert set(shown) == {"hairnet", "gloves"}
    assert (shown["hairnet"]["revision"], shown["hairnet"]["error"]) == (1, None)


async def test_a_file_goes_on_counting_where_the_topic_stands(console, tmp_path: Path) -> None:
    """A console that lost its tables hears revision 7 again: the next one is 8, or the others would ignore it."""
    files = WorkflowFiles(WorkflowStore(console.pool), tmp_path, 1)
    heard = WorkflowChanged(
        workflow="hairnet", revision=7, definition=workflow_definition("hairnet"), changed_by="file:hairnet.yaml"
    )
    await console.hear(fact(heard))
    write(tmp_path, "hairnet", promotion="automatic")
    await files.look()
    assert await revisions(console) == [("hairnet", 8, "file:hairnet.yaml")]


def letter(offset: int, event_id: UUID, **headers: str) -> Letter:
    own = {"ce_id": str(event_id), "x-attempt": "5", "x-error": "Boom: no", "x-origin-offset": "12", "x-odd": "kept"}
    return Letter(
        "sample.approved", "dataset", event_id, "/service/cleaner", b"k", own | headers, b"\xffjunk", offset, NOON
    )


async def test_a_dead_letter_is_replayed_to_the_consumer_that_failed(console) -> None:
    store, event_id = DeadLetterStore(console.pool), uuid4()
    await store.add(letter(1, event_id))
    (shown,) = (await console.get("/api/dlq", state="open"))["dead_letters"]
    assert (shown["consumer"], shown["text"], shown["value_base64"]) == ("dataset", None, "/2p1bms=")
    assert (shown["error"], shown["origin_offset"], shown["attempt"]) == ("Boom: no", 12, 5)
    answer = await console.http.post(f"/api/dlq/{shown['id']}/replay", json={"reason": "fixed"})
    assert (answer.status_code, answer.json()["state"]) == (202, "replayed")
    row = await console.pool.fetchrow("select * from outbox")
    assert (row["topic"], row["event_id"], row["value"], row["key"]) == (
        "sample.approved.retry.dataset", event_id, b"\xffjunk", b"k",
    )  # fmt: skip
    assert row["headers"] == {
        "ce_id": str(event_id), "ce_source": "/service/console", "x-origin-offset": "12", "x-odd": "kept", "x-replay": "1",
    }  # fmt: skip


async def test_a_letter_comes_back_when_its_replay_fails_and_not_by_a_duplicate(console) -> None:
    store, event_id = DeadLetterStore(console.pool), uuid4()
    first = letter(1, event_id)
    await store.add(first)
    await store.add(first)
    assert (await store.find(first.letter_id)).times == 1
    await store.replay(first.letter_id, by="li")
    await store.add(letter(2, event_id))  # the relay sent the first one twice
    assert (await store.find(first.letter_id)).state == "replayed"
    await store.add(letter(3, event_id, **{"x-replay": "1", "x-error": "Boom: again"}))
    again = await store.find(first.letter_id)
    assert (again.state, again.error, again.times, again.replays) == ("open", "Boom: again", 2, 1)


async def test_what_was_discarded_stays_discarded(console) -> None:
    store, event_id = DeadLetterStore(console.pool), uuid4()
    first = letter(1, event_id)
    await store.add(first)
    path = f"/api/dlq/{first.letter_id}"
    assert (await console.http.post(f"{path}/discard", json={})).status_code == 422
    done = (await console.http.post(f"{path}/discard", json={"reason": "a test camera"})).json()
    assert (done["state"], done["decided_by"], done["decision_reason"]) == ("discarded", "admin", "a test camera")
    await store.add(letter(2, event_id))
    assert (await store.find(first.letter_id)).state == "discarded"
    with pytest.raises(Conflict, match="a test camera"):
        await store.replay(first.letter_id, by="li")
    assert (await console.http.get(f"/api/dlq/{uuid4()}")).status_code == 404
    assert (await console.get("/api/overview"))["dead_letters"] == 0
