"""The shelf: every file under its version, digests true, nothing overwritten by a later evaluation."""

from hashlib import sha256
from json import loads

import pytest

from libs.common.errors import Permanent
from libs.common.objects import split_uri
from libs.common.testing import NOON, FakeObjects
from services.registry.domain import ModelVersion, lineage_of
from services.registry.store.shelf import Shelf, Shelved
from services.registry.store.versions import Reservation
from tests.unit.registry.registry_events import Run


async def place(objects: FakeObjects, event, standing: ModelVersion | None = None, first=None) -> Shelved:
    return await Shelf(objects).place(Reservation("hairnet", 2, first or event.evaluation_id, standing), event)


async def test_files_lie_under_their_version_with_true_digests() -> None:
    objects = FakeObjects()
    shelved = await place(objects, await Run(objects).evaluated())
    assert shelved.abi == "detector/1"
    assert {a.name for a in shelved.artifacts} == {
        "best.pt", "best.onnx", "metadata.json", "report.json", "report.html",
    }  # fmt: skip
    for artifact in shelved.artifacts:
        assert artifact.uri == f"s3://camloop/models/hairnet/v2/{artifact.name}"
        data = objects.stored[split_uri(artifact.uri)[1]]
        assert (sha256(data).hexdigest(), len(data)) == (artifact.sha256, artifact.bytes)


async def test_metadata_names_model_version_and_thresholds() -> None:
    objects = FakeObjects()
    await place(objects, await Run(objects).evaluated(confidence=0.35))
    metadata = loads(objects.stored["models/hairnet/v2/metadata.json"])
    assert (metadata["model"], metadata["version"], metadata["operating_confidence"]) == (
        "hairnet", 2, {"hairnet": 0.35},
    )  # fmt: skip


async def test_a_second_evaluation_leaves_the_files_of_the_first() -> None:
    objects = FakeObjects()
    run = Run(objects)
    one = await run.evaluated(map50=0.8, confidence=0.5)
    shelved = await place(objects, one)
    before = {key: data for key, data in objects.stored.items() if key.startswith("models/")}
    standing = ModelVersion(
        model="hairnet", version=2, workflow="hairnet", training_run_id=run.run_id, evaluation_id=one.evaluation_id,
        dataset_version_id=one.dataset_version_id, dataset_version=3, abi=shelved.abi, artifacts=shelved.artifacts,
        metrics={}, per_class={}, per_camera={}, gate=one.gate, licence="x",
        lineage=lineage_of(one.trained, one.evaluation_id), operating_confidence={}, evaluated_at=NOON,
    )  # fmt: skip
    again = await place(objects, await run.evaluated(map50=0.9, confidence=0.2), standing, one.evaluation_id)
    assert {key: objects.stored[key] for key in before} == before
    by_name = {a.name: a for a in again.artifacts}
    assert by_name["best.onnx"].uri == "s3://camloop/models/hairnet/v2/best.onnx"
    assert "/evaluations/" in by_name["metadata.json"].uri
    assert loads(objects.stored[split_uri(by_name["metadata.json"].uri)[1]])["operating_confidence"] == {"hairnet": 0.2}
    assert loads(objects.stored[split_uri(by_name["report.json"].uri)[1]]) == {"map50": 0.9}


@pytest.mark.parametrize("name", ["best.onnx", "metadata.json"])
async def test_a_run_that_shipped_too_little_is_refused_by_name(name: str) -> None:
    objects = FakeObjects()
    run = Run(objects)
    del run.files[name]
    with pytest.raises(Permanent, match=f"shipped no {name}"):
        await place(objects, await run.evaluated())


@pytest.mark.parametrize("data", [b"not json", b"[]", b'{"classes": []}'])
async def test_metadata_that_names_no_signature_is_refused(data: bytes) -> None:
    objects = FakeObjects()
    run = Run(objects)
    run.files["metadata.json"] = data
    with pytest.raises(Permanent):
        await place(objects, await run.evaluated())
