"""The dataset service's tables: order of arrival never matters, nothing is missed, versions form a chain."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import permutations
from json import loads
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.errors import NotFound
from libs.common.events import Annotation, Event, SampleApproved, SampleRejected
from libs.common.postgres import Pool, open_pool
from libs.common.testing import NOON, envelope_for, media
from services.dataset.domain.differences import Change
from services.dataset.store.samples import SampleStore
from services.dataset.store.versions import Outdated, Version, VersionStore

pytestmark = pytest.mark.connected
SAMPLE = UUID(int=7)


@pytest.fixture
async def pool(database) -> AsyncIterator[Pool]:
    await database.migrate("dataset")
    pool = await open_pool(database.dsn, "dataset")
    yield pool
    await pool.close()


@pytest.fixture
def samples(pool: Pool) -> SampleStore:
    return SampleStore(pool)


def approved(revision: int, **changes) -> SampleApproved:
    values = {
        "sample_id": SAMPLE,
        "workflow": "hairnet",
        "media": media(),
        "camera_id": "line-1",
        "captured_at": NOON,
        "annotations": (Annotation(label=f"revision-{revision}", box=(0, 0, 5, 5)),),
        "annotation_revision": revision,
        "approved_by": "user:li",
        "leakage_group": "line-1/12",
    }
    return SampleApproved(**(values | changes))


def rejected() -> SampleRejected:
    return SampleRejected(sample_id=SAMPLE, workflow="hairnet", reason="reviewer")


async def hear(samples: SampleStore, event: Event, *, minute: float) -> None:
    envelope = envelope_for(event, time=NOON + timedelta(minutes=minute))
    async with samples.transaction(envelope) as unit:
        if isinstance(event, SampleApproved):
            await samples.add_approval(unit, event, envelope)
        else:
            assert isinstance(event, SampleRejected)
            await samples.add_rejection(unit, event, envelope)


async def row(pool: Pool, sample_id: UUID) -> tuple[bool, int, list[str]]:
    found = await pool.fetchrow("select live, annotation_revision, labels from sample where sample_id = $1", sample_id)
    return found["live"], found["annotation_revision"], found["labels"]


@pytest.mark.parametrize(
    ("history", "end"),
    [
        pytest.param(
            [(approved(1), 1), (rejected(), 2), (approved(3), 3), (approved(2), 2.5)],
            (True, 3, ["revision-3"]),
            id="approved again after a rejection",
        ),
        pytest.param(
            [(approved(1), 1), (approved(2), 2), (rejected(), 3)], (False, 2, ["revision-2"]), id="rejected at last"
        ),
    ],
)
async def test_any_order_of_arrival_ends_in_the_same_row(pool: Pool, samples: SampleStore, history, end) -> None:
    for order in permutations(history):
        sample_id = uuid4()
        for event, minute in order:
            await hear(samples, event.model_copy(update={"sample_id": sample_id}), minute=minute)
        assert await row(pool, sample_id) == end


async def test_a_rejected_sample_that_was_never_approved_changes_nothing(samples: SampleStore) -> None:
    await hear(samples, rejected(), minute=1)
    assert await samples.pending_work() == []


async def test_what_changes_while_a_build_runs_stays_pending(pool: Pool, samples: SampleStore) -> None:
    await hear(samples, approved(1), minute=1)
    async with samples.look("hairnet") as look:
        seen = await look.pending_numbers()
        await hear(samples, approved(2), minute=2)
    async with pool.acquire() as connection:
        await samples.forget_pending(connection, seen)
    [work] = await samples.pending_work()
    assert work.changes.count == 1
    async with samples.look("hairnet") as look, pool.acquire() as connection:
        await samples.forget_pending(connection, await look.pending_numbers())
    assert await samples.pending_work() == []


async def test_a_look_is_of_one_instant(samples: SampleStore) -> None:
    await hear(samples, approved(1), minute=1)
    async with samples.look("hairnet") as look:
        assert [candidate.labels for candidate in await look.candidates()] == [{"revision-1"}]
        await hear(samples, approved(2), minute=2)
        assert [loads(batch[0].line)["annotation_revision"] async for batch in look.batches()] == [1]


async def test_near_duplicates_are_kept_also_from_an_approval_that_came_late(samples: SampleStore) -> None:
    other = uuid4()
    await hear(samples, approved(2), minute=2)
    await hear(samples, approved(1, near_duplicates=(other,)), minute=1)
    async with samples.look("hairnet") as look:
        assert await look.links() == [(SAMPLE, other)]


async def test_stock_counts_samples_that_show_a_class_and_leaves_out_unknown_labels(samples: SampleStore) -> None:
    box = (0, 0, 5, 5)
    for labels in (["worn", "worn"], ["worn", "missing"], ["beard"], []):
        annotations = tuple(Annotation(label=label, box=box) for label in labels)
        await hear(samples, approved(1, sample_id=uuid4(), annotations=annotations), minute=1)
    assert await samples.stock("hairnet", ("worn", "missing")) == (3, {"worn": 2, "missing": 1})


async def test_the_nth_change_is_dated(samples: SampleStore) -> None:
    for _ in range(3):
        await hear(samples, approved(1, sample_id=uuid4()), minute=1)
    [work] = await samples.pending_work()
    assert await samples.changed_at("hairnet", 1) == work.changes.oldest_at
    assert await samples.changed_at("hairnet", 3) == work.changes.newest_at
    assert await samples.changed_at("hairnet", 4) is None


def version(number: int, parent: int | None, **changes) -> Version:
    values = {
        "id": uuid4(),
        "workflow": "hairnet",
        "number": number,
        "parent": parent,
        "task": "detection",
        "classes": ("worn", "missing"),
        "manifest": media(key=f"datasets/hairnet/v{number}/manifest.jsonl.zst"),
        "content_sha256": "0" * 64,
        "counts": {"train": 1, "val": 0, "test": 0},
        "boxes_per_class": {"worn": 1, "missing": 0},
        "left_out": {},
        "added": 1,
        "removed": 0,
        "changed": 0,
        "job_id": uuid4(),
        "requested_by": None,
        "reason": "test",
    }
    return Version(**(values | changes))


async def test_versions_form_a_chain(pool: Pool) -> None:
    versions = VersionStore(pool)
    first, second = version(1, None), version(2, 1)
    async with pool.acquire() as connection:
        await versions.add(connection, first)
        with pytest.raises(Outdated):
            await versions.add(connection, version(2, None))
        await versions.add(connection, second)
        with pytest.raises(Outdated):
            await versions.add(connection, version(3, 1))
    newest = await versions.newest("hairnet")
    assert newest is not None
    assert (newest.id, newest.parent, newest.classes) == (second.id, 1, ("worn", "missing"))
    assert [found.number for found in await versions.all_of("hairnet")] == [2, 1]
    with pytest.raises(NotFound, match="no dataset version"):
        await versions.find(uuid4())


async def test_a_number_is_bound_to_one_manifest(pool: Pool) -> None:
    versions = VersionStore(pool)
    assert await versions.next_number("hairnet") == 1
    assert await versions.take_number("hairnet", 1, "a")
    assert not await versions.take_number("hairnet", 1, "b")
    assert await versions.next_number("hairnet") == 2
    assert await versions.number_taken_for("hairnet", "a", above=0) == 1
    assert await versions.number_taken_for("hairnet", "a", above=1) is None
    assert await versions.number_taken_for("hairnet", "b", above=0) is None


async def test_changes_and_left_out_are_paged_by_sample_id(pool: Pool) -> None:
    versions = VersionStore(pool)
    first, second = version(1, None), version(2, 1)
    changes = [Change(UUID(int=i), "changed" if i % 2 else "removed") for i in range(1, 6)]
    async with pool.acquire() as connection:
        await versions.add(connection, first)
        await versions.add(connection, second)
        await versions.add_details(connection, second.id, changes, {UUID(int=9): "unknown_label"})
    page = await versions.changes(second, after=None, limit=3)
    assert page == [(UUID(int=i), "changed" if i % 2 else "removed") for i in (1, 2, 3)]
    assert [i for i, _ in await versions.changes(second, after=page[-1][0], limit=3)] == [UUID(int=4), UUID(int=5)]
    assert await versions.left_out(second.id, after=None, limit=5) == [(UUID(int=9), "unknown_label")]


async def test_a_split_is_given_once(pool: Pool) -> None:
    statement = "insert into place values ($1, 'hairnet', 'train', 'a', 'a', 'line-1', 1)"
    await pool.execute(statement, SAMPLE)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(statement, SAMPLE)
