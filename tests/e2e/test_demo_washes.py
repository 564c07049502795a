"""`camloop demo --workflow handwash`: from drawn washes to verdicts on washes that nobody has looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.workflows import load_workflow
from libs.local.demo.wash_workflow import shortened
from libs.local.demo.washes import planned
from libs.local.drawing.washing import draw_wash
from tests.support.system import REPOSITORY, System

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def told(system: System) -> subprocess.CompletedProcess[str]:
    system.add_workflow("handwash", "handwash")
    command = [sys.executable, "-m", "libs.local.cli", "demo", "--workflow", "handwash", "--seed", "7", "--json"]
    done = subprocess.run(
        command, env=system.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


def test_unseen_washes_are_judged_rightly(told: subprocess.CompletedProcess[str]) -> None:
    done = json.loads(told.stdout)
    assert (done["clips"], done["judged"]) == (60, 40)
    assert done["right"] >= 0.9 * done["judged"]
    assert done["steps_missing"] > 0
    assert done["steps_named"] >= 0.9 * done["steps_missing"]
    assert [(each["model"], each["promoted"]) for each in done["versions"]] == [("handwash-demo@1", True)]
    assert [Path(report).read_text().lstrip()[:15].lower() for report in done["reports"]] == ["<!doctype html>"]


def test_it_tells_each_verdict(told: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in told.stderr.splitlines() if line.startswith(("right  ", "WRONG  "))]
    assert len(lines) == 40
    assert any(", missing " in line for line in lines)
    # Among so many some show no hands, or hardly: whatever else is said of them, it is no accusation.
    assert any("undetermined" in line for line in lines)
    assert not [line for line in lines if "  non_compliant" in line and "in truth undetermined" in line]


def test_what_runs_now_can_be_asked_about_one_clip(
    system: System, told: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    workflow = shortened(load_workflow(system.workflows / "handwash.yaml"))
    plan = next(iter(planned(workflow, 12, 99, annotated=False).plans.values()))
    clip, out = draw_wash(plan, tmp_path / "wash.mp4"), tmp_path / "seen.mp4"
    said = system.camloop("analyze", str(clip), "--workflow", workflow.name, "--out", str(out))
    assert said["model"] == "handwash-demo@1"
    assert said["clip_seconds"] == pytest.approx(plan.seconds, abs=0.2)
    assert out.stat().st_size > 10_000
