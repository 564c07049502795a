"""Checks everything in deploy/ that can be checked without running it: python deploy/check.py

promtool and amtool are not Python packages (Debian: prometheus, prometheus-alertmanager); where they are absent, one line
names what was not checked.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
DEBIAN = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}


@dataclass(frozen=True)
class Check:
    """A command that succeeds if `what` is in order."""

    what: str
    command: tuple[str, ...]


def checks() -> list[Check]:
    """All of them, quick ones first."""
    tests = sorted(str(path.relative_to(REPOSITORY)) for path in (HERE / "prometheus" / "tests").glob("*.yaml"))
    return [
        Check("the images' recipe", ("hadolint", "deploy/service.Dockerfile")),
        Check("docker-compose.yml", ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")),
        Check("the committed dashboards", (sys.executable, "deploy/grafana/build.py", "--check")),
        Check("Prometheus' configuration", ("promtool", "check", "config", "deploy/prometheus/prometheus.yml")),
        Check("the alert rules, fired and kept quiet", ("promtool", "test", "rules", *tests)),
        Check("Alertmanager's configuration", ("amtool", "check-config", "deploy/alertmanager/alertmanager.yml")),
    ]  # fmt: skip


def find(tool: str) -> str | None:
    """A tool of this environment, else of the machine."""
    return shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)


def run(check: Check) -> bool | None:
    """True if in order, False if not, None if the tool is absent."""
    program = find(check.command[0])
    if program is None:
        return None
    done = subprocess.run([program, *check.command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{check.what} is not in order: {' '.join(check.command)}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main() -> int:
    """Run every check; what could not be checked is said, and is no failure."""
    outcomes = [(check, run(check)) for check in checks()]
    for tool in sorted({check.command[0] for check, outcome in outcomes if outcome is None}):
        skipped = ", ".join(check.what for check, outcome in outcomes if check.command[0] == tool)
        package = f" (Debian: apt-get install {DEBIAN[tool]})" if tool in DEBIAN else ""
        sys.stderr.write(f"!!! NOT CHECKED, {tool} is not installed{package}: {skipped}\n")
    done = [check.what for check, outcome in outcomes if outcome]
    sys.stdout.write(f"deploy: in order: {', '.join(done)}\n")
    return 1 if any(outcome is False for _, outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
