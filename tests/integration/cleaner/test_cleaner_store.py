"""The cleaner's SQL on PostgreSQL, and that replicas working at once decide as one would."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.errors import AlreadyHandled, CamloopError, Conflict, Permanent, Transient
from libs.common.events import Annotation, Detection, ReviewSubmitted, SnapshotCaptured
from libs.common.postgres import open_pool
from libs.common.testing import NOON, FakeObjects, envelope_for, media, snapshot
from libs.vision.hashing import hamming
from services.cleaner.domain.samples import Sample, sample_id_of
from services.cleaner.handlers import clean_snapshot, settle_review
from services.cleaner.store.samples import CleanerStore
from tests.support.hostile.in_process import InProcess
from tests.unit.cleaner.cleaner_kit import FakeConfiguration, make_picture, make_workflow

pytestmark = pytest.mark.connected
LIMITS: Any = SimpleNamespace(maximum_image_bytes=1_000_000, maximum_pixels=1_000_000)
HERE: Any = InProcess()
CONFIGURATION: Any = FakeConfiguration([make_workflow()])
HAIRNET = Annotation(label="hairnet", box=(10, 10, 40, 40))


@pytest.fixture
async def replicas(database) -> AsyncIterator[list[CleanerStore]]:
    """Two replicas: each has a pool of its own."""
    await database.migrate("cleaner")
    pools = [await open_pool(database.dsn, "cleaner") for _ in range(2)]
    yield [CleanerStore(pool) for pool in pools]
    for pool in pools:
        await pool.close()


@pytest.fixture
def store(replicas: list[CleanerStore]) -> CleanerStore:
    return replicas[0]


async def captured(objects: FakeObjects, data: bytes, **changes: Any) -> SnapshotCaptured:
    image = await objects.put(f"snapshots/{sha256(data).hexdigest()}.jpg", data, "image/jpeg")
    return snapshot(**({"image": image} | changes))


async def clean(store: CleanerStore, objects: FakeObjects, event: SnapshotCaptured, **envelope: Any) -> None:
    await clean_snapshot(event, envelope_for(event, **envelope), store, objects, CONFIGURATION, LIMITS, HERE)


async def review(
    store: CleanerStore, sample_id: UUID, decision: Any, *, base: int = 0, by: str = "alice", **given: Any
):
    event = ReviewSubmitted(sample_id=sample_id, decision=decision, based_on_revision=base, reviewer=by, **given)
    await settle_review(event, envelope_for(event), store, CONFIGURATION)


async def topics(store: CleanerStore) -> list[str]:
    return [row["topic"] for row in await store.pool.fetch("select topic from outbox order by seq")]


async def verdicts(store: CleanerStore) -> list[str]:
    rows = await store.pool.fetch("select coalesce(reason, verdict) v from sample order by v")
    return [row["v"] for row in rows]


async def test_two_replicas_never_approve_two_pictures_of_one_scene(replicas: list[CleanerStore]) -> None:
    objects = FakeObjects()
    for scene in range(8):
        pair = [
            await captured(objects, make_picture(scene, quality=quality), annotations=(HAIRNET,))
            for quality in (95, 90)
        ]
        await asyncio.gather(*(clean(store, objects, event) for store, event in zip(replicas, pair, strict=True)))
    assert await verdicts(replicas[0]) == ["approved"] * 8 + ["duplicate"] * 8


async def test_two_replicas_always_link_near_duplicates_of_two_cameras(replicas: list[CleanerStore]) -> None:
    objects = FakeObjects()
    for scene in range(8):
        pair = [
            await captured(objects, make_picture(scene, quality=quality), camera_id=camera, annotations=(HAIRNET,))
            for camera, quality in (("line-1", 95), ("line-2", 90))
        ]
        await asyncio.gather(*(clean(store, objects, event) for store, event in zip(replicas, pair, strict=True)))
    linked = await replicas[0].pool.fetchval("select count(*) from sample where cardinality(near_duplicates) = 1")
    assert await verdicts(replicas[0]) == ["approved"] * 16
    assert linked == 8


class HastyStore(CleanerStore):
    """Without the lock, and slow between search and insert."""

    async def lock_looks(self, connection: Any, workflow: str) -> None: ...

    async def near_duplicates(self, connection: Any, sample: Sample, distance: int) -> tuple[UUID, ...]:
        found = await super().near_duplicates(connection, sample, distance)
        await asyncio.sleep(0.3)
        return found


async def test_without_the_lock_both_would_be_approved(replicas: list[CleanerStore]) -> None:
    objects = FakeObjects()
    pair = [await captured(objects, make_picture(1, quality=quality), annotations=(HAIRNET,)) for quality in (95, 90)]
    hasty = [HastyStore(store.pool) for store in replicas]
    await asyncio.gather(*(clean(store, objects, event) for store, event in zip(hasty, pair, strict=True)))
    assert await verdicts(replicas[0]) == ["approved", "approved"]


async def test_one_of_two_simultaneous_reviewers_wins_and_both_are_remembered(replicas: list[CleanerStore]) -> None:
    objects = FakeObjects()
    event = await captured(objects, make_picture(1))
    await clean(replicas[0], objects, event)
    sample_id = sample_id_of("hairnet", event.snapshot_id)
    await asyncio.gather(
        review(replicas[0], sample_id, "approve", annotations=(HAIRNET,)),
        review(replicas[1], sample_id, "reject", by="bob"),
    )
    outcomes = [row["outcome"] for row in await replicas[0].pool.fetch("select outcome from review order by at")]
    assert sorted(outcomes) in (["approved", "refused"], ["refused", "rejected"])
    assert await replicas[0].pool.fetchval("select revision from sample") == 1
    assert (await topics(replicas[0]))[-1] == "sample.queued_for_review"


async def test_a_redelivered_or_repeated_snapshot_leaves_one_row_and_one_event(store: CleanerStore) -> None:
    objects = FakeObjects()
    event = await captured(objects, make_picture(1))
    await clean(store, objects, event, event_id=UUID(int=5))
    with pytest.raises(AlreadyHandled):
        await clean(store, objects, event, event_id=UUID(int=5))
    await clean(store, objects, event)
    assert await topics(store) == ["sample.queued_for_review"]
    assert await verdicts(store) == ["queued"]


async def test_simultaneous_snapshots_of_one_id_and_two_contents_are_one_sample_and_one_conflict(
    replicas: list[CleanerStore],
) -> None:
    objects = FakeObjects()
    pair = [await captured(objects, make_picture(seed), snapshot_id="same") for seed in (1, 2)]

    async def attempt(store: CleanerStore, event: SnapshotCaptured) -> CamloopError | None:
        try:
            await clean(store, objects, event)
        except Conflict as error:
            return error
        return None

    ended = await asyncio.gather(*(attempt(store, event) for store, event in zip(replicas, pair, strict=True)))
    assert sum(isinstance(each, Conflict) for each in ended) == 1
    assert await verdicts(replicas[0]) == ["queued"]
    assert await topics(replicas[0]) == ["sample.queued_for_review"]


async def test_a_sample_comes_back_as_it_was_stored(store: CleanerStore) -> None:
    sample = a_sample(
        look=-5,
        suggestions=(Detection(label="hairnet", box=(1, 2, 3, 4), confidence=0.5),),
        annotations=(HAIRNET,),
        annotated_by="camera",
        revision=1,
        near_duplicates=(UUID(int=1),),
        measures={"brightness": 3.5},
        waiting=True,
        why="?",
        priority=0.25,
    )
    await put(store, sample)
    async with store.pool.acquire() as connection, connection.transaction():
        assert await store.lock_sample(connection, sample.sample_id) == sample
    await store.pool.execute(
        "insert into workflow (name, revision, definition) values ('hairnet', 1, '{}'), ('idle', 1, '{}')"
    )
    assert await store.queue_lengths() == {"hairnet": 1, "idle": 0}
    ages = await store.queue_ages()
    assert ages["idle"] == 0
    assert 0 < ages["hairnet"] < 600


async def test_near_duplicates_are_the_nearest_three_of_each_leakage_group(store: CleanerStore) -> None:
    groups = {"a": [1, 2, 3, 4, 5], "b": [6], "c": [11], "d": [0]}
    made = {
        (group, bits): a_sample(look=(1 << bits) - 1, leakage_group=group, camera_id=group)
        for group, distances in groups.items()
        for bits in distances
    }
    strangers = [a_sample(look=0, workflow="other"), a_sample(look=0, verdict="rejected", reason="dark")]
    for sample in [*made.values(), *strangers]:
        await put(store, sample)
    async with store.pool.acquire() as connection:
        found = await store.near_duplicates(connection, a_sample(look=0), 10)
    wanted = [("d", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 6)]
    assert list(found) == [made[each].sample_id for each in wanted]


async def test_a_search_finds_exactly_what_counting_bits_finds(store: CleanerStore) -> None:
    """Also for negative looks, whose sign is a bit like any other, and at every distance up to the largest allowed."""
    looks = [0, -1, 1 << 62, -(1 << 63), 0x0F0F0F0F0F0F0F0F, -0x0F0F0F0F0F0F0F10]
    near = [a_sample(look=_flipped(look, bits)) for look in looks for bits in (1, 4, 9, 10, 11, 17)]
    for sample in near:
        await put(store, sample)
    async with store.pool.acquire() as connection:
        for look in looks:
            for distance in (0, 4, 10, 11, 15, 16, 40, 64):
                found = set(await store.near_duplicates(connection, a_sample(look=look), distance))
                assert found == {s.sample_id for s in near if hamming(s.look or 0, look) <= distance}


async def test_a_camera_is_only_compared_with_itself_for_duplicates(store: CleanerStore) -> None:
    other = a_sample(look=0, camera_id="line-2")
    await put(store, other)
    async with store.pool.acquire() as connection:
        assert await store.duplicate_of(connection, a_sample(look=1), 4) is None
        own = a_sample(look=3)
        await put(store, own)
        assert await store.duplicate_of(connection, a_sample(look=1), 4) == own.sample_id
        assert await store.duplicate_of(connection, a_sample(look=0xFF), 4) is None


async def test_a_review_of_an_unknown_sample_waits_and_a_senseless_one_does_not(store: CleanerStore) -> None:
    with pytest.raises(Transient):
        await review(store, uuid4(), "approve")
    objects = FakeObjects()
    event = await captured(objects, make_picture(1))
    await clean(store, objects, event)
    with pytest.raises(Permanent, match="none of the classes"):
        await review(
            store,
            sample_id_of("hairnet", event.snapshot_id),
            "approve",
            annotations=(Annotation(label="?", box=(1, 1, 9, 9)),),
        )
    assert await store.pool.fetchval("select count(*) from review") == 0


async def test_every_revision_of_the_annotations_is_kept_with_its_author(store: CleanerStore) -> None:
    objects = FakeObjects()
    event = await captured(objects, make_picture(1), annotations=(HAIRNET,))
    await clean(store, objects, event)
    sample_id = sample_id_of("hairnet", event.snapshot_id)
    await review(store, sample_id, "approve", base=1, annotations=())
    await review(store, sample_id, "reject", base=2, by="bob")
    await review(store, sample_id, "approve", base=3, by="carol", annotations=(HAIRNET,))
    rows = await store.pool.fetch("select revision, by, annotations from annotation order by revision")
    assert [(row["revision"], row["by"], len(row["annotations"])) for row in rows] == [
        (1, "camera", 1),
        (2, "user:alice", 0),
        (4, "user:carol", 1),
    ]
    assert await topics(store) == ["sample.approved", "sample.approved", "sample.rejected", "sample.approved"]


async def test_a_rejected_sample_always_has_a_reason(store: CleanerStore) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await put(store, a_sample(verdict="rejected"))


def _flipped(look: int, bits: int) -> int:
    """The look with every (64 // bits)-th bit turned, as a signed number."""
    mask = sum(1 << (place * (64 // bits)) for place in range(bits))
    value = (look ^ mask) & 0xFFFF_FFFF_FFFF_FFFF
    return value - (1 << 64) if value >> 63 else value


def a_sample(**changes: Any) -> Sample:
    number = uuid4()
    values: dict[str, Any] = {
        "sample_id": number,
        "workflow": "hairnet",
        "snapshot_id": f"s-{number}",
        "camera_id": "line-1",
        "captured_at": NOON,
        "media": media(),
        "leakage_group": f"group-{number}",
        "verdict": "queued",
    }
    return Sample(**({"measures": {}} | values | changes))


async def put(store: CleanerStore, sample: Sample) -> None:
    async with store.pool.acquire() as connection, connection.transaction():
        await store.remember_snapshot(connection, snapshot(snapshot_id=sample.snapshot_id))
        await store.add_sample(connection, sample)
