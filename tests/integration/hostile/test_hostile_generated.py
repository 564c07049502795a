"""Thousands of bad inputs made from the tables: no crash, no 500, no stuck partition, no lost neighbour, one fate each.

`make hostile` runs 10,000 (HOSTILE_INPUTS); the report goes to HOSTILE_REPORT. A tenth of it is part of `make test`.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from libs.common.children import Limits
from libs.common.errors import Permanent
from libs.common.events import TrainingRequested
from libs.common.warm_child import WarmChild
from libs.common.workflows import load_workflow, parse_workflow
from libs.local.commands.training import parse_settings
from libs.local.imports import READERS, Format, Plan, prepare
from libs.local.stack import LocalStack
from services.cleaner.domain.samples import Seen
from services.cleaner.vision import see
from services.ingest.vision import inspect
from services.trainer.training.hyperparameters import UltralyticsHyperparameters, parse_hyperparameters
from services.trainer.training.protocol import TrainingFailed
from tests.conftest import Database, settings_for
from tests.support.hostile.events import BODIES, EVENTS, EventRow
from tests.support.hostile.imports import CLASSES, IMPORTS, lay_good
from tests.support.hostile.ingest_app import IngestApp, ingest_app
from tests.support.hostile.labels import LABELS
from tests.support.hostile.mutation import Mutator
from tests.support.hostile.pictures import PICTURES, jpeg
from tests.support.hostile.stage import OpenStage, Stage, message_of
from tests.support.hostile.tally import Tally
from tests.support.hostile.uploads import RAW
from tests.unit.cleaner.cleaner_kit import make_picture

pytestmark = [pytest.mark.connected, pytest.mark.timeout(900)]
INPUTS = int(os.environ.get("HOSTILE_INPUTS", "1000"))
REPORT = os.environ.get("HOSTILE_REPORT")
SEED = int(os.environ.get("HOSTILE_SEED", "20260302"))
NEIGHBOUR_EVERY = 50
NONSENSE = 40
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Counts of the whole file; said at its end."""
    counted = Tally(INPUTS)
    yield counted
    sys.__stdout__.write(f"\n\n{counted.table()}\n")  # type: ignore[union-attr]  # past pytest's capture: people read it
    if REPORT:
        counted.write(Path(REPORT))


@pytest.fixture
def mutator(request: pytest.FixtureRequest) -> Mutator:
    return Mutator(SEED + sum(request.node.name.encode()))


def said(fate: str, words: str, told: str) -> str:
    """The fate, for words that name the problem."""
    assert words, fate
    assert told in words, words
    return fate


# --- pictures --------------------------------------------------------------------------------------------------------


async def test_pictures(tally: Tally, mutator: Mutator) -> None:
    """Header as ingest reads it, pixels in the cleaner's child, which must not even die."""
    decoder, limits = (
        WarmChild(Limits(1 << 30, 20)),
        SimpleNamespace(maximum_image_bytes=20 << 20, maximum_pixels=50_000_000),
    )
    small = [row.make() for row in PICTURES if row.good and len(row.make()) < 100_000]
    await decoder.call(see, jpeg(), limits)  # type: ignore[arg-type]
    first = decoder.pid
    for number in range(tally.share("pictures")):
        data = mutator.spoilt_bytes(mutator.choice(small))
        tally.add("pictures", _header_fate(data) or await _pixel_fate(decoder, data, limits))
        if number % NEIGHBOUR_EVERY == 0:
            assert isinstance(await decoder.call(see, jpeg(), limits), Seen)  # type: ignore[arg-type]
    assert decoder.pid == first, "the decoder died of a picture"
    decoder.close()


def _header_fate(data: bytes) -> str | None:
    try:
        inspect(data, max_pixels=50_000_000)
    except Permanent:
        return "refused by its header"
    return None


async def _pixel_fate(decoder: WarmChild, data: bytes, limits: Any) -> str:
    seen = await decoder.call(see, data, limits)
    return "a picture after all" if isinstance(seen, Seen) else "undecodable"


# --- imports ---------------------------------------------------------------------------------------------------------


def test_imports(tally: Tally, mutator: Mutator, tmp_path: Path) -> None:
    """A row of the table, with its text files spoilt: prepared or refused in words, never anything else."""
    rows = [
        row for row in IMPORTS if "gigabytes" not in row.name and "bomb" not in row.name and "10,000" not in row.name
    ]
    for number in range(tally.share("imports")):
        row = mutator.choice(rows)
        root = tmp_path / f"{number}" / "data"
        lay_good(row.format, root)
        row.lay(root)
        _spoil_texts(root, mutator)
        tally.add("imports", _import_fate(row.format, root))


def _spoil_texts(root: Path, mutator: Mutator) -> None:
    texts = [
        p
        for p in sorted(root.rglob("*"))
        if p.suffix in (".txt", ".xml", ".json", ".csv", ".yaml") and p.is_file() and not p.is_symlink()
    ]
    for path in mutator.random.sample(texts, min(len(texts), 2)):
        path.write_bytes(mutator.spoilt_bytes(path.read_bytes()))


def _import_fate(kind: Format, root: Path) -> str:
    try:
        found = prepare(READERS[kind](root), Plan(root.resolve(), "hairnet", CLASSES, {}, ["import-data"]))
    except (ValueError, OSError) as error:
        return said("refused", str(error), "")
    for each in found.snapshots:
        json.dumps(each.facts, allow_nan=False).encode()
        assert each.load() == jpeg()
    return "pictures skipped" if found.skipped else "labels left out" if found.problems else "taken"


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def ingest(stack: LocalStack, database: Database) -> AsyncIterator[IngestApp]:
    async with ingest_app(settings_for(stack, database.dsn)) as running:
        yield running


async def test_requests(tally: Tally, mutator: Mutator, ingest: IngestApp) -> None:
    """Metadata, forms and bodies to ingest: answered, never with a 500, and what was taken is announced, once."""
    good = 0
    for number in range(tally.share("requests")):
        answer = await _one_request(ingest, mutator, number)
        assert answer.status_code < 500, f"{number}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        tally.add("requests", f"{answer.status_code}")
        if number % NEIGHBOUR_EVERY == 0:
            taken = await ingest.send(json.dumps({"snapshot_id": f"good-{number}"}).encode(), make_picture(number))
            assert taken.status_code == 202
            good += 1
    statement = (
        "select count(*) from outbox where topic = 'snapshot.captured' and convert_from(value, 'UTF8') like '%\"good-%'"
    )
    assert await ingest.pool.fetchval(statement) == good


async def _one_request(ingest: IngestApp, mutator: Mutator, number: int) -> Any:
    way = mutator.random.random()
    if way < 0.6:
        known = {
            "snapshot_id": f"s-{number}",
            "camera_id": "line-1",
            "captured_at": "2026-03-02T12:00:00Z",
            "workflow": "hairnet",
        }
        known |= {
            "annotations": [{"label": "hairnet", "box": [1, 2, 30, 40]}],
            "zone_events": [{"a": 1}],
            "source_group": "g",
        }
        known |= {"detected_by": {"name": "hairnet", "version": 1}, "violation_type": "no_hairnet"}
        return await ingest.send(mutator.spoilt_json(known))
    if way < 0.75:
        return await ingest.send(b"{}", mutator.spoilt_bytes(jpeg()))
    row = mutator.choice(RAW)
    headers = {name: text.encode("latin-1") for name, text in (ingest.bearer("admin") | row.headers).items()}
    if mutator.random.random() < 0.3:
        headers["Authorization"] = (
            mutator.spoilt_bytes(headers["Authorization"]).replace(b"\r", b"").replace(b"\n", b"")
        )
    content = (
        mutator.spoilt_bytes(row.content) if row.content else mutator.spoilt_json({"camera_id": "c", "title": "t"})
    )
    return await ingest.http.request(row.method, row.path, content=content, headers=headers)


# --- hyper-parameters ------------------------------------------------------------------------------------------------


def test_hyperparameters(tally: Tally, mutator: Mutator) -> None:
    """Through the trainer's check, the request event, a workflow file and the command line."""
    workflow = load_workflow(REPOSITORY / "deploy" / "workflows" / "hairnet.yaml").model_dump(mode="json")
    for _ in range(tally.share("hyper-parameters")):
        way = mutator.choice([_by_check, _by_event, _by_file, _by_command])
        tally.add("hyper-parameters", way(mutator, workflow))


def _by_check(mutator: Mutator, workflow: dict[str, Any]) -> str:
    asked = mutator.spoilt_value(workflow["training"]["hyperparameters"])
    try:
        parse_hyperparameters(UltralyticsHyperparameters, asked if isinstance(asked, dict) else {"epochs": asked})
    except TrainingFailed as error:
        return said("refused by name", error.reason if error.permanent else "to be tried again", "Hyperparameters: ")
    return "in range after all"


def _by_event(mutator: Mutator, workflow: dict[str, Any]) -> str:
    asked = {
        "training_run_id": "0195a7b0-0000-7000-8000-000000000001",
        "workflow": "hairnet",
        "requested_by": "a",
        "reason": "b",
    }
    try:
        TrainingRequested.model_validate_json(
            mutator.spoilt_json(asked | {"hyperparameters": workflow["training"]["hyperparameters"], "seed": 1})
        )
    except ValueError as error:
        return said("refused as an event", str(error), "TrainingRequested")
    return "a request after all"


def _by_file(mutator: Mutator, workflow: dict[str, Any]) -> str:
    try:
        parse_workflow(mutator.spoilt_value(workflow), origin="hairnet.yaml")
    except Permanent as error:
        return said("refused as a file", str(error), "hairnet.yaml is no valid workflow: ")
    return "a workflow after all"


def _by_command(mutator: Mutator, workflow: dict[str, Any]) -> str:
    text = mutator.spoilt_bytes(b"epochs=50").decode(errors="replace")
    try:
        json.dumps(parse_settings([text]), allow_nan=False)
    except ValueError as error:
        return said("refused by the command", str(error), "--set")
    return "passed on by the command"


# --- messages --------------------------------------------------------------------------------------------------------


async def test_messages(tally: Tally, mutator: Mutator, open_stage: OpenStage) -> None:
    """Through real Kafka to a real cleaner, over all partitions, a good neighbour after every 50 and on each at the end.

    First a camera that talks nonsense and nothing else: that must not stop its partition either.
    """
    async with open_stage() as stage:
        for _ in range(NONSENSE):
            await stage.row(mutator.choice([row for row in BODIES if row.fate == "dead"]))
        for number in range(NONSENSE, tally.share("messages")):
            if number % NEIGHBOUR_EVERY == 0:
                await stage.neighbour(number // NEIGHBOUR_EVERY % 12)
            await _one_message(stage, mutator, number % 12)
        for partition in range(12):
            await stage.neighbour(partition)
        fates = await stage.settled(60 + tally.share("messages") / 5)
        for each in stage.sent:
            kinds = [fate.kind for fate in fates[each.where]]
            assert len(kinds) == 1, f"{each}: {fates[each.where]}"
            assert each.bad or kinds == ["approved"], f"a neighbour is lost: {each}: {fates[each.where]}"
            if each.bad:
                tally.add("messages", {"dead": "dead letter"}.get(kinds[0], kinds[0]))
        assert await stage.lag() == 0
        assert await stage.stands() == []


async def _one_message(stage: Stage, mutator: Mutator, partition: int) -> None:
    row: EventRow = mutator.choice(
        [row for row in EVENTS if len(row.value or b"") < 100_000 and len(row.picture or b"") < 100_000]
    )
    name = f"bad-{stage.run}-{len(stage.sent)}"
    picture = row.picture if row.picture is not None else jpeg()
    body = await stage.snapshot(name, mutator.spoilt_bytes(picture) if mutator.random.random() < 0.4 else picture, name)
    if mutator.random.random() < 0.3:
        body["annotations"] = json.loads(
            mutator.choice([r for r in LABELS if r.asked and r.annotations.isascii()]).annotations
        )
    value, headers = message_of(row, body, stage.headers(body))
    way = mutator.random.random()
    if way < 0.35:
        value = mutator.spoilt_json(body)
    elif way < 0.5 and value:
        value = mutator.spoilt_bytes(value)
    if mutator.random.random() < 0.2:
        headers[mutator.choice(sorted(headers))] = mutator.spoilt_bytes(b"0195a7b0-0000")
    await stage.send(row.name, value, headers, partition, snapshot=_snapshot_id(value) or name)


def _snapshot_id(value: bytes | None) -> str | None:
    try:
        found = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return None
    known = found.get("snapshot_id") if isinstance(found, dict) else None
    return known if isinstance(known, str) else None


async def test_that_was_all_of_them(tally: Tally) -> None:
    assert tally.total >= INPUTS or len(tally.counts) < 5, "run the whole file"
