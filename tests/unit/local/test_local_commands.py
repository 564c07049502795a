"""Commands as a person types them, against a small HTTP server in the place of the services."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from typer.testing import CliRunner, Result

from libs.common.errors import Permanent
from libs.local import following
from libs.local.cli import app
from libs.local.client import NotRunning, Refused

RUN = "01a20363-8956-7b06-8fe5-8c7922e93d72"


@dataclass
class Services:
    """Answers by method and path; what was asked is kept. An answer that is a list of answers is used up one by one."""

    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[tuple[str, dict[str, list[str]], Any]] = field(default_factory=list[Any])

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        url = urlparse(target)
        known = f"{method} {url.path}"
        self.asked.append((known, parse_qs(url.query), json.loads(body) if body else None))
        found = self.answers.get(known, (404, {"title": "NotFound", "detail": f"no {url.path}"}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, tuple) else (200, found)

    def body_of(self, known: str) -> Any:
        return next(body for name, _, body in self.asked if name == known)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    played = Services()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            status, answer = played.answer(self.command, self.path, self.rfile.read(length))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    endpoints = {
        "kafka": {"bootstrap_servers": "127.0.0.1:9"}, "postgres": {"dsn": ""}, "s3": {"endpoint": url},
        "http": {"ingest": url, "registry": url, "console": url}, "tokens": {"admin": "secret"},
    }  # fmt: skip
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    monkeypatch.setenv("CAMLOOP_DATA_FOLDER", str(tmp_path))
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


def camloop(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def run(**changes: Any) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "training_run_id": RUN, "workflow": "hairnet", "state": "running", "reason": "attempt 1", "epoch": 3,
        "epochs": 60, "metrics": {"map50": 0.5},
    }  # fmt: skip
    return values | changes


def test_a_camera_gets_its_token_once(services: Services) -> None:
    services.answers["POST /v1/cameras"] = {"camera_id": "line-3"}
    services.answers["POST /v1/cameras/line-3/tokens"] = {"token": "camloop_abc", "scopes": ["ingest", "read"]}
    assert camloop("camera", "add", "line-3", "--title", "Line 3").stdout.startswith("camloop_abc\n")
    assert services.body_of("POST /v1/cameras") == {"camera_id": "line-3", "title": "Line 3"}


def test_a_training_run_takes_its_settings_as_values(services: Services) -> None:
    services.answers["POST /api/trainings"] = {"training_run_id": RUN}
    told = camloop("train", "hairnet", "--set", "epochs=50", "--set", "model=yolo11n", "--set", "pretrained=true")
    asked = services.body_of("POST /api/trainings")
    assert asked["hyperparameters"] == {"epochs": 50, "model": "yolo11n", "pretrained": True}
    assert asked["dataset_version_id"] == "latest"
    assert f"runs logs -f {RUN}" in told.stdout


@pytest.mark.parametrize(
    ("topic", "body", "code", "words"),
    [
        ("dataset.built", {"version": 2, "counts": {"train": 7}, "boxes_per_class": {"a": 3}}, 0, "hairnet@2: train=7"),
        (
            "dataset.built",
            {"version": 2, "counts": {}, "boxes_per_class": {}, "reused": True},
            0,
            "nothing has changed",
        ),
        ("dataset.build_failed", {"reason": "3 samples, 40 are needed"}, 1, "3 samples, 40 are needed"),
    ],
)
def test_a_build_says_what_came_of_it(
    services: Services, topic: str, body: dict[str, Any], code: int, words: str
) -> None:
    services.answers["POST /api/builds"] = {"event_id": "e1", "request_id": "r1"}
    services.answers["GET /api/events"] = [{"events": []}, {"events": [{"topic": topic, "body": body}]}]
    told = camloop("build", "hairnet", code=code)
    assert words in told.output
    assert services.asked[-1][1]["correlation"] == ["e1"]


def test_a_setting_needs_a_value(services: Services) -> None:
    assert "NAME=VALUE" in camloop("train", "hairnet", "--set", "epochs", code=1).stderr
    assert services.asked == []


def test_waiting_ends_with_the_run_and_its_fate(services: Services) -> None:
    services.answers["POST /api/trainings"] = {"training_run_id": RUN}
    services.answers[f"GET /api/runs/{RUN}"] = [
        (404, {"title": "NotFound", "detail": "not yet"}), run(state="queued", epoch=None), run(), run(state="failed"),
    ]  # fmt: skip
    told = camloop("train", "hairnet", "--wait", "--json", code=1)
    assert json.loads(told.stdout)["state"] == "failed"


def test_runs_are_listed_with_whole_ids(services: Services) -> None:
    services.answers["GET /api/runs"] = {"total": 1, "runs": [run(reason="waits for " + "a trainer " * 9)]}
    told = camloop("runs").stdout
    assert RUN in told
    assert "3/60" in told
    assert json.loads(camloop("runs", "--json").stdout)[0]["training_run_id"] == RUN


def test_a_log_is_followed_to_the_end_of_the_run(services: Services) -> None:
    def lines(*numbers: int) -> dict[str, Any]:
        return {
            "lines": [
                {"position": n, "at": "2026-03-02T12:00:00Z", "level": "info", "text": f"line {n}"} for n in numbers
            ]
        }

    services.answers["GET /api/runs"] = {"runs": [run()]}
    services.answers[f"GET /api/runs/{RUN}"] = [run(), run(state="trained")]
    services.answers[f"GET /api/runs/{RUN}/logs"] = [lines(1, 2), lines(), lines(3), lines()]
    told = camloop("runs", "logs", "-f", RUN[:6]).stdout
    assert [line.split("info")[1].strip() for line in told.splitlines()] == ["line 1", "line 2", "line 3"]
    asked = [query["after"] for name, query, _ in services.asked if name.endswith("/logs")]
    assert asked == [["0"], ["2"], ["2"], ["3"]]


def test_the_beginning_of_an_id_must_mean_one_run(services: Services) -> None:
    services.answers["GET /api/runs"] = {"runs": [run(), run(training_run_id=RUN.replace("7b06", "7b07"))]}
    assert "2 runs begin with" in camloop("runs", "show", RUN[:8], code=1).stderr


def test_a_run_is_shown_with_its_judgement(services: Services) -> None:
    evaluation = {"split": "test", "metrics": {"map50": 0.91}, "gate": {"passed": False, "reasons": ["map50 too low"]}}
    services.answers[f"GET /api/runs/{RUN}"] = run(evaluation=evaluation, waits_for="a trainer")
    told = camloop("runs", "show", RUN).stdout
    assert "test split: map50=0.910; gate failed: map50 too low" in told
    assert "a trainer" in told


def versions() -> dict[str, Any]:
    def version(number: int, map50: float) -> dict[str, Any]:
        return {
            "model": "hairnet", "version": number, "workflow": "hairnet", "dataset_version": number,
            "metrics": {"map50": map50, "map50_95": None}, "gate": {"passed": True}, "registered_at": "2026-03-02",
            "per_class": {"hairnet": {"recall": map50}},
        }  # fmt: skip

    return {"versions": [version(2, 0.9), version(1, 0.8)]}


def test_models_are_listed_with_their_aliases(services: Services) -> None:
    services.answers["GET /v1/models"] = {"models": [{"name": "hairnet", "aliases": {"champion": 2, "previous": 1}}]}
    services.answers["GET /v1/models/hairnet/versions"] = versions()
    lines = camloop("models").stdout.splitlines()
    assert lines[1].split()[:3] == ["hairnet@2", "champion", "0.900"]
    assert lines[2].split()[:3] == ["hairnet@1", "previous", "0.800"]


def test_models_are_compared_side_by_side(services: Services) -> None:
    services.answers["GET /v1/models/hairnet/versions"] = versions()
    for version in versions()["versions"]:
        services.answers[f"GET /v1/models/hairnet/versions/{version['version']}"] = version
    told = camloop("models", "compare", "hairnet").stdout
    assert "map50            0.800      0.900      +0.100" in told
    assert "hairnet: recall" in told


def test_a_promotion_says_what_moved_and_a_refusal_why(services: Services) -> None:
    path = "POST /v1/models/hairnet/versions/2/promote"
    moved = {"model": "hairnet", "alias": "champion", "version": 2, "previous_version": 1, "moved": True}
    services.answers[path] = moved
    assert camloop("models", "promote", "hairnet", "2").stdout == "hairnet champion: version 2 (before: 1)\n"
    services.answers[path] = (409, {"title": "Conflict", "detail": "its gate failed: map50 0.3 < 0.5"})
    with pytest.raises(Refused, match="its gate failed"):
        camloop("models", "promote", "hairnet", "2")


def test_why_is_a_chain_and_names_what_is_waited_for(services: Services) -> None:
    node = {"what": "training.queued", "subject": RUN, "at": "2026-03-02T12:00:00Z", "who": "ann", "reason": "asked",
            "details": {"counts": {"train": 4}}}  # fmt: skip
    samples = {"what": "snapshot.captured", "subject": "40 snapshots", "at": None, "who": None, "reason": "",
               "details": {"count": 40, "first": ["a", "b", "c", "d", "e", "f"]}}  # fmt: skip
    services.answers["GET /api/why/hairnet@2"] = {
        "kind": "training_run", "subject": RUN, "summary": "queued", "waits_for": "the first dataset version",
        "chain": [node, samples], "led_to": [], "dead_letters": [{"id": "x", "consumer": "cleaner", "state": "open", "error": "[E]"}],
    }  # fmt: skip
    told = camloop("why", "hairnet@2").stdout
    assert "it waits for the first dataset version" in told
    assert "asked; by ann" in told
    assert "counts: train=4" in told
    assert "and 35 more" in told
    assert "cleaner gave up (open): [E]" in told


def test_a_review_confirms_what_the_sample_came_with(services: Services) -> None:
    box = {"label": "hairnet", "box": [1, 2, 3, 4], "confidence": 0.7}
    services.answers["GET /api/samples/s1"] = {"annotations": [], "suggestions": [box], "revision": 4}
    services.answers["POST /api/reviews"] = {"event_id": "e"}
    camloop("review", "approve", "s1", "--by", "ann")
    asked = services.body_of("POST /api/reviews")
    assert asked["annotations"] == [{"label": "hairnet", "box": [1, 2, 3, 4]}]
    assert (asked["based_on_revision"], asked["decision"], asked["reviewer"]) == (4, "approve", "ann")
    camloop("review", "reject", "s1")
    assert services.asked[-1][2]["annotations"] == []


def test_dead_letters_are_listed_shown_replayed_and_discarded(services: Services) -> None:
    letter = {"id": "d1", "consumer": "cleaner", "topic": "snapshot.captured", "times": 1, "last_at": "2026-03-02T12",
              "error": "Permanent: [no] picture", "headers": {"ce_id": "1"}}  # fmt: skip
    services.answers |= {
        "GET /api/dlq": {"dead_letters": [letter]}, "GET /api/dlq/d1": letter,
        "POST /api/dlq/d1/replay": letter, "POST /api/dlq/d1/discard": letter,
    }  # fmt: skip
    assert "Permanent: [no] picture" in camloop("dlq", "list").stdout
    assert services.asked[0][1] == {"state": ["open"]}
    assert "Permanent: [no] picture" in camloop("dlq", "show", "d1").stdout
    camloop("dlq", "replay", "d1")
    assert "Missing option" in camloop("dlq", "discard", "d1", code=2).stderr
    camloop("dlq", "discard", "d1", "--reason", "a test")
    assert services.body_of("POST /api/dlq/d1/discard") == {"reason": "a test"}


def test_events_come_oldest_first(services: Services) -> None:
    events = [{"position": n, "at": "2026-03-02T12:00:00Z", "topic": "sample.rejected", "key": f"k{n}",
               "body": {"reason": "dark"}} for n in (3, 2)]  # fmt: skip
    services.answers["GET /api/events"] = {"events": events}
    told = camloop("events", "tail", "-t", "sample.rejected", "-t", "sample.approved", "-n", "2").stdout.splitlines()
    assert [line.split()[0] for line in told] == ["2", "3"]
    assert told[0].endswith("reason=dark")
    assert services.asked[0][1]["topic"] == ["sample.rejected", "sample.approved"]


def test_without_a_system_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMLOOP_DATA_FOLDER", str(tmp_path))
    with pytest.raises(NotRunning, match="uv run camloop up --detach"):
        camloop("runs")


FIGURES = {
    "camera_id": "sink-1", "model": "handwash@3", "sensitivity": 0.9, "specificity": None, "washes": 3, "rate": 0.5,
    "median_seconds": 41.0, "compliant": ["a"], "non_compliant": ["b"], "undetermined": ["c"], "missing": {"thumb": ["b"]},
}  # fmt: skip


def test_compliance_is_a_table_whose_models_say_how_right_they_are(services: Services) -> None:
    services.answers["GET /api/compliance"] = {"cameras": [FIGURES], "rows": []}
    told = camloop("compliance", "handwash", "--from", "2026-03-02", "--zone", "Asia/Shanghai").stdout
    assert "handwash@3 (catches 90 %, spares -)" in told
    assert "thumb 1" in told
    asked = services.asked[0][1]
    assert (asked["from"], asked["zone"], "to" in asked) == (["2026-03-02"], ["Asia/Shanghai"], False)
    services.answers["GET /api/compliance"] = {"cameras": [], "rows": []}
    assert "No wash was judged" in camloop("compliance", "handwash").stdout


def test_compliance_is_a_file_to_take_along(services: Services, tmp_path: Path) -> None:
    services.answers["GET /api/compliance"] = {"any": "bytes"}
    out = tmp_path / "report.csv"
    told = camloop("compliance", "handwash", "--format", "csv", "--table", "washes", "--out", str(out)).stdout
    assert json.loads(out.read_bytes()) == {"any": "bytes"}
    assert told.strip().endswith("report.csv: 16 bytes")
    asked = services.asked[0][1]
    assert (asked["format"], asked["table"], asked["language"]) == (["csv"], ["washes"], ["en"])
    assert json.loads(camloop("compliance", "handwash", "--format", "html").stdout_bytes) == {"any": "bytes"}
    nowhere = str(tmp_path / "no" / "report.json")
    assert "cannot be written" in camloop("compliance", "handwash", "--out", nowhere, code=1).output


def test_a_clip_is_approved_with_a_table_or_with_what_the_model_suggests(services: Services, tmp_path: Path) -> None:
    suggested = [{"step": "thumb", "start_seconds": 1.0, "end_seconds": 2.0, "confidence": 0.7}]
    sample = {"kind": "clip", "revision": 2, "segments": [], "suggested_segments": suggested}
    services.answers |= {"GET /api/samples/s": sample, "POST /api/reviews": {}}
    camloop("review", "approve", "s")
    body = services.body_of("POST /api/reviews")
    assert body["segments"] == [{"step": "thumb", "start_seconds": 1.0, "end_seconds": 2.0}]
    assert ("annotations" in body, body["based_on_revision"]) == (False, 2)
    table = tmp_path / "clip.csv"
    table.write_text("start,stop,label\n0.5,4,palms\n")
    services.asked.clear()
    camloop("review", "approve", "s", "--segments", str(table))
    assert services.body_of("POST /api/reviews")["segments"] == [
        {"step": "palms", "start_seconds": 0.5, "end_seconds": 4.0}
    ]
    table.write_text("nonsense")
    camloop("review", "approve", "s", "--segments", str(table), code=1)


def test_analyze_says_what_to_do_without_a_champion(services: Services, tmp_path: Path) -> None:
    clip = tmp_path / "wash.mp4"
    clip.write_bytes(b"a video")
    with pytest.raises(Permanent, match=r"handwash has no champion yet.*camloop models promote handwash VERSION"):
        camloop("analyze", str(clip))
    with pytest.raises(Permanent, match="no model version handwash@7: camloop models shows"):
        camloop("analyze", str(clip), "--model", "handwash@7")
    with pytest.raises(Permanent, match="write NAME@VERSION"):
        camloop("analyze", str(clip), "--model", "handwash")
    assert [known for known, _, _ in services.asked] == [
        "GET /v1/models/handwash/aliases/champion", "GET /v1/models/handwash/versions/7"
    ]  # fmt: skip
