"""The demo's batches, their truth, and what its reviewer makes of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from libs.local.demo.pictures import CAMERAS, EVERY, SPOILED, Batch, Shot, cut, draw_batches
from libs.local.demo.reviewer import answer_about
from libs.local.scenes import Expectation, SceneShot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def shot(expect: Expectation = "usable", number: int = 0) -> Shot:
    scene = SceneShot("kitchen-1", NOW + timedelta(minutes=number), b"jpeg %d" % number, (), expect)
    return Shot(scene, annotated=False)


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return draw_batches("hairnet", cameras=CAMERAS["hairnet"][:1], usable=(3, 2), now=NOW, seed=3)


def test_each_batch_has_its_share_of_usable_pictures(batches: list[Batch]) -> None:
    for batch, usable in zip(batches, (3, 2), strict=True):
        for shots in batch.shots.values():
            assert Counter(each.scene.expect for each in shots)["usable"] == usable


def test_all_spoiled_pictures_are_sent(batches: list[Batch]) -> None:
    found = Counter(each.scene.expect for batch in batches for each in batch)
    assert {kind: found[kind] for kind in SPOILED} == dict(SPOILED)


def test_nothing_is_from_the_future_and_nothing_comes_twice(batches: list[Batch]) -> None:
    everything = [each for batch in batches for each in batch]
    assert max(each.scene.captured_at for each in everything) < NOW
    assert len({each.digest for each in everything}) == len(everything)


def test_usable_pictures_of_a_camera_lie_in_different_time_blocks(batches: list[Batch]) -> None:
    for name in batches[0].shots:
        times = [
            each.scene.captured_at for batch in batches for each in batch.shots[name] if each.scene.expect == "usable"
        ]
        assert min(later - earlier for earlier, later in pairwise(times)) >= EVERY


def test_another_seed_is_another_day(batches: list[Batch]) -> None:
    (other,) = draw_batches("hairnet", cameras=CAMERAS["hairnet"][:1], usable=(4,), now=NOW, seed=4)
    assert not {each.scene.sha256 for each in other} & {each.scene.sha256 for batch in batches for each in batch}


def test_a_near_duplicate_stays_with_its_original() -> None:
    kinds: list[Expectation] = ["usable", "usable", "near_duplicate", "blurred", "usable"]
    parts = list(cut([shot(kind, number) for number, kind in enumerate(kinds)], (2, 1)))
    assert [[each.scene.expect for each in part] for part in parts] == [kinds[:3], kinds[3:]]


def test_the_reviewer_approves_with_the_true_boxes(batches: list[Batch]) -> None:
    truth = {each.digest: each for each in batches[0]}
    answers = [answer_about(each.digest, truth) for each in batches[0] if each.scene.expect == "usable"]
    approved = [answer for answer in answers if answer is not None and answer.decision == "approve"]
    assert len(approved) == len(answers)
    body = approved[0].body({"sample_id": "s", "annotation_revision": 3})
    assert body["based_on_revision"] == 3
    expected = [{"label": each.label, "box": list(each.box)} for each in approved[0].shot.scene.annotations]
    assert body["annotations"] == expected


@pytest.mark.parametrize("expect", ["blurred", "near_duplicate"])
def test_the_reviewer_rejects_what_is_spoiled(expect: Expectation) -> None:
    spoiled = shot(expect)
    answer = answer_about(spoiled.digest, {spoiled.digest: spoiled})
    assert answer is not None
    assert answer.decision == "reject"
    assert answer.body({"sample_id": "s", "annotation_revision": 0})["annotations"] == []


def test_the_reviewer_sends_some_usable_pictures_back() -> None:
    scene = shot().scene
    answer = answer_about(scene.sha256, {scene.sha256: Shot(scene, annotated=False, sent_back=True)})
    assert answer is not None
    assert answer.decision == "reject"


def test_the_reviewer_leaves_alone_what_others_sent() -> None:
    assert answer_about("somebody-else's", {}) is None
