"""Real pictures and a real recording through the whole loop, by the command line a person would use."""

import csv
import itertools
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.common.manifests import read_manifest
from tests.support.system import System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(900)]

PPE_CLASSES = [
    {"id": 0, "name": "helmet", "title": {"en": "Helmet", "zh": "安全帽"}},
    {"id": 1, "name": "vest", "title": {"en": "Vest", "zh": "反光背心"}},
    {"id": 2, "name": "no_helmet", "title": {"en": "No helmet", "zh": "未戴安全帽"}},
    {"id": 3, "name": "no_vest", "title": {"en": "No vest", "zh": "未穿反光背心"}},
]
# Frame ranges with somebody in the picture, from the recording's description; 10 frames a second.
VISITS = ((61, 196), (228, 445), (503, 695), (746, 865), (922, 1196), (1236, 1359))
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)


def test_a_copied_workflow_trains_on_real_pictures_and_near_duplicates_never_cross_splits(
    system: System, shared_data: Path
) -> None:
    quick = {"model": "yolov8n", "pretrained": False, "image_size": 96, "epochs": 2, "batch": 16, "patience": 0}
    system.add_workflow(
        "hairnet", "sitewear", title={"en": "Site wear", "zh": "工地着装"}, classes=PPE_CLASSES, violation_types=[],
        cleaning={"minimum_sharpness": 0.0, "minimum_brightness": 5.0, "approve": {"spot_check_share": 0.0}},
        dataset={"build_after_samples": 1000, "minimum_samples": 20, "minimum_per_class": 1},
        training={"hyperparameters": quick}, gate={"minimum": {"map50": 0.0}, "maximum_drop": {}}, promotion="manual",
    )  # fmt: skip
    source = shared_data / "ppe-vest-mini"
    names = (source / "classes_english.txt").read_text().split("\n")
    known = [entry["name"] for entry in PPE_CLASSES]
    mapping = [f"--map={name.strip()}={known[index]}" for index, name in enumerate(n for n in names if n.strip())]
    sent = system.camloop("import", "yolo", str(source), "--workflow", "sitewear", "--cameras", "4", *mapping)
    assert sent["sent"] == 136
    assert len(sent["images_per_camera"]) == 4
    system.until("136 samples with a verdict", lambda: _judged(system, "sitewear") == 136, 120)

    system.camloop("build", "sitewear")
    built = system.until("a dataset version", lambda: system.camloop("versions", "sitewear"), 60)[0]
    lines = list(read_manifest(_object(system, built["manifest"]["uri"])))
    by_split = _splits_by_source(lines, source, system)
    assert {line.split for line in lines} == {"train", "val", "test"}
    assert [group for group, splits in by_split.items() if len(splits) > 1] == []
    assert max(len(splits) for splits in by_split.values()) == 1

    model = system.until("a registered model", lambda: system.version("sitewear"), 400)
    assert model["metrics"]["map50"] is not None
    report = json.loads(_object(system, next(a["uri"] for a in model["artifacts"] if a["name"] == "report.json")))
    assert report


def _judged(system: System, workflow: str) -> int:
    verdicts = system.get("console", "/api/overview", workflow=workflow)["samples"]
    return sum(verdicts.get(name, 0) for name in ("approved", "rejected", "queued"))


def _object(system: System, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return (system.folder / "var" / "s3" / bucket / key).read_bytes()


def _splits_by_source(lines: list, source: Path, system: System) -> dict[str, set[str]]:
    """For every known source picture: the splits its variants are in."""
    from hashlib import sha256

    with (source / "groups.csv").open() as file:
        sources = {
            sha256((source / row["file"]).read_bytes()).hexdigest(): row["source_id"] for row in csv.DictReader(file)
        }
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        found[sources[line.media.sha256]].add(line.split)
    return found


def test_a_recording_gives_snapshots_of_every_visit_and_no_flood_of_the_empty_scene(
    system: System, shared_data: Path
) -> None:
    system.add_workflow("hairnet", "lobby", title={"en": "Lobby", "zh": "大厅"}, training={"automatic": False})
    clip = shared_data / "camera-clips" / "one-by-one-person-detection.mp4"
    sent = system.camloop(
        "ingest", "video", str(clip), "--camera", "lobby-1", "--workflow", "lobby", "--start", "2026-03-02T06:00:00"
    )
    total = sent["sent"]
    system.until("every snapshot judged", lambda: _judged(system, "lobby") == total, 120)
    events = system.get("console", "/api/events", topic="snapshot.captured", key="lobby-1", limit="500")["events"]
    taken = [datetime.fromisoformat(event["body"]["captured_at"]) for event in events]
    seconds = sorted((moment - BEGIN) / timedelta(seconds=1) for moment in taken)
    assert len(seconds) == total
    for first, last in VISITS:
        assert sum(first / 10 <= second <= last / 10 for second in seconds) >= 2, f"visit {first}-{last}: {seconds}"
    near = [(first / 10 - 1, last / 10 + 1) for first, last in VISITS]
    empty = [second for second in seconds if not any(a <= second <= b for a, b in near)]
    assert len(empty) <= 5, f"{len(empty)} snapshots of the empty scene at {empty}"
    assert min(b - a for a, b in itertools.pairwise(seconds)) >= 1.5
