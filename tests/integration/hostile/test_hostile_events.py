"""Bad messages on Kafka, a real cleaner: each has one fate and a clear word, its neighbours arrive, the partition moves on."""

import json
import re

import pytest

from tests.support.hostile.events import EVENTS, EventRow
from tests.support.hostile.pictures import jpeg
from tests.support.hostile.stage import Fate, Message, OpenStage, Stage

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
EXPECTED = {"taken": "approved"}


def fault(row: EventRow, fates: list[Fate]) -> str | None:
    """What is wrong with a row's fate, or None."""
    wanted = EXPECTED.get(row.fate, row.fate)
    if [fate.kind for fate in fates] != [wanted]:
        return f"{[(fate.kind, fate.words[:200]) for fate in fates]} instead of {wanted}"
    words = fates[0].words
    return None if re.search(row.told or "", words) else f"it says {words[:300]!r}"


async def test_every_message_has_its_fate_and_its_neighbours_arrive(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        sent: list[tuple[EventRow, Message]] = []
        await stage.neighbour()
        for row in EVENTS:
            sent.append((row, await stage.row(row)))
            await stage.neighbour()
        fates = await stage.settled(120)
        faults = {row.name: text for row, each in sent if (text := fault(row, fates[each.where]))}
        assert not faults, "\n".join(f"{name}: {text}" for name, text in faults.items())
        assert lost_neighbours(stage, fates) == []
        assert await stage.stands() == []


def lost_neighbours(stage: Stage, fates: dict[tuple[int, int], list[Fate]]) -> list[str]:
    """Good messages that were not approved, exactly once."""
    good = [each for each in stage.sent if not each.bad]
    return [f"{each.name}: {fates[each.where]}" for each in good if [f.kind for f in fates[each.where]] != ["approved"]]


async def test_an_id_that_returns_with_other_content_is_told_apart_from_a_repetition(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        first = await stage.snapshot("twice", jpeg(), "line-1")
        headers = stage.headers(first)
        await stage.send("first", json.dumps(first).encode(), headers, 0, snapshot="twice")
        await stage.neighbour()
        repeated = await stage.send("repeated", json.dumps(first).encode(), headers, 0, snapshot="twice")
        other = await stage.snapshot("twice", EVENTS[-1].picture or b"", "line-1")
        stolen = await stage.send("stolen id", json.dumps(other).encode(), stage.headers(other), 0, snapshot="none")
        third = await stage.snapshot("thrice", jpeg(), "line-2")
        reused = [
            await stage.send(f"reused event id {n}", json.dumps(third | {"snapshot_id": f"n-{n}"}).encode(), headers, 0, snapshot="none")
            for n in range(3)
        ]  # fmt: skip
        await stage.neighbour()
        fates = await stage.settled(60)
        dead = await stage.dead()
        assert repeated.where not in dead
        assert "was captured before with other content" in dead[stolen.where]
        assert all("was used before, for another snapshot" in dead[each.where] for each in reused)
        assert lost_neighbours(stage, fates) == []
        assert await stage.stands() == []
