"""Prometheus and Alertmanager as shipped, against a system on this machine: addresses and waiting times are other ones."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from libs.local.ports import free_port
from tests.support.promql import DEPLOY

# Debian calls it prometheus-alertmanager, its makers alertmanager.
PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}
PLACEHOLDER = "http://alert-webhook.invalid/"
Alert = dict[str, Any]


@dataclass
class Receiver:
    """What an operator's webhook got."""

    url: str
    alerts: list[Alert] = field(default_factory=list[Alert])


@dataclass(frozen=True)
class Watch:
    """A running Prometheus, and who it tells."""

    url: str
    receiver: Receiver

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series an expression gives now; an expression that Prometheus refuses fails the test."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        return answer.json()["data"]["result"]

    def targets(self) -> dict[str, str]:
        """Health by service."""
        found = httpx.get(f"{self.url}/api/v1/targets", timeout=10).json()["data"]["activeTargets"]
        return {each["labels"]["job"]: each["health"] for each in found}


def programs_or_skip() -> dict[str, str]:
    """Where the programs are; the test is skipped, with what then stays unproved, where one is absent."""
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(
            f"{' and '.join(missing)} not installed (Debian: apt-get install prometheus prometheus-alertmanager):"
            " NOT PROVED that an alert of the live system reaches an operator"
        )
    return {name: path for name, path in found.items() if path is not None}


@contextmanager
def watching(programs: dict[str, str], folder: Path, http: dict[str, str]) -> Iterator[Watch]:
    """Start the receiver, Alertmanager and Prometheus; `http` are base URLs by service. All end with the context."""
    with receiver() as told:
        alertmanager, prometheus = (f"127.0.0.1:{free_port()}" for _ in range(2))
        (folder / "alertmanager.yml").write_text(alertmanager_configuration(told.url))
        (folder / "prometheus.yml").write_text(prometheus_configuration(http, alertmanager))
        first = [programs["alertmanager"], f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
                 f"--web.listen-address={alertmanager}", "--cluster.listen-address="]  # fmt: skip
        second = [programs["prometheus"], f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                  f"--web.listen-address={prometheus}"]  # fmt: skip
        with (
            _running(first, folder / "alertmanager.log", alertmanager),
            _running(second, folder / "prometheus.log", prometheus),
        ):
            yield Watch(f"http://{prometheus}", told)


def prometheus_configuration(http: dict[str, str], alertmanager: str) -> str:
    """The deployed file, with the rules it ships, other addresses, and a second for a quarter of a minute."""
    shipped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    for job in shipped["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [urlsplit(http[job["job_name"]]).netloc]}]
    shipped["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    shipped["rule_files"] = [str(DEPLOY / "prometheus" / path) for path in shipped["rule_files"]]
    shipped["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    return yaml.safe_dump(shipped)


def alertmanager_configuration(webhook: str) -> str:
    """The deployed file with the webhook in its place, as docker-compose.yml puts it, and without the waiting."""
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    assert PLACEHOLDER in text
    shipped = yaml.safe_load(text.replace(PLACEHOLDER, webhook))
    for route in (shipped["route"], *shipped["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    return yaml.safe_dump(shipped)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """An HTTP server that takes what Alertmanager posts."""
    told = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.alerts.extend(body["alerts"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_address[1]}/alerts"
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _running(command: list[str], log: Path, address: str) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=log.parent)
    try:
        _wait_until_ready(process, address, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://{address}/-/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{process.args} is not ready:\n{log.read_text()[-2000:]}")
