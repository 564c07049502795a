"""What people get from the console over HTTP, and what becomes of what they ask for."""

from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.configuration import put_token, token_digest
from libs.common.events import (
    DatasetBuildFailed,
    DatasetBuildRequested,
    EvaluationRequested,
    PromotionRequested,
    ReviewSubmitted,
    RollbackRequested,
    TokenChanged,
    TrainingCancelRequested,
    TrainingRequested,
    WorkflowChanged,
)
from libs.common.manifests import ManifestLine, write_manifest
from libs.common.testing import NOON
from tests.unit.console.console_events import IMAGE, Round, at, fact
from tests.unit.registry.registry_events import workflow_definition

pytestmark = pytest.mark.connected


@pytest.fixture
async def told(console) -> Round:
    """One round of the loop, heard."""
    round_ = Round()
    definition = workflow_definition("hairnet")
    workflow = WorkflowChanged(workflow="hairnet", revision=1, definition=definition, changed_by="file:hairnet.yaml")
    await console.hear(fact(workflow), *[fact(event, seconds) for seconds, event in enumerate(round_.events())])
    return round_


async def test_samples_are_filtered_and_paged(console, told: Round) -> None:
    everything = await console.get("/api/samples", limit=3)
    assert (everything["total"], len(everything["samples"])) == (4, 3)
    rest = await console.get("/api/samples", limit=3, offset=3)
    assert len({sample["sample_id"] for sample in everything["samples"] + rest["samples"]}) == 4
    for query, expected in (
        ({"verdict": "approved"}, {0, 1}), ({"verdict": "rejected", "reason": "blurred"}, {2}), ({"camera": "line-2"}, {1, 3}),
        ({"workflow": "gloves"}, set()), ({"reason": "dark"}, set()),
    ):  # fmt: skip
        found = await console.get("/api/samples", **query)
        assert {UUID(sample["sample_id"]) for sample in found["samples"]} == {told.samples[i] for i in expected}
        assert found["total"] == len(expected)
    one = await console.get(f"/api/samples/{told.samples[2]}")
    assert (one["verdict"], one["reason"], one["measures"]) == ("rejected", "blurred", {"sharpness": 3.5})


async def test_the_review_queue_is_urgent_first_with_a_link_to_the_image(console, told: Round) -> None:
    urgent = uuid4()
    await console.objects.put("snapshots/a.jpg", b"nine byte", "image/jpeg")
    await console.hear(fact(told.queued(0, sample_id=urgent, priority=0.9), 50))
    reviews = (await console.get("/api/reviews", workflow="hairnet"))["reviews"]
    assert [UUID(review["sample_id"]) for review in reviews] == [urgent, told.samples[3]]
    assert (reviews[0]["annotation_revision"], reviews[0]["reason"]) == (0, "no annotation came along")
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(reviews[0]["image_url"])).content == b"nine byte"


async def test_runs_models_and_dataset_versions(console, told: Round) -> None:
    (run,) = (await console.get("/api/runs", workflow="hairnet", state="trained"))["runs"]
    assert (run["reason"], run["epoch"]) == ("trained in 61 s on cpu", 2)
    lines = (await console.get(f"/api/runs/{told.run_id}/logs"))["lines"]
    assert [line["text"] for line in lines] == ["epoch 1", "epoch 2"]
    more = (await console.get(f"/api/runs/{told.run_id}/logs", after=lines[0]["position"]))["lines"]
    assert [line["text"] for line in more] == ["epoch 2"]
    epochs = (await console.get(f"/api/runs/{told.run_id}/epochs"))["epochs"]
    assert [epoch["metrics"]["map50"] for epoch in epochs] == [0.1, 0.2]
    (model,) = (await console.get("/api/models"))["models"]
    assert (model["model"], model["aliases"], len(model["versions"])) == ("hairnet", {"champion": 1}, 1)
    assert (await console.get("/api/models/hairnet/1"))["training_run_id"] == str(told.run_id)
    (change,) = (await console.get("/api/models/hairnet/aliases"))["changes"]
    assert (change["deed"], change["after_version"], change["by"]) == ("promoted", 1, "rule:gate")
    version = await console.get("/api/dataset-versions/hairnet/1")
    assert version == await console.get(f"/api/dataset-versions/{told.dataset_version_id}")
    assert (await console.get("/api/dataset-versions", workflow="hairnet"))["dataset_versions"] == [version]


async def test_the_overview_counts_and_says_what_spoke_last(console, told: Round) -> None:
    overview = await console.get("/api/overview", workflow="hairnet")
    assert (overview["snapshots"], overview["samples"]) == (4, {"approved": 2, "rejected": 1, "queued": 1})
    assert overview["reasons"]["rejected"] == {"blurred": 1}
    assert overview["reasons"]["approved"] == {"rule:annotated": 1, "user:li": 1}
    assert (overview["training_runs"], overview["model_versions"], overview["dead_letters"]) == ({"trained": 1}, 1, 0)
    last = {event["topic"]: event for event in overview["last_events"]}
    assert last["snapshot.captured"]["at"] == at(3).isoformat().replace("+00:00", "Z")
    assert (await console.get("/api/overview", workflow="gloves"))["snapshots"] == 0
    cameras = (await console.get("/api/cameras"))["cameras"]
    assert [(c["camera_id"], c["snapshots"], c["approved"], c["queued"]) for c in cameras] == [
        ("line-1", 2, 1, 0),
        ("line-2", 2, 1, 1),
    ]


async def test_events_are_filtered_and_read_on(console, told: Round) -> None:
    first = (await console.get("/api/events", limit=5))["events"]
    rest = (await console.get("/api/events", after=first[-1]["position"], limit=500))["events"]
    positions = [event["position"] for event in first + rest]
    assert positions == sorted(set(positions))
    assert len(positions) == 1 + len(told.events())
    (newest,) = (await console.get("/api/events", newest_first=True, limit=1))["events"]
    assert (newest["topic"], newest["position"]) == ("model.promoted", positions[-1])
    before = (await console.get("/api/events", newest_first=True, before=newest["position"], limit=1))["events"]
    assert before[0]["position"] == positions[-2]
    run = (await console.get("/api/events", key=told.run_id, topic="model.trained"))["events"]
    assert [event["body"]["training_run_id"] for event in run] == [str(told.run_id)]


async def test_why_a_model_leads_back_to_its_snapshots(console, told: Round, tmp_path) -> None:
    lines = [
        ManifestLine(sample_id=told.samples[index], kind="image", media=IMAGE, camera_id=told.cameras[index],
                     captured_at=at(index), annotation_revision=1, annotated_by="camera", split=split, leakage_group="g")
        for index, split in ((0, "train"), (1, "val"))
    ]  # fmt: skip
    write_manifest(tmp_path / "m", sorted(lines, key=lambda line: str(line.sample_id)))
    manifest = await console.objects.put_file("datasets/hairnet/v2/manifest.jsonl.zst", tmp_path / "m")
    two = Round(version=2, manifest=manifest, samples=told.samples)
    asked = DatasetBuildRequested(request_id=uuid4(), workflow="hairnet", requested_by="li", reason="more night shots")
    request = fact(asked, 90)
    await console.hear(request)
    await console.hear(fact(two.built(requested_by="li"), 100), cause=request.event_id)
    for seconds, event in enumerate(two.events()[10:], start=101):
        await console.hear(fact(event, seconds))
    why = await console.get("/api/why/hairnet@2")
    assert [node["what"] for node in why["chain"]] == [
        "model.promoted", "model.registered", "model.evaluated", "model.trained", "training.progressed",
        "training.started", "training.queued", "dataset.built", "dataset.build_requested", "sample.approved",
        "snapshot.captured",
    ]  # fmt: skip
    requested, approved, captured = why["chain"][-3:]
    assert (requested["who"], requested["reason"]) == ("li", "more night shots")
    assert approved["details"]["by"] == {"rule:annotated": 1, "user:li": 1}
    assert approved["details"]["splits"] == {"train": 1, "val": 1}
    assert approved["details"]["known_from"] == "the manifest"
    assert captured["details"]["cameras"] == {"line-1": 1, "line-2": 1}
    assert captured["details"]["first"] == [f"snap-{told.samples[0]}", f"snap-{told.samples[1]}"]
    assert (await console.get("/api/why/hairnet"))["subject"] == "hairnet@2"


async def test_why_a_run_waits(console, told: Round) -> None:
    waiting = Round(version=2)
    await console.hear(fact(waiting.train_queued(), 200))
    why = await console.get(f"/api/why/{waiting.run_id}")
    assert (why["kind"], why["waits_for"]) == ("training_run", "a free trainer")
    assert "queued" in why["summary"]


async def test_why_nothing_was_trained(console, told: Round) -> None:
    """A workflow that has never trained says what it has and what it waits for."""
    definition = workflow_definition("gloves")
    workflow = WorkflowChanged(workflow="gloves", revision=1, definition=definition, changed_by="test")
    gloves = Round(workflow="gloves")
    await console.hear(fact(workflow), fact(gloves.approved(0)))
    failed = DatasetBuildFailed(build_id=uuid4(), workflow="gloves", reason="only 1 of 20 samples")
    await console.hear(fact(failed))
    why = await console.get("/api/why/gloves")
    assert "after 200 new samples" in why["waits_for"]
    assert "1 are approved" in why["waits_for"]
    assert [node["what"] for node in why["chain"]] == ["dataset.build_failed", "sample.approved", "snapshot.captured"]
    assert why["chain"][0]["reason"] == "only 1 of 20 samples"
    await console.hear(fact(gloves.built()))
    assert "queued a run" in (await console.get("/api/why/gloves"))["waits_for"]


async def test_why_a_sample_was_rejected(console, told: Round) -> None:
    for subject in (told.samples[2], f"snap-{told.samples[2]}"):
        why = await console.get(f"/api/why/{subject}")
        rejected, captured = why["chain"]
        assert (rejected["reason"], rejected["details"]["measures"]) == ("blurred", {"sharpness": 3.5})
        assert (captured["what"], captured["who"]) == ("snapshot.captured", "line-1")


async def test_why_of_a_dataset_version_without_its_manifest_counts_verdicts(console, told: Round) -> None:
    why = await console.get(f"/api/why/{told.dataset_version_id}")
    assert [node["what"] for node in why["chain"]] == ["dataset.built", "sample.approved", "snapshot.captured"]
    assert why["chain"][1]["details"]["count"] == 2
    assert "cannot be read" in why["chain"][1]["details"]["known_from"]


async def test_why_of_an_event_follows_its_causes_and_effects(console, told: Round) -> None:
    first, second, third = fact(told.snapshot(0), 300), fact(told.approved(0), 301), fact(told.built(), 302)
    await console.hear(first)
    await console.hear(second, cause=first.event_id)
    await console.hear(third, cause=second.event_id)
    why = await console.get(f"/api/why/{second.event_id}")
    assert [node["event_id"] for node in why["chain"]] == [str(second.event_id), str(first.event_id)]
    assert [node["event_id"] for node in why["led_to"]] == [str(third.event_id)]
    assert (await console.http.get(f"/api/why/{uuid4()}")).status_code == 404


async def ask(console, path: str, body: dict) -> dict:
    answer = await console.http.post(path, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_requests_become_facts(console, told: Round) -> None:
    review = {"sample_id": str(told.samples[3]), "decision": "approve", "based_on_revision": 0,
              "annotations": [{"label": "bare", "box": [1, 2, 3, 4]}]}  # fmt: skip
    assert (await ask(console, "/api/reviews", review))["sample_id"] == str(told.samples[3])
    (said,) = await console.said(ReviewSubmitted)
    assert (said["reviewer"], said["decision"], said["annotations"][0]["label"]) == ("admin", "approve", "bare")

    build = await ask(console, "/api/builds", {"workflow": "hairnet", "reason": "now", "by": "li"})
    (said,) = await console.said(DatasetBuildRequested)
    assert (said["request_id"], said["requested_by"], said["reason"]) == (build["request_id"], "li", "now")

    body = {"workflow": "hairnet", "hyperparameters": {"epochs": 5}, "dataset_version_id": str(told.dataset_version_id)}
    training = await ask(console, "/api/trainings", body)
    (said,) = await console.said(TrainingRequested)
    assert (said["training_run_id"], said["hyperparameters"]) == (training["training_run_id"], {"epochs": 5})

    await ask(console, "/api/evaluations", {"training_run_id": str(told.run_id)})
    assert (await console.said(EvaluationRequested))[0]["workflow"] == "hairnet"
    await ask(console, "/api/promotions", {"model": "hairnet", "version": 1, "reason": "better"})
    assert (await console.said(PromotionRequested))[0]["alias"] == "champion"
    await ask(console, "/api/rollbacks", {"model": "hairnet", "reason": "misses"})
    assert (await console.said(RollbackRequested))[0]["by"] == "admin"

    waiting = Round(version=2)
    await console.hear(fact(waiting.train_queued(), 200))
    await ask(console, f"/api/trainings/{waiting.run_id}/cancel", {"reason": "enough"})
    assert (await console.said(TrainingCancelRequested))[0]["reason"] == "enough"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/builds", {"workflow": "nothing"}, 404),
        ("/api/trainings", {"workflow": "hairnet", "dataset_version_id": str(uuid4())}, 404),
        ("/api/trainings/RUN/cancel", {}, 409),
        ("/api/trainings/00000000-0000-0000-0000-00000000beef/cancel", {}, 404),
        ("/api/evaluations", {"training_run_id": str(uuid4())}, 404),
        ("/api/promotions", {"model": "hairnet", "version": 9, "reason": "?"}, 404),
        ("/api/promotions", {"model": "hairnet", "version": 1}, 422),
        ("/api/rollbacks", {"model": "nobody", "reason": "?"}, 404),
        ("/api/reviews", {"sample_id": str(uuid4()), "decision": "skip", "based_on_revision": 0}, 404),
        ("/api/reviews", {"sample_id": "APPROVED", "decision": "reject", "based_on_revision": 1}, 409),
        ("/api/reviews", {"sample_id": "QUEUED", "decision": "approve", "based_on_revision": 0,
                          "annotations": [{"label": "helmet", "box": [1, 2, 3, 4]}]}, 422),
    ],
)  # fmt: skip
async def test_what_names_nothing_known_is_refused_and_not_said(
    console, told: Round, path: str, body: dict, status: int
) -> None:
    names = {"APPROVED": str(told.samples[1]), "QUEUED": str(told.samples[3])}
    body = {key: names.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    answer = await console.http.post(path.replace("RUN", str(told.run_id)), json=body)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert await console.pool.fetchval("select count(*) from outbox") == 0


async def test_scopes_and_the_label_of_the_token(console, told: Round) -> None:
    async def token(secret: str, *scopes: str) -> dict[str, str]:
        event = TokenChanged(
            token_id=uuid4(), sha256=token_digest(secret), scopes=scopes, label=f"desk {secret[0]}", issued_at=NOON
        )
        async with console.pool.acquire() as connection:
            await put_token(connection, event)
        return {"Authorization": f"Bearer {secret}"}

    reader, trainer = await token("r" * 30, "read"), await token("t" * 30, "train")
    build, promotion = {"workflow": "hairnet"}, {"model": "hairnet", "version": 1, "reason": "x"}
    post, get = console.http.post, console.http.get
    assert (await get("/api/runs", headers=reader)).status_code == 200
    assert (await get("/api/runs", headers={"Authorization": ""})).status_code == 401
    assert (await get("/api/runs", headers=trainer)).status_code == 403
    assert (await post("/api/builds", json=build, headers=reader)).status_code == 403
    assert (await post("/api/promotions", json=promotion, headers=trainer)).status_code == 403
    assert (await post("/api/rebuild", headers=trainer)).status_code == 403
    assert (await post("/api/builds", json=build, headers=trainer)).status_code == 202
    assert (await console.said(DatasetBuildRequested))[0]["requested_by"] == "desk t"
