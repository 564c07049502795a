"""The dataset folder of a temporal run: what is read of it, what is refused, and how it is parted without leaks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.vision.features import Features, to_bytes
from services.trainer.training.classic_learning import Stacked, offsets_for
from services.trainer.training.clip_manifest import Clip, folds, read_clips
from services.trainer.training.clip_runs import Judge, label_weights, overall
from services.trainer.training.hyperparameters import (
    SCHEMAS,
    ClassicHyperparameters,
    ClipHyperparameters,
    TemporalHyperparameters,
    parse_hyperparameters,
)
from services.trainer.training.protocol import BACKENDS, TrainingFailed

LABELS = ["other", "rub", "rinse"]
Change = Callable[[list[dict[str, Any]]], None]


def features(moments: int = 30, **changes: Any) -> Features:
    known: dict[str, Any] = {
        "values": np.arange(moments * 2, dtype=np.float32).reshape(moments, 2),
        "visible": np.ones(moments, np.float32),
        "frames_per_second": 10.0,
        "extractor": "hands",
        "extractor_version": "1",
        "names": ("x", "y"),
    }
    return Features(**{**known, **changes})


def row(number: int, split: str = "train", **changes: Any) -> dict[str, Any]:
    segments = [
        {"step": "rub", "start_seconds": 0.5, "end_seconds": 1.0},
        {"step": "rinse", "start_seconds": 1.0, "end_seconds": 2.0},
    ]
    return {
        "sample_id": f"s{number}", "kind": "clip", "media": {"duration_seconds": 3.0}, "segments": segments, "split": split,
        "leakage_group": f"g{number}", "features": f"{number}.npz", "camera_id": "sink",
    } | changes  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for each in rows:
        path = folder / each["features"]
        if path.parent == folder and not path.exists():
            path.write_bytes(to_bytes(features()))
    (folder / "manifest.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return folder


def test_every_moment_has_the_label_of_its_segment_and_others_label_0(tmp_path: Path) -> None:
    dataset = read_clips(write(tmp_path, [row(2, "val"), row(1), row(3, "test", features="never-made.npz")]), LABELS)
    assert [clip.sample_id for clip in dataset.train] == ["s1"]
    assert [clip.sample_id for clip in dataset.val] == ["s2"]
    assert dataset.test_clips == 1
    assert dataset.train[0].labels.tolist() == [0] * 5 + [1] * 5 + [2] * 10 + [0] * 10


def test_the_test_split_is_not_even_read(tmp_path: Path) -> None:
    folder = write(tmp_path, [row(1), row(2, "test")])
    (folder / "2.npz").write_bytes(b"not to be opened")
    assert len(read_clips(folder, LABELS).train) == 1


@pytest.mark.parametrize(("one", "other"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_a_recording_in_two_splits_is_refused(tmp_path: Path, one: str, other: str) -> None:
    rows = [row(0), row(1, one, leakage_group="kitchen"), row(2, other, leakage_group="kitchen")]
    with pytest.raises(TrainingFailed, match="'kitchen' is in the splits") as refused:
        read_clips(write(tmp_path, rows), LABELS)
    assert refused.value.permanent
    assert "Keep all clips of a recording in one split" in refused.value.hint


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [row(1, segments=[{"step": "dance", "start_seconds": 0, "end_seconds": 1}])],
            "step 'dance', which is none of",
        ),
        ([row(1, segments=[{"step": "rub", "start_seconds": 2, "end_seconds": 2}])], "must end after its begin"),
        ([row(1, segments=[{"step": "rub", "start_seconds": -1, "end_seconds": 2}])], "segments.0.start_seconds"),
        ([row(1, segments=[])], "no second label, only one"),
        ([row(1, kind="image")], "line 1: kind"),
        ([row(1, features="../1.npz")], "outside the dataset folder"),
        ([row(1, features="/etc/passwd")], "outside the dataset folder"),
        ([row(1), row(1)], "lists a sample twice"),
        ([row(1, "val")], "no sample in its split 'train'"),
        ([], "no sample in its split 'train'"),
    ],
)
def test_what_cannot_be_learned_from_is_named(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(TrainingFailed, match=told) as refused:
        read_clips(write(tmp_path, rows), LABELS)
    assert refused.value.permanent
    assert refused.value.hint


def test_a_clip_without_a_moment_teaches_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, [row(1), row(2), row(3, "val")])
    for name in ("2.npz", "3.npz"):
        (folder / name).write_bytes(to_bytes(features(0)))
    dataset = read_clips(folder, LABELS)
    assert ([clip.sample_id for clip in dataset.train], dataset.val) == (["s1"], ())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"extractor": "pose"}, "hands 1, 10 a second, 2 columns, and pose 1"),
        ({"extractor_version": "2"}, "hands 2"),
        ({"frames_per_second": 15.0}, "15 a second"),
        ({"values": np.zeros((30, 3), np.float32), "names": ("x", "y", "z")}, "3 columns"),
    ],
)
def test_features_of_two_kinds_are_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    folder = write(tmp_path, [row(1), row(2, "val")])
    (folder / "2.npz").write_bytes(to_bytes(features(**changes)))
    with pytest.raises(TrainingFailed, match=told):
        read_clips(folder, LABELS)


def test_missing_and_damaged_features_are_told_apart(tmp_path: Path) -> None:
    folder = write(tmp_path, [row(1)])
    (folder / "1.npz").write_bytes(b"junk")
    with pytest.raises(TrainingFailed, match="are no features") as damaged:
        read_clips(folder, LABELS)
    assert damaged.value.permanent
    (folder / "1.npz").unlink()
    with pytest.raises(TrainingFailed, match="cannot be read") as missing:
        read_clips(folder, LABELS)
    assert not missing.value.permanent, "another download may bring it"
    with pytest.raises(TrainingFailed, match=r"manifest .* cannot be read"):
        read_clips(tmp_path / "nowhere", LABELS)


def test_the_extractor_asked_for_has_to_be_the_one_that_made_the_features(tmp_path: Path) -> None:
    folder = write(tmp_path, [row(1)])
    assert read_clips(folder, LABELS, extractor="hands").features.extractor == "hands"
    with pytest.raises(TrainingFailed, match="made by hands, and the hyperparameter extractor asks for pose"):
        read_clips(folder, LABELS, extractor="pose")


def clip(number: int, *, group: str = "", subject: str | None = None, moments: int = 10) -> Clip:
    labels = np.arange(moments, dtype=np.int64) % 3
    return Clip(f"s{number}", group or f"g{number}", subject, features(moments), labels)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 50)), min_size=1, max_size=20), st.integers(1, 6))
def test_parts_cover_all_clips_once_and_share_no_recording(drawn: list[tuple[str, int]], most: int) -> None:
    clips = [clip(number, group=group, moments=moments) for number, (group, moments) in enumerate(drawn)]
    parts = folds(clips, most)
    assert sorted(place for part in parts for place in part) == list(range(len(clips)))
    assert len(parts) == min(most, len({each.group for each in clips}))
    groups = [{clips[place].group for place in part} for part in parts]
    assert all(not one & other for n, one in enumerate(groups) for other in groups[n + 1 :])


def test_where_people_are_known_no_person_is_on_both_sides() -> None:
    clips = [clip(n, subject=person) for n, person in enumerate("aabbab")]
    assert {frozenset(clips[place].subject for place in part) for part in folds(clips, 5)} == {
        frozenset("a"),
        frozenset("b"),
    }
    known_of_some = [clip(n, subject=person) for n, person in enumerate(["a", "a", None])]
    assert len(folds(known_of_some, 5)) == 3


def test_weights_of_labels_are_the_root_of_their_rarity() -> None:
    counted = Clip("s", "g", None, features(10), np.array([0] * 8 + [2] * 2))
    assert label_weights([counted], 3) == pytest.approx([np.sqrt(10 / (2 * 8)), 0, np.sqrt(10 / (2 * 2))])


@pytest.mark.parametrize(("background", "edit"), [(True, 100.0), (False, 200 / 3)])
def test_the_background_counts_only_where_label_0_is_a_step(background: bool, edit: float) -> None:
    truth = Clip("s", "g", None, features(6), np.array([0, 0, 1, 1, 2, 2]))
    said = np.eye(3)[[1, 1, 1, 1, 2, 2]]
    hyper = ClipHyperparameters(background=background, smooth_seconds=0, shortest_seconds=0)
    metrics = Judge(tuple(LABELS), hyper).metrics([truth], [said])
    assert metrics["edit"] == pytest.approx(edit)
    assert metrics["frame_accuracy"] == pytest.approx(400 / 6)
    assert overall(metrics) == pytest.approx(
        np.mean([metrics[name] for name in ("frame_accuracy", "macro_f1", "edit", "f1_50")])
    )


def test_a_clip_without_a_moment_is_measured_as_nothing() -> None:
    hyper = ClipHyperparameters()
    empty = Clip("s", "g", None, features(0), np.zeros(0, np.int64))
    assert Judge(tuple(LABELS), hyper).metrics([empty], [np.zeros((0, 3))])["frame_accuracy"] == 100.0


@given(
    reach=st.floats(0, 2), neighbours=st.integers(0, 8), rate=st.sampled_from([5.0, 10.0, 29.97]), causal=st.booleans()
)
def test_neighbours_are_within_reach_and_never_ahead_of_a_causal_model(
    reach: float, neighbours: int, rate: float, causal: bool
) -> None:
    hyper = ClassicHyperparameters(reach_seconds=reach, neighbours=neighbours, causal=causal)
    offsets = offsets_for(hyper, rate)
    assert 0 in offsets
    assert list(offsets) == sorted(set(offsets))
    assert min(offsets) >= -round((2 if causal else 1) * reach * rate)
    assert max(offsets) <= (0 if causal else round(reach * rate))


def test_a_moment_is_shown_with_its_neighbours_and_the_ends_go_on() -> None:
    stacked = Stacked(np.array([1.0], np.float32), np.array([2.0], np.float32), (-1, 0, 2))
    given_clip = Features(
        np.array([[1], [3], [5]], np.float32), np.array([1, 0, 0.5], np.float32), 10, "hands", "1", ("x",)
    )
    shown = [(0.0, 1.0), (0.0, 0.0), (2.0, 0.5)]  # (value, visible): what is out of sight has no value
    expected = [[*shown[max(t - 1, 0)], *shown[t], *shown[min(t + 2, 2)]] for t in range(3)]
    assert stacked.rows(given_clip).tolist() == expected


@pytest.mark.parametrize(
    ("backend", "asked", "told"),
    [
        ("temporal", {"model": "bilstm", "causal": True}, "use lstm"),
        ("temporal", {"model": "gru"}, "model: "),
        ("temporal", {"epochs": 0}, "epochs: "),
        ("temporal", {"maps": 30}, "maps: "),
        ("temporal", {"members": "3"}, "members: "),
        ("temporal", {"trees": 3}, "trees: "),
        ("classic", {"extractor": "eyes"}, "extractor: "),
        ("classic", {"shortest_seconds": -1.0}, "shortest_seconds: "),
        ("classic", {"epochs": 3}, "epochs: "),
    ],
)
def test_a_wrong_hyperparameter_is_named_with_the_schema_to_read(
    backend: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(TrainingFailed) as refused:
        parse_hyperparameters(SCHEMAS[backend], asked)
    assert told in refused.value.reason
    assert refused.value.hint.endswith(f"--schema {backend}")


def test_every_backend_has_a_schema_that_helps() -> None:
    assert set(SCHEMAS) == set(BACKENDS)
    for schema in (TemporalHyperparameters, ClassicHyperparameters):
        fields = schema.model_json_schema()["properties"]
        assert all(entry["description"] and "default" in entry for entry in fields.values())
