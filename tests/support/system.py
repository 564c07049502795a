"""A running system as an outsider sees it: its command line, its HTTP sides, its folder."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class System:
    """A running camloop and its command line."""

    folder: Path
    environment: dict[str, str]

    @property
    def workflows(self) -> Path:
        """Where a workflow file may be laid while the system runs."""
        return self.folder / "workflows"

    @property
    def endpoints(self) -> dict[str, Any]:
        """What an outside program is told."""
        return json.loads((self.folder / "var" / "endpoints.json").read_text())

    def camloop(self, *arguments: str, code: int | None = 0, timeout_seconds: float = 300) -> Any:
        """Run a command with `--json`; its answer. `code` is the exit code it must have, None for any."""
        done = subprocess.run(
            [sys.executable, "-m", "libs.local.cli", *arguments, "--json"],
            cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=timeout_seconds, check=False,
        )  # fmt: skip
        assert code in (None, done.returncode), f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def get(self, service: str, path: str, **query: str) -> Any:
        """GET with the admin token."""
        known = self.endpoints
        headers = {"Authorization": f"Bearer {known['tokens']['admin']}"}
        answer = httpx.get(known["http"][service] + path, params=query, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def add_workflow(self, source: str, name: str, **changes: Any) -> None:
        """What a person does: copy a workflow file, edit it, lay it beside the others."""
        definition = yaml.safe_load((REPOSITORY / "deploy" / "workflows" / f"{source}.yaml").read_text("utf-8"))
        definition = merged(definition, {"name": name} | changes)
        text = yaml.safe_dump(definition, allow_unicode=True, sort_keys=False)
        (self.workflows / f"{name}.yaml").write_text(text, encoding="utf-8")

    def until(self, what: str, condition: Callable[[], Any], timeout_seconds: float) -> Any:
        """Wait until `condition()` is truthy and return it."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if outcome := condition():
                return outcome
            time.sleep(0.3)
        raise AssertionError(f"{what}: not within {timeout_seconds:.0f} s; logs in {self.folder / 'var' / 'log'}")

    def version(self, model: str, number: int = 1) -> dict[str, Any] | None:
        """A registered model version, or None while there is none."""
        known = self.endpoints
        headers = {"Authorization": f"Bearer {known['tokens']['admin']}"}
        url = f"{known['http']['registry']}/v1/models/{model}/versions/{number}"
        answer = httpx.get(url, headers=headers, timeout=30)
        return answer.json() if answer.status_code == 200 else None


@contextmanager
def running_system(folder: Path, workflows: Path) -> Iterator[System]:
    """`camloop up` with its data in `folder`; `down` at the end, and nothing that names the folder goes on."""
    environment = {
        **os.environ,
        "CAMLOOP_DATA_FOLDER": str(folder / "var"),
        "WORKFLOWS_FOLDER": str(workflows),
        "CAMLOOP_ADMIN_TOKEN": "end-to-end-admin-token-0123456789",
        "PYTHONPATH": str(REPOSITORY),
    }
    running = System(folder, environment)
    running.camloop("up", "--detach")
    try:
        yield running
    finally:
        running.camloop("down")
        left = [
            p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])
        ]
        assert left == []


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` on top of `base`, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both and key != "classes" else value
    return result
